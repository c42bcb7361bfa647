"""What a call is: events and the time go in, actions come out.

Pure: no I/O, no clock, no asyncio, no randomness, no logging. `machine` decides, `turns` knows the
Realtime turn protocol, `playout` knows what the caller has heard.
"""
