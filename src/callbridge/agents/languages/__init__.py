"""What a line says in the language of its callers, and what the model is told about it: one file a language.

`NAME.toml` has the texts, `NAME.ulaw` the clip "one moment, please" (8 kHz µ-law); `tones.ulaw` plays where a
language has none.
"""
