"""Several agents in one call: who may hand the caller over to whom, who is on, and who rests."""
