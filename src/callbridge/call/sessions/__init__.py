"""How there comes to be a session of the model: dialled, opened, replaced, renewed before it expires."""
