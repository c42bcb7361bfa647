"""The recording of calls: what an agent wishes, what a caller is told of it, and their answer."""
