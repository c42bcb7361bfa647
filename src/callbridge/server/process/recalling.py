"""Callers who call again: what is remembered of a call is written at its end, and read when the next begins.

Off unless `CALLBRIDGE_CALLER_MEMORY_DAYS` is set. What is written and told is decided in
`switchboard/returning.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from callbridge.agents.earlier import Earlier, earlier_of
from callbridge.call import agent_facts, facts
from callbridge.call.wishes import Resume
from callbridge.server.config.retention import retention
from callbridge.server.process.within import within
from callbridge.state.callers import GOES_ON_WITHIN_S
from callbridge.state.state import DETAILS, STARTED, CallEvent
from callbridge.state.text_notes import NoteKind
from callbridge.switchboard.callers import is_one_caller, known_as
from callbridge.switchboard.continuation import read_facts, read_history
from callbridge.switchboard.returning import facts_of, record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from callbridge.agents.in_call import AgentInCall
    from callbridge.call.facts import Fact
    from callbridge.server.config.settings import Settings
    from callbridge.state.callers import CallerRecord
    from callbridge.state.state import State

VOUCHED: Final = "A"
"""The attestation by which a carrier vouches wholly for a number."""

_VOUCHED_END: Final = f"+{VOUCHED}"
"""No agent's name ends so: it has no `+`."""

_OF_THIS_CALL: Final = (agent_facts.CalledBefore, agent_facts.CallerTexted)
"""The rest are facts of an earlier call, which has a record of its own."""

RECALL_S: Final = 0.25
"""How long a caller waits for what is remembered of them: the disk takes a millisecond."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Back:
    """What is known of a caller when a stream of theirs begins."""

    events: tuple[CallEvent, ...]
    """Those of the call, with what it was told of an earlier one."""
    earlier: Earlier | None = None
    goes_on: bool = False
    """They were cut off in that one, and go on where they were."""
    minutes: Minutes | None = None
    """Writes down what is to be remembered of this one; nothing where nothing is."""


class Recalling:
    """What is remembered of callers, for all calls of a process.

    Args:
        settings: whether and of whom anything is.
        state: where it is kept.
        wall_now: seconds since 1970.
        caller_key: the key of a caller, which is no number.
        tell: is told what a call learns of an earlier one, when that is written down.
    """

    def __init__(
        self,
        settings: Settings,
        state: State,
        wall_now: Callable[[], float],
        caller_key: Callable[[str], str],
        tell: Callable[[Fact], None],
    ) -> None:
        self._state, self._wall_now, self._caller_key, self._tell = state, wall_now, caller_key, tell
        self._is_on = settings.caller_memory_days is not None
        self._kept_s = retention(settings).callers_s
        self._shared = frozenset(map(known_as, settings.calls_per_caller_of or {}))

    def key(self, caller: str) -> str | None:
        """Under what a caller is remembered; None where nothing is remembered of them."""
        return self._caller_key(caller) if self._is_on and is_one_caller(caller, self._shared) else None

    async def begins(self, call_sid: str, agent: str, caller: str, events: Sequence[CallEvent]) -> Back:
        """A stream of a call begins: what its agent may know of the caller.

        Args:
            call_sid: which call.
            agent: who answers, by name: another agent's calls are none of its business.
            caller: Twilio's `From`.
            events: what the state has of this call.
        """
        events = tuple(events)
        key = self.key(caller)
        if key is None:
            return Back(events)
        if not any(event.kind == STARTED for event in events):
            events += self._told(call_sid, await self._recalled(key, shelf_of(agent, events)), events)
        told = [fact for _, fact in read_facts(events)]
        before = next((fact for fact in told if isinstance(fact, agent_facts.CalledBefore)), None)
        texted = [fact for fact in told if isinstance(fact, agent_facts.CallerTexted)]
        minutes = Minutes(self._state, self._wall_now, key, shelf_of(agent, events), list(events))
        earlier = earlier_of(before, texted)
        if earlier is None:
            return Back(events, minutes=minutes)
        _log.info("caller_recalled", call_sid=call_sid, goes_on=earlier.goes_on, texts=len(texted))
        return Back(events, earlier, earlier.goes_on, minutes)

    async def _recalled(self, key: str, shelf: str) -> list[Fact]:
        """What is remembered, as facts of a new call. Of several that begin at once one goes on with it."""
        try:
            async with asyncio.timeout(RECALL_S):
                record = await self._state.recall(key, shelf, self._wall_now())
                since = 0.0 if record is None else record.at
                texted = await self._texted(key, shelf, since)
                if record is None:
                    return texted
                return [*facts_of(record, goes_on=await self._is_first(key, shelf, record)), *texted]
        except TimeoutError:
            _log.warning("caller_not_recalled", waited_s=RECALL_S)
            return []

    async def _texted(self, key: str, shelf: str, since: float) -> list[Fact]:
        """What the caller has written since their last call, to this agent or to nobody in particular.

        The latter is for whom the carrier vouches, if it does for the caller's calls at all: who forges the
        number is not told of it.
        """
        now = self._wall_now()
        notes = await self._state.texts(key, max(since, now - self._kept_s))
        theirs = [note for note in notes if note.kind is NoteKind.REPLY and note.at > since]
        vouched = shelf if shelf.endswith(_VOUCHED_END) else f"{shelf}{_VOUCHED_END}"
        may_be_told = {shelf}
        if shelf == vouched or await self._state.recall(key, vouched, now) is None:
            may_be_told.add("")
        told = (note for note in theirs if note.shelf in may_be_told)
        return [agent_facts.CallerTexted(int(note.at), note.words) for note in told]

    async def _is_first(self, key: str, shelf: str, record: CallerRecord) -> bool:
        if not record.going_on:
            return False
        which = hashlib.sha256(f"goes on: {key} {shelf} {record.at!r}".encode())
        return await self._state.claim_token(which.digest(), record.at + GOES_ON_WITHIN_S)

    def _told(
        self, call_sid: str, told: Iterable[Fact], events: Sequence[CallEvent]
    ) -> tuple[CallEvent, ...]:
        """Facts of the new call, as its webhooks note them: whoever goes on with it finds them there."""
        last = events[-1].sequence if events else 0
        new = []
        for number, fact in enumerate(told, last + 1):
            fact = msgspec.structs.replace(fact, call_sid=call_sid, source=facts.HTTP)  # noqa: PLW2901 - the same
            body = facts.encode(fact)
            self._state.append(call_sid, fact.kind, body)
            if isinstance(fact, _OF_THIS_CALL):
                self._tell(fact)
            new.append(CallEvent(number, self._wall_now(), fact.kind, body))
        return tuple(new)

    async def is_over(self, call_sid: str, caller: str) -> None:
        """A call is over, and what was said in it is about to be dropped."""
        if self.key(caller) is not None:
            self.looks_back(caller, await within(RECALL_S, self._state.events(call_sid)) or ())

    def looks_back(self, caller: str, events: Sequence[CallEvent]) -> None:
        """If nobody saw the end of the latest stream of a call, what is known of it is remembered now."""
        key = self.key(caller)
        if key is None:
            return
        history = read_history(events)
        if history.ended is None and history.agent:
            shelf = shelf_of(history.agent, events)
            _remember(self._state, key, shelf, record_of(events, self._wall_now()))


def shelf_of(agent: str, events: Iterable[CallEvent]) -> str:
    """Where an agent's record of a caller is: calls whose number the carrier vouches for have their own.

    Who forges the number has no such call, so they neither hear of the real one nor write over it.
    """
    said = (fact for _, fact in read_facts(events) if isinstance(fact, facts.CallDescribed))
    is_vouched = any(fact.attestation == VOUCHED for fact in said)
    return f"{agent}{_VOUCHED_END}" if is_vouched else agent


@dataclass(slots=True)
class Minutes:
    """What is to be remembered of one call: an observer of its facts."""

    _state: State
    _wall_now: Callable[[], float]
    _key: str
    _shelf: str
    _events: list[CallEvent]
    _ended: facts.StreamEnded | None = None
    _ended_at: float = 0.0
    _written_at: float | None = None
    """The time of the record that it has written; None as long as there was nothing to remember."""
    _has_news: bool = False
    """Something came after the end."""

    def __call__(self, fact: Fact) -> None:
        """One fact of the call. At the end of its stream the record is written, before the phone closes."""
        is_end = isinstance(fact, facts.StreamEnded)
        if not (is_end or fact.kind == STARTED or fact.kind in DETAILS):
            return
        body = facts.encode(facts.for_the_state(fact))
        self._events.append(CallEvent(len(self._events) + 1, self._wall_now(), fact.kind, body))
        self._has_news = self._ended is not None
        if isinstance(fact, facts.StreamEnded):
            self._ended, self._ended_at = fact, self._wall_now()
            record = record_of(self._events, self._ended_at)
            if record is not None:
                self._state.remember(self._key, self._shelf, record)
                self._written_at = record.at

    async def close(self, agent: AgentInCall) -> None:
        """Nothing of the stream is left: what came late is added, and the summary of the user's own code.

        Unless the record is another one by now, of a later call, or was forgotten.
        """
        if self._ended is None:
            return
        goes_on = self._ended.follows == Resume()
        summary = None if goes_on else await agent.summary()
        if not (self._has_news or summary is not None):
            return
        record = record_of(self._events, self._ended_at, summary)
        stands = await self._state.recall(self._key, self._shelf, self._wall_now())
        if record is not None and (stands.at if stands else None) == self._written_at:
            self._state.remember(self._key, self._shelf, record)


def _remember(state: State, key: str, shelf: str, record: CallerRecord | None) -> None:
    if record is not None:
        state.remember(key, shelf, record)
