"""One call with I/O: the audio path, the two sockets, and the bridge that owns them."""
