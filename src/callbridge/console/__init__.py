"""The pages of developers and operators: talk to the agent by browser, watch calls.

The service runs without them. They are served on a loopback listener of their own, never on the public port.
"""
