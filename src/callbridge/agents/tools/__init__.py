"""The tools of an agent: what the model sees of a function, how it is run, and what is told of it."""
