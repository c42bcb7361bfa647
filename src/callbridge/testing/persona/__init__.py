"""A text model as the caller, as the voice model, and as the judge. Nothing here asks one without a key."""
