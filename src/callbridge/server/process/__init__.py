"""The process itself: how it listens and stops, what all of its calls share, what their facts do to it."""
