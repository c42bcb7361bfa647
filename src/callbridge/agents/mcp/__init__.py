"""MCP servers as tools: those that we connect to, and those that the model's side runs.

A connection is the process's and is shared by its calls; what of it the model sees is decided here, for what
a server sends is never trusted: names, schemas, sizes, numbers, times.

Specification: https://modelcontextprotocol.io/specification
"""
