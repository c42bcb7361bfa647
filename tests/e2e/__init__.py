"""A package, unlike its neighbours: its `conftest` would else have the name of the one above it."""
