"""What an operator sees: logs, and what must never stand in them.

Nothing here decides anything about a call.
"""
