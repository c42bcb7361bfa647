"""People to whom an agent can put its caller through: how they are written down, found, and told of."""
