"""The types that a field of a form can have: how the model writes a value, how it is read and read back.

Pure: no clock, no network and no model. What is true at the moment comes in as `At`.
"""
