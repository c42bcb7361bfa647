"""What users write: an agent, its words and its tools."""
