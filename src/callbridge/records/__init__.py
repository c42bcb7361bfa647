"""What is asked weeks later: who called, what was said and heard, how fast it was, what it cost.

Facts are the only source. Everything else here is made from them, and can be made again.
"""
