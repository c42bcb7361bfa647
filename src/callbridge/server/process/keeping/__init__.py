"""What a process keeps of calls for weeks: records, recordings, tapes; how it is looked at, and deleted."""
