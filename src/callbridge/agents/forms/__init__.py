"""Forms that an agent fills with its caller: what is kept of each, and what the model is told of it."""
