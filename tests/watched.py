"""The pages of calls without a service: stories of any kind, their sound made up, a browser beside them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import msgspec

import stories
from callbridge.console.app import Section, create_console
from callbridge.console.call_book import CallBook
from callbridge.console.lanes import Sound
from callbridge.console.sources import Frozen, SourceError
from callbridge.console.watch import CALLS_PATH, Watch
from callbridge.observe.feed import Feed
from callbridge.records.call_list import is_wanted, summary_of
from callbridge.records.story import CallStory, Happening, Span, Spoken, Turn
from callbridge.wire.audio import BYTES_PER_MS, encode, silence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from callbridge.records.call_list import CallSummary, Filter

KEY = "the-key-of-this-start"
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2


@cache
def syllables() -> bytes:
    """A second of something that looks like speech."""
    rng, samples = random.Random("syllables"), []
    for at in range(1000 * BYTES_PER_MS):
        level = (0.05, 0.5, 0.9, 0.2)[at // 1000 % 4]
        samples.append(int(max(min(rng.gauss(0, 5000) * level, 32_000), -32_000)))
    return encode(samples)


def sound_of(story: CallStory) -> Sound:
    """Sound where the story says that somebody was heard."""
    ended_ms = max([story.duration_ms, *(span.ended_ms for turn in story.turns for span in _agent(turn))])
    caller, agent = bytearray(silence(ended_ms)), bytearray(silence(ended_ms))
    for turn in story.turns:
        for side, spans in ((caller, turn.spans), (agent, _agent(turn))):
            for span in spans:
                begin, end = span.began_ms * BYTES_PER_MS, span.ended_ms * BYTES_PER_MS
                side[begin:end] = (syllables() * (1 + (end - begin) // len(syllables())))[: end - begin]
    return Sound(bytes(caller), bytes(agent))


def _agent(turn: Turn) -> list[Span]:
    return [spoken.span for spoken in turn.agent if spoken.span is not None]


def long_story(turns: int = 200) -> CallStory:
    """A call of many turns, with words of every kind."""
    words = (LONG_WORD, "هل أنتم مفتوحون يوم الأحد؟ أريد كعكتين.", "Is it open?", "日曜日は開いていますか。")
    told = []
    for number in range(1, turns + 1):
        began_ms = number * 6000
        said = words[number % len(words)]
        answer = Spoken(
            f"item_{number}", said * 2, said, 3000, 1500, Span(began_ms + 2500, began_ms + 4000), True
        )
        told.append(
            Turn(number, began_ms, caller=said, spans=(Span(began_ms, began_ms + 1800),), agent=(answer,))
        )
    return msgspec.structs.replace(
        stories.RICH, call_sid="CA" + "b" * 32, duration_ms=(turns + 1) * 6000, turns=tuple(told),
        began_at=stories.RICH.began_at - 5000,
    )  # fmt: skip


def wordless_story() -> CallStory:
    """One whose words are not kept, and which nobody recorded."""
    turns = tuple(
        msgspec.structs.replace(
            turn, caller=None, heard="",
            agent=tuple(msgspec.structs.replace(spoken, words="", heard="") for spoken in turn.agent),
            tools=tuple(msgspec.structs.replace(tool, arguments="", result="") for tool in turn.tools),
        )
        for turn in stories.RICH.turns
    )  # fmt: skip
    return msgspec.structs.replace(
        stories.RICH, call_sid="CA" + "c" * 32, turns=turns, recordings=(), captured={}, values="",
        end_reason="media_lost", end_detail="the socket broke off", began_at=stories.RICH.began_at - 9000,
        happenings=(Happening(9000, "session_replaced", "The call went on with another session"),),
    )  # fmt: skip


def numbered(story: CallStory, number: int) -> CallStory:
    """One of many like this: the higher the number, the older."""
    return msgspec.structs.replace(story, call_sid=f"CA{number:032}", began_at=story.began_at - number)


def saying(story: CallStory, words: str) -> CallStory:
    """The same call with these words of the caller's."""
    turns = tuple(msgspec.structs.replace(turn, caller=words) for turn in story.turns)
    return msgspec.structs.replace(story, turns=turns)


@dataclass
class Kept:
    """Stories that are over, with their sounds, and where tests are written."""

    stories: Sequence[CallStory]
    trouble: str = ""
    frozen: list[str] = field(default_factory=list)

    async def calls(self, wanted: Filter) -> list[CallSummary]:
        if self.trouble:
            raise SourceError(self.trouble)
        found = [summary_of(story) for story in self.stories if is_wanted(story, wanted)]
        places = [call.cursor for call in found]
        begin = places.index(wanted.after) + 1 if wanted.after in places else 0
        return found[begin : begin + wanted.limit]

    async def story(self, call_sid: str) -> CallStory | None:
        return next((story for story in self.stories if story.call_sid == call_sid), None)

    async def sound(self, story: CallStory) -> Sound | None:
        return sound_of(story) if story.recordings else None

    async def freeze(self, story: CallStory, sound: Sound | None) -> Frozen:
        assert (sound is not None) == bool(story.recordings)
        if story.call_sid in self.frozen:
            raise SourceError("tests/a_call.call.toml is there already.")
        self.frozen.append(story.call_sid)
        return Frozen("tests/a_call.call.toml", "callbridge test tests/a_call.call.toml")


def watching(kept: Kept, feed: Feed | None = None) -> tuple[FastAPI, Watch]:
    """The pages of these calls."""
    feed = feed or Feed(lambda: stories.RICH.began_at)
    watch = Watch(
        book=CallBook(lambda sid, with_words: feed.subscribe(sid, with_words=with_words)),
        past=kept,
        sounds=kept,
        freezing=kept,
    )
    return create_console([Section("Calls", CALLS_PATH, watch.router())], key=KEY), watch
