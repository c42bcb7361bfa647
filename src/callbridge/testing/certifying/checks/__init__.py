"""The checks, by what they are about. Each is pure: what both simulators saw goes in, a verdict comes out."""
