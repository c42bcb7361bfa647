"""How pytest finds `*.call.toml`, and how `callbridge test` has pytest run. pytest is imported here alone."""
