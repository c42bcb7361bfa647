"""That there is no text model to be asked: what runners of tests look for. It imports nothing."""

from __future__ import annotations


class TextModelMissing(Exception):  # noqa: N818  # As its words have it.
    """There is no text model to be asked. A runner skips the test then, and says so."""
