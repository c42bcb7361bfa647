"""Which agent answers a call: how agents are found, and what chooses among them."""
