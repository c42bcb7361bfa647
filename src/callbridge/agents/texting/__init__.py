"""Text messages of an agent: what it may send and to whom, and what becomes of them in one call."""
