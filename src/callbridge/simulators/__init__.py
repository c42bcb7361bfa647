"""Both vendors as plain programs on a laptop: a Twilio caller and a Realtime voice model.

They are strict, and they serve any bridge. They import `wire.audio` at most: a fake that shared our
parsing, or our call machine, would agree with our mistakes.
"""
