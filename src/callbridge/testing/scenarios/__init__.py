"""Calls that are written down in files, `*.call.toml`: read, run again and again, compared, reported."""
