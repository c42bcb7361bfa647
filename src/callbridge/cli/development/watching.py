"""What the pages of calls are given by the service that runs here: its events, its log, its recordings.

Calls of whom nobody else hears (the developer's own, simulated ones) are recorded though their agent does
not ask for it, so that they can be heard on the page.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from callbridge.bridge.bridge import Bridge
from callbridge.call.facts import EndReason, StreamEnded, StreamStarted
from callbridge.call.recording_facts import RecordingBegan
from callbridge.cli.development.freezing import CallFreezing
from callbridge.cli.development.past_calls import RecordedCalls
from callbridge.cli.stored_sound import stored_sound
from callbridge.console.call_book import CallBook
from callbridge.console.sources import SourceError
from callbridge.console.watch import Watch
from callbridge.observe.feed import LiveFact
from callbridge.observe.logs import lines_told
from callbridge.records.recording.stores import StoreAwayError
from callbridge.server.config.records import showing
from callbridge.server.http.following import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from callbridge.console.lanes import Sound
    from callbridge.records.story import CallStory
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.desk import Desk
    from callbridge.server.process.keeping.recordings import CallRecorder

_NOT_YET: Final = "It is not stored yet, or was not recorded: load the page again in a moment."
_NOT_ASKED: Final = (
    "Of calls by telephone only those of agents with recording=Recording() are recorded: callers are asked."
)
_BY_PHONE: Final = frozenset({EndReason.CALLER_HANGUP, EndReason.MEDIA_LOST})


@contextlib.asynccontextmanager
async def watched(desk: Desk, *, is_public: bool, is_own: Callable[[str], bool]) -> AsyncIterator[Watch]:
    """The pages of the calls of this service, kept up to date for the length of the context.

    Args:
        desk: of the service.
        is_public: others may call.
        is_own: whether a call, by its sid, is the developer's own; where nobody else can call, all are. These
            are recorded though their agent does not ask for it.
    """
    # The words, too, which the terminal shows as well.
    may_be_shown = partial(shown, keeping=showing(desk.settings, words=True))
    book = CallBook(desk.feed.subscribe, desk.prices, may_be_shown)
    past = None if desk.records is None else RecordedCalls(desk.records.database)
    sounds = None if desk.recordings is None else StoredSounds(desk.settings)
    freezing = CallFreezing(desk)
    no_sound = _NOT_ASKED if is_public else _NOT_YET
    async with book.kept(), asyncio.TaskGroup() as tasks:
        recorded = _Recorded(desk, is_own if is_public else lambda _call_sid: True)
        recording = tasks.create_task(recorded.record_forever(), name="recording all")
        with lines_told(book.log_line):
            try:
                yield Watch(book=book, past=past, sounds=sounds, freezing=freezing, no_sound=no_sound)
            finally:
                recording.cancel()


@dataclass(frozen=True, slots=True)
class StoredSounds:
    """Recordings where the settings have them (`console.sources.Sounds`)."""

    settings: Settings

    async def sound(self, story: CallStory) -> Sound | None:
        """See `Sounds`."""
        try:
            return await asyncio.to_thread(stored_sound, self.settings, story)
        except FileNotFoundError:
            return None
        except (StoreAwayError, ImportError, ValueError, OSError) as error:
            raise SourceError(f"{error}.") from error


@dataclass(slots=True)
class _Recorded:
    """Records streams whose agent does not ask for it."""

    desk: Desk
    is_own: Callable[[str], bool]
    _recorders: dict[str, CallRecorder] = field(default_factory=dict)

    async def record_forever(self) -> None:
        """Until the service stops."""
        if self.desk.recordings is None:
            return
        with self.desk.feed.subscribe(with_words=False) as events:
            async for event in events:
                match event:
                    case LiveFact(fact=StreamStarted() as begun):
                        self._begin(begun)
                    case LiveFact(fact=StreamEnded() as ended) if ended.source in self._recorders:
                        self._recorders.pop(ended.source).end(is_by_phone=ended.reason in _BY_PHONE)
                    case _:
                        pass

    def _begin(self, begun: StreamStarted) -> None:
        desk = self.desk
        if not self.is_own(begun.call_sid):
            return
        call = desk.live_calls.find(begun.call_sid)
        _, agent = desk.plans.roster.find(begun.agent)
        if desk.recordings is None or agent.recording is not None or not isinstance(call, Bridge):
            return
        recorder = desk.recordings.recorder(begun.call_sid, begun.source, call.relay)
        if recorder is not None:
            desk.note(begun.call_sid, RecordingBegan(recorder.name))
            recorder.begin(lambda _why: None)
            self._recorders[begun.source] = recorder
