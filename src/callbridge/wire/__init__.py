"""The two protocols as typed messages: bytes and text in, values out, and back.

Pure: no I/O, no clock, no asyncio. A peer's malformed message raises `ProtocolError`, never anything else.
"""
