"""What a process says of itself: figures, traces, counts of who was turned away."""
