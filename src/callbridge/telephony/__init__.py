"""Twilio over HTTP: signatures, TwiML and stream tokens.

The `twilio` package is used here and nowhere else. Nothing here knows a web framework: functions
take strings and give strings, so that each can be tested without a server.
"""
