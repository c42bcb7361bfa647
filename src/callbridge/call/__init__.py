"""What a call is: events and the time go in, actions come out.

Pure: no I/O, no clock, no asyncio, no randomness, no logging.

    entrance    before there is a call: who may come in
    machine     the call: which event means what in which phase
    sessions/   how there comes to be a session of the model
    floor/      who speaks, what is owed, what an interruption does
    ear/        what the phone was sent, and what the caller has heard of it
    memory, transcript    who said what, and how a new session is told
    tools, wishes, endings    what the agent has done, what it wants done, how a call ends by itself
"""
