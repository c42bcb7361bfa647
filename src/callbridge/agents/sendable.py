"""Text of the user's code, of tools and of models, before it goes to a peer."""

from __future__ import annotations


def sendable(text: str) -> str:
    """A text that UTF-8 can write: a `?` stands for half a character, as where an emoji was cut."""
    return text.encode("utf-8", "replace").decode()
