"""Senders of what calls have to tell: each takes its share of the outbox of the records."""
