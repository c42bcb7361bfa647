"""State that must survive the process: events of calls, used tokens, who called, what was spent.

SQLAlchemy is used here and nowhere else. Nothing here knows what an event means: kinds and bodies are the
caller's words. Nothing here may keep a call waiting: what is told is queued; trouble is shown, not raised.
"""
