"""The list of calls as a page shows it, and what is asked of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from callbridge.console.call_view import ENDED_WELL
from callbridge.records.call_list import Filter
from callbridge.records.in_words import dollars, length, moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.records.call_list import CallSummary
    from callbridge.records.story import CallStory

PAGE: Final = 50
WORDS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which of the last calls are wanted."""

    words: str = ""
    agent: str = ""
    ended: str = ""
    after: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> ListQuery:
        """As an address has it. What is no text of a call, NUL, is left out."""
        names = ("words", "agent", "ended", "after")
        return cls(*(parameters.get(name, "").replace("\0", "").strip()[:WORDS_MAX] for name in names))

    def filter(self) -> Filter:
        """So the records are asked. One more than a page has says whether there is another."""
        return Filter(
            words=self.words, agent=self.agent, end_reason=self.ended, after=self.after, limit=PAGE + 1
        )

    def address_after(self, cursor: str) -> str:
        """Of the next page."""
        asked = replace(self, after=cursor)
        return "?" + urlencode(
            {name: getattr(asked, name) for name in self.__slots__ if getattr(asked, name)}
        )


@dataclass(frozen=True, slots=True)
class PastRow:
    """A call that is over."""

    call_sid: str
    short: str
    began: str
    began_iso: str
    caller: str
    agent: str
    duration: str
    turns: int
    p95: str
    cost: str
    end: str
    is_end_good: bool


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A call that is on."""

    call_sid: str
    short: str
    began_iso: str
    caller: str
    agent: str
    turns: int
    cost: str
    latest: str
    """What was said last."""
    latest_by: str


@dataclass(frozen=True, slots=True)
class ListView:
    """The page."""

    live: tuple[LiveRow, ...]
    past: tuple[PastRow, ...]
    agents: tuple[str, ...]
    ends: tuple[str, ...]
    next_address: str
    is_search: bool
    """Not all calls are wanted."""


def list_view(calls: Sequence[CallSummary], live: Sequence[CallStory], query: ListQuery) -> ListView:
    """The page of these calls."""
    is_more = len(calls) > PAGE
    shown = calls[:PAGE]
    on = {story.call_sid for story in live}
    return ListView(
        live_rows(live),
        tuple(_past(call) for call in shown if call.call_sid not in on and call.state != "live"),
        tuple(sorted({call.agent for call in shown if call.agent} | ({query.agent} - {""}))),
        tuple(sorted({call.end_reason for call in shown if call.end_reason} | ({query.ended} - {""}))),
        query.address_after(shown[-1].cursor) if is_more else "",
        is_search=bool(query.words or query.agent or query.ended),
    )


def live_rows(live: Sequence[CallStory]) -> tuple[LiveRow, ...]:
    """Those that are on."""
    return tuple(map(_live, live))


def _past(call: CallSummary) -> PastRow:
    began = moment(call.began_at)
    return PastRow(
        call.call_sid,
        call.call_sid[-6:],
        f"{began:%d %b, %H:%M:%S}",
        began.isoformat(timespec="seconds"),
        call.caller,
        call.agent,
        length(call.duration_ms) if call.duration_ms else "",
        call.turns,
        "" if call.response_p95_ms is None else f"{call.response_p95_ms:,} ms",
        dollars(call.cost_microdollars),
        (call.end_reason or call.state).replace("_", " "),
        call.end_reason in ENDED_WELL,
    )


def _live(story: CallStory) -> LiveRow:
    latest, by = "", ""
    for turn in reversed(story.turns):
        if turn.heard or turn.caller:
            latest, by = (turn.heard, "agent") if turn.heard else (turn.caller or "", "caller")
            break
    return LiveRow(
        story.call_sid,
        story.call_sid[-6:],
        moment(story.began_at).isoformat(timespec="seconds"),
        story.caller,
        story.agent,
        len(story.turns),
        dollars(story.cost.microdollars),
        latest,
        by,
    )
