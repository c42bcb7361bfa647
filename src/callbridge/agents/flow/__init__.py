"""An agent that is a state machine: its steps, the ways from one to another, and a call that follows them."""
