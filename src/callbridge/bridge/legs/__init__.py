"""The sockets of a call behind one small interface, and the protocols they speak as client and as server."""
