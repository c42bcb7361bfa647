"""Which calls are taped, from the settings: a share of them, and none where words are not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from callbridge.observe.redaction import redaction
from callbridge.records.taping import Taping

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.server.config.settings import Settings
    from callbridge.server.process.keeping.records import RecordKeeping

LAST_PIECES_S: Final = 3.0
"""A process that stops stores what is left of its tapes for so long."""

_log = structlog.get_logger()


def open_taping(
    settings: Settings, records: RecordKeeping | None, wall_now: Callable[[], float]
) -> Taping | None:
    """What tapes calls; nothing where none is to be taped, or may be: a tape has all words in it."""
    if not settings.replay_share:
        return None
    if records is None or not settings.keep_words:
        why = "words are not kept" if records is not None else "no records are kept"
        _log.warning("no_call_is_taped", why=why, share=settings.replay_share)
        return None
    from callbridge.records.tapes import TapeStore  # noqa: PLC0415 - SQLAlchemy is slow, and there by now

    without_cards = redaction(settings.secrets).without_cards
    return Taping(settings.replay_share, TapeStore(records.database).add, wall_now, without_cards)
