"""Agents that are written down and not programmed: `agents/*.toml`."""
