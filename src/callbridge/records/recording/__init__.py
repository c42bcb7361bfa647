"""Recordings: what was heard of a call is placed in time, written while it runs, and stored afterwards."""
