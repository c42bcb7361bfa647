"""What the caller hears, and how loud they are: the gate, the playout ledger, the line, the silences."""
