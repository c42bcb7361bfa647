"""Outgoing webhooks: what is told to whom, how it is signed, when it is tried again, and where that is kept.

Blocking or pure, all of it: what sends runs in `server/process`.
"""
