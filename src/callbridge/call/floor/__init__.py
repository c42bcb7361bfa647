"""Who speaks and what answer is due: all that is particular to Realtime's turn protocol."""
