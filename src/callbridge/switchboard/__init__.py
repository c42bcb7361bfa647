"""What stands between calls: who may call, how the model is, what was spent, what follows, when to stop.

Pure deciders: what happened and the time go in, a decision comes out. Nothing here waits, reads a clock, logs
or knows a socket, a file or a web framework.
"""
