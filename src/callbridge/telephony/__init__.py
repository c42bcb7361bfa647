"""Twilio over HTTP: signatures, TwiML, stream tokens, and its REST API (`rest`).

The `twilio` package is used here and nowhere else. Nothing here knows a web framework: functions
take strings and give strings, so that each can be tested without a server. Only `rest` opens connections.
"""
