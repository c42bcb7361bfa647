"""How a process listens: its sockets, uvicorn and its bounds, workers and their supervisor."""
