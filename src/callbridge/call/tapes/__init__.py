"""The tape of a stream: all that enters the machine, in order, and what it answered.

`entries` is what stands on a tape, `taping` a machine that writes one, `text` a tape as text, and back.
"""
