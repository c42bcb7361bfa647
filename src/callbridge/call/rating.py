"""How well the caller's words were understood by the model that writes them down."""

from __future__ import annotations

from callbridge.call.fact_base import BaseFact


class CallerWordsRated(BaseFact, frozen=True):
    """How sure that model was of an utterance. Told only where the session asks for it."""

    item_id: str
    confidence_percent: int
