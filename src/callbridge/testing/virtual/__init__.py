"""Time and network of a test: an event loop whose clock jumps, and connections that are memory.

What runs in it is not told: servers, clients and legs use their event loop as ever.
"""
