"""`callbridge mcp`: the phone as a tool of an assistant, over the Model Context Protocol.

What an assistant may ask is in `tools`, what it is told in `told`, and where that comes from in `phone`; none
of these knows the protocol. It is spoken in `answering`, over the standard streams or by HTTP (`listening`).
https://modelcontextprotocol.io/specification/2025-11-25
"""
