"""Every fault at every moment of a call: the agent goes on, or the fallback plan is carried out, in time.

The table stands in `faults`. Each cell is one call with a service and a model of its own, over real sockets;
those of a test are played at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callbridge.agents.agent import Agent
from callbridge.call.facts import EndReason, SessionReplaced, StreamEnded
from callbridge.call.limits import Limits
from callbridge.server.config.clip import load_clip
from callbridge.simulators.phone import (
    CallerScript,
    DialOutcome,
    InterruptAt,
    LineSettings,
    Say,
    WaitForAgent,
    WaitForEnd,
)
from callbridge.simulators.truth import heard_call
from callbridge.simulators.voice_model import Answer, Call, Fault, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.simulators.voice_model.ladder import TRANSCRIPT_LEAD
from e2e import faults
from e2e.crowd import Crowd
from e2e.faults import (
    AtDial,
    AtSetup,
    HangsUp,
    InSession,
    Moment,
    OfThePhone,
    OfTheTool,
    OnTheLine,
    Outcome,
    Row,
)
from e2e.line import Line
from e2e.stack import APOLOGY, CALL_TIMEOUT_S, FinishedCall, Log, stack
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from callbridge.simulators.phone import Step
    from callbridge.simulators.truth import HeardCall
    from callbridge.simulators.voice_model import Journal
    from e2e.crowd import Lateness

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

LIMITS = Limits(
    dial_timeout_s=2.0,
    configure_timeout_s=1.7,
    connect_timeout_s=4.8,
    answer_timeout_s=3.6,
    give_up_after_s=8.0,
    media_gap_timeout_s=3.2,
    farewell_timeout_s=2.0,
    retry_delay_s=0.5,
    transcript_timeout_s=2.0,
    tool_timeout_s=3.6,
)
"""Half as long as in earnest, each still longer than what comes before it. The clips come as promised, after
1.5 and 3 s."""

# --- The conversation --------------------------------------------------------------------------------

WORD_MS = 200
"""Two letters and a space: 15 characters a second, as people speak."""


def spoken(letter: str, duration_ms: int) -> Speech:
    """Words of one length, so that what was heard of them can be counted."""
    text = " ".join(f"{letter}{number}" for number in range(duration_ms // WORD_MS))
    return Speech(text=text, audio=noise(random.Random(letter), duration_ms))


QUESTION = "What are your hours?"
GREETING = Answer(say=(spoken("g", 1200),), pace=1.5)
ANSWER = Answer(say=(spoken("a", 1200),), pace=1.5, caller=QUESTION, transcript="before")
CALLING = Answer(say=(spoken("t", 400),), pace=1.5, caller=QUESTION, transcript="before")
RESULT = Answer(say=(spoken("r", 700),), pace=1.5)
GOODBYE = Answer(say=(spoken("z", 500),), pace=3.0, calls=(Call(name="end_call"),), caller="Thank you.")

TOOL_S = 1.5

SPEAKS_AT_S = 2.4
"""When the caller asks, by the clock of the stream: the greeting was heard by then. It takes one second."""

MEDIA_AT = {Moment.BEFORE: None, Moment.GREETING: 30, Moment.CALLER: 145, Moment.AGENT: 215, Moment.TOOL: 225}
"""The frame of the caller at which each moment is in its midst, 20 ms each."""


def steps(moment: Moment) -> list[Step]:
    """A caller who asks, and then says something each time that the agent has finished, until it hangs up."""
    rng = random.Random(7)
    first: list[Step] = [WaitForAgent(500), Say(noise(rng, 1000))]
    if moment in {Moment.CALLER, Moment.AGENT, Moment.TOOL}:
        first = [InterruptAt(SPEAKS_AT_S, noise(rng, 1000))]
    more: list[Step] = [step for _ in range(6) for step in (WaitForAgent(600), Say(noise(rng, 400)))]
    return [*first, *more, WaitForEnd()]


# --- What comes after the last stream ------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """A fallback plan, what its caller meets, and the verbs that follow of both."""

    environment: dict[str, str]
    line: LineSettings
    verbs: list[str]


NUMBER = "+15550100077"
_DIAL, _VOICEMAIL = {"CALLBRIDGE_FALLBACK_DIAL": NUMBER}, {"CALLBRIDGE_FALLBACK_VOICEMAIL": "true"}

PLANS = (
    Plan({}, LineSettings(), ["Say", "Hangup"]),
    Plan(_DIAL, LineSettings(), ["Dial", "Hangup"]),
    Plan(_DIAL, LineSettings(dial_outcome=DialOutcome.BUSY), ["Dial", "Say", "Hangup"]),
    Plan(_DIAL, LineSettings(dial_outcome=DialOutcome.DECLINED), ["Dial", "Say", "Hangup"]),
    Plan(
        _DIAL | _VOICEMAIL, LineSettings(dial_outcome=DialOutcome.BUSY), ["Dial", "Say", "Record", "Hangup"]
    ),
    Plan(_VOICEMAIL, LineSettings(), ["Say", "Record", "Hangup"]),
    Plan(_VOICEMAIL, LineSettings(recording_s=0), ["Say", "Record", "Say", "Hangup"]),
)


# --- A cell ------------------------------------------------------------------------------------------


@dataclass
class Cell:
    """One fault at one moment."""

    row: Row
    moment: Moment
    outcome: Outcome
    plan: Plan
    tool_runs: int = 0

    def __str__(self) -> str:
        return f"{self.row.number} {self.row.name} / {self.moment}"

    @property
    def called(self) -> Call:
        """How the tool is called."""
        default = Call(name="look_up", arguments={"what": "hours"})
        return self.row.what.called if isinstance(self.row.what, OfTheTool) else default

    @property
    def script(self) -> Script:
        """What the model does."""
        second = msgspec.structs.replace(CALLING, calls=(self.called,)) if self._has_tool else ANSWER
        answers = [GREETING, second, *([RESULT] if self._has_tool else [])]
        script = Script(answers=tuple(answers), default=GOODBYE, after_ms=20, answers_go_on=True)
        match self.row.what:
            case InSession():
                return self._bent(script, self.row.what)
            case AtDial(fault, lasts):
                return self._undialled(script, fault, lasts=lasts)
            case AtSetup(fault, lasts):
                return self._refused(script, fault, lasts=lasts)
            case OnTheLine() if self.row.what.answer:
                return self._bent(script, InSession(answer=self.row.what.answer))
            case _:
                return script

    @property
    def _has_tool(self) -> bool:
        return self.moment is Moment.TOOL

    def _bent(self, script: Script, what: InSession) -> Script:
        """The script with the faults at their moment, and the answer of that moment as it is to be."""
        connection = None if what.is_everywhere else 1
        found = tuple(msgspec.structs.replace(fault, connection=connection) for fault in what.faults)
        match self.moment:
            case Moment.BEFORE:
                placed = [_at(fault, on="session.update") for fault in found]
                return msgspec.structs.replace(script, faults=tuple(placed))
            case Moment.CALLER:
                nth = MEDIA_AT[Moment.CALLER]
                placed = [_at(fault, on="input_audio_buffer.append", nth=nth) for fault in found]
                return msgspec.structs.replace(script, faults=tuple(placed))
        answers = list(script.answers)
        place = {Moment.GREETING: 0, Moment.AGENT: 1, Moment.TOOL: 1}[self.moment]
        at: dict[str, Any] = {"at": "end" if self._has_tool else 300}
        if found:
            answers[place] = msgspec.structs.replace(
                answers[place], faults=tuple(_at(f, **at) for f in found)
            )
        if what.answer:
            # Of a tool it is the answer to its result.
            place += self._has_tool
            answers[place] = msgspec.structs.replace(answers[place], **what.answer)
        default = script.default
        if what.is_everywhere:
            default = msgspec.structs.replace(default, faults=tuple(_at(fault, at=200) for fault in found))
            answers = [msgspec.structs.replace(a, faults=default.faults) for a in answers[place:]]
            answers = [*script.answers[:place], *answers]
        return msgspec.structs.replace(script, answers=tuple(answers), default=default)

    def _undialled(self, script: Script, fault: Any, *, lasts: bool) -> Script:
        if self.moment is Moment.BEFORE:
            first = 1
        else:
            first = 2
            script = self._bent(script, InSession((Fault(kind="abort"),)))
        meets = msgspec.structs.replace(fault, first=first, last=None if lasts else first)
        return msgspec.structs.replace(script, connect=(meets,))

    def _refused(self, script: Script, fault: Fault, *, lasts: bool) -> Script:
        first = 1
        if self.moment is not Moment.BEFORE:
            first = 2
            script = self._bent(script, InSession((Fault(kind="abort"),)))
        connections = range(first, first + (3 if lasts else 1))
        placed = tuple(msgspec.structs.replace(fault, connection=number) for number in connections)
        return msgspec.structs.replace(script, faults=script.faults + placed)

    @property
    def agent(self) -> Agent:
        """Who answers, with the tool of this cell."""
        kind = self.row.what.tool if isinstance(self.row.what, OfTheTool) else "works"

        async def look_up(what: str) -> object:
            """Looks something up."""
            self.tool_runs += 1
            match kind:
                case "raises":
                    raise RuntimeError(what)
                case "leaves":
                    raise SystemExit(0)
                case "is cancelled":
                    raise asyncio.CancelledError
                case "hangs":
                    await asyncio.Event().wait()
                case "rambles":
                    return "word " * 4000
                case "answers nonsense":
                    return object()
                case "answers control characters":
                    return "nine\0to\x1bfive"
            await asyncio.sleep(TOOL_S)
            return "nine to five"

        return Agent(tools=[look_up], instructions="You answer the phone.", greeting="Hello.")

    @property
    def caller(self) -> CallerScript:
        """Who calls."""
        if not isinstance(self.row.what, HangsUp):
            return CallerScript(steps(self.moment))
        media = MEDIA_AT[self.moment]
        return CallerScript(steps(self.moment), leave_at_s=0.0 if media is None else media * 0.02)

    def _line(self, what: OnTheLine) -> Line:
        return Line(what.spoil, MEDIA_AT[self.moment], what.on_every_stream, what.is_deaf)

    async def play(self, max_call_s: float) -> FinishedCall:
        """The call, with a service and a model of its own."""
        async with contextlib.AsyncExitStack() as opened:
            environment = {**self.plan.environment, **self.row.environment}
            line = None
            if isinstance(self.row.what, OnTheLine):
                line = await opened.enter_async_context(self._line(self.row.what).opened())
                environment["PUBLIC_BASE_URL"] = line.url
            running = await opened.enter_async_context(
                stack(
                    self.script,
                    agent=self.agent,
                    limits=replace(LIMITS, **self.row.limits),
                    environment=environment,
                )
            )
            if line is not None:
                line.target = running.settings.port
            odd = {self.row.what.misbehaviour} if isinstance(self.row.what, OfThePhone) else set()
            phone = running.phone(
                self.caller, line=self.plan.line, misbehaviours=frozenset(odd), max_call_s=max_call_s
            )
            return await running.finish(phone)


def _at(fault: Fault, **place: Any) -> Fault:
    return msgspec.structs.replace(fault, **place)


def cells(rows: Sequence[Row]) -> list[Cell]:
    """The cells that are played; the fallback plans take turns."""
    plans = itertools.cycle(PLANS)
    return [
        Cell(row, moment, outcome, next(plans) if outcome is Outcome.FALLS_BACK else PLANS[0])
        for row in rows
        for moment, outcome in row.cells.items()
        if isinstance(outcome, Outcome)
    ]


# --- What is asked of every cell ---------------------------------------------------------------------


_HARMLESS = (
    "the call was over before the caller had said",  # They could have said more, had they been let.
    "the bridge closed the stream with",  # It was asked for by a broken protocol, and the agent goes on.
)


@dataclass
class Played:
    """A cell, and its call."""

    cell: Cell
    call: FinishedCall
    lateness: Lateness

    def complaints(self) -> Iterator[str]:
        """Whatever is not as promised."""
        yield from self._of_the_end()
        yield from self._of_the_line()
        yield from self._of_the_tools()
        if self.cell.outcome is Outcome.GOES_ON:
            yield from self._of_the_memory()

    @property
    def journals(self) -> list[Journal]:
        """The sessions of the model, in their order."""
        return self.call.stack.model.sessions

    @property
    def _ends(self) -> list[StreamEnded]:
        return self.call.of(StreamEnded)

    def _of_the_end(self) -> Iterator[str]:
        verbs = self.call.verbs
        tail = [verb for verb in verbs if verb != "Connect/Stream"]
        expected = {Outcome.GOES_ON: ["Hangup"], Outcome.FALLS_BACK: self.cell.plan.verbs, Outcome.LEFT: []}[
            self.cell.outcome
        ]
        reasons = [end.reason for end in self._ends]
        if tail != expected or verbs[:1] != ["Connect/Stream"]:
            yield f"verbs {verbs}, expected to end with {expected}; ended as {reasons}"
        last = reasons[-1] if reasons else None
        if self.cell.outcome is Outcome.GOES_ON and last is not EndReason.AGENT_HANGUP:
            yield f"ended as {[(end.reason.value, end.detail) for end in self._ends]}"
        if self.cell.outcome is Outcome.GOES_ON and not self._heard_goodbye:
            yield "the goodbye was not heard"
        spoken_verbs = [verb.detail for verb in self.call.report.verbs if verb.verb == "Say"]
        if expected == ["Say", "Hangup"] and spoken_verbs != [APOLOGY]:
            yield f"said {spoken_verbs}"

    @property
    def _heard_goodbye(self) -> bool:
        stream = self.call.phone.streams[-1]
        assert stream.end is not None
        heard = b"".join(_heard_of(payload, stream.end.at) for payload in stream.playback.payloads)
        return heard.endswith(GOODBYE.speeches[0].audio[-160:])

    def _of_the_line(self) -> Iterator[str]:
        report, row = self.call.report, self.cell.row
        placed_at = self.call.phone.placed_at
        for silence in report.silences:
            since, until = (placed_at + ms / 1000 for ms in (silence.from_ms, silence.to_ms))
            late_ms = self.lateness.between(since, until) * 1000
            if silence.to_ms - silence.from_ms - late_ms > row.silence_ms_max:
                yield f"silent: {silence}, of which this machine was late for {late_ms:.0f} ms"
        expected = set(row.codes)
        if self.cell.outcome is Outcome.FALLS_BACK:
            expected.add(31921)
        if surplus := [w for w in report.warnings if w.code not in expected]:
            yield f"Twilio warns {surplus}"
        findings = [finding for finding in report.findings if not finding.startswith(_HARMLESS)]
        if self.cell.outcome is Outcome.GOES_ON and findings:
            yield f"the caller complains: {findings}"

    def _of_the_tools(self) -> Iterator[str]:
        called = {
            item.fields["call_id"]
            for journal in self.journals
            for item in journal.items.values()
            if item.type == "function_call" and item.fields["name"] == "look_up"
        }
        if self.cell.tool_runs > len(called):
            yield f"the tool ran {self.cell.tool_runs} times for {len(called)} calls"

    @property
    def _heard(self) -> HeardCall:
        """What was heard over all streams and sessions."""
        playbacks = [(s.playback, s.end.at) for s in self.call.phone.streams if s.end is not None]
        items = [item for journal in self.journals for item in journal.items.values()]
        return heard_call(playbacks, _without_retold(items), [load_clip(None)])

    def _of_the_memory(self) -> Iterator[str]:
        """Each session that took the place of another one knows what was said, and nothing that was not."""
        if not [f for f in self.call.of(SessionReplaced) if f.cause == "lost"]:
            return
        texts = {s.text: s for a in (GREETING, ANSWER, CALLING, RESULT, GOODBYE) for s in a.speeches}
        heard_ms: dict[str, float] = {}
        by_id = {i.id: i for j in self.journals for i in j.items.values()}
        for item in self._heard.items:
            text = _text_of(by_id[item.item_id], texts)
            heard_ms[text] = heard_ms.get(text, 0) + item.heard_ms
        for journal in self.journals[1:]:
            yield from _unheard_words(journal.memory, heard_ms | self._ran_ahead_ms(journal, by_id, texts))
        if self.cell.row.is_drop and self.cell.moment is not Moment.BEFORE:
            yield from self._of_the_replacement(heard_ms)

    def _ran_ahead_ms(
        self, journal: Journal, by_id: Mapping[str, Any], texts: dict[str, Speech]
    ) -> dict[str, float]:
        """How far the transcripts reach of what this session said, and was heard as far as it was sent.

        Who interrupts just then cuts nothing off, so nothing is truncated, and the words by which the
        transcript ran ahead of the audio stay: a share of the whole, and the word that this ends in.
        """
        own = [item for item in self._heard.items if item.item_id in journal.items]
        whole = [item for item in own if item.sent_ms - item.heard_ms <= Limits().heard_tail_ms]
        sent_ms = {_text_of(by_id[item.item_id], texts): item.sent_ms for item in whole if item.sent_ms}
        return {
            text: ms + len(text.split()) * WORD_MS * TRANSCRIPT_LEAD + WORD_MS for text, ms in sent_ms.items()
        }

    def _of_the_replacement(self, heard_ms: dict[str, float]) -> Iterator[str]:
        memory = self.journals[1].memory
        expected = [r"assistant: g0.*"]
        if self.cell.moment is Moment.GREETING:
            # Of a connection that is cut, what was on its way may be lost: then there is no whole word.
            expected = [r"assistant: g0.*…"] if heard_ms[GREETING.speeches[0].text] >= 300 else []
        if self.cell.moment in {Moment.AGENT, Moment.TOOL}:
            expected += [f"user: {re.escape(QUESTION)}"]
        if self.cell.moment is Moment.AGENT:
            expected += [r"assistant: a0.*…"] if heard_ms[ANSWER.speeches[0].text] >= 300 else []
        if self.cell.moment is Moment.TOOL:
            expected += [r"assistant: t0.*"]
            # A connection that is cut may take the call with it: then no tool has run.
            expected += [r"tool look_up\(.*\): nine to five"] if self.cell.tool_runs else []
        found = [line for line in memory if any(re.fullmatch(wanted, line) for wanted in expected)]
        if len(found) != len(expected):
            yield f"the next session remembers {memory}, expected {expected}"

    # --- How long the caller waited ---

    @property
    def resumed_ms(self) -> int | None:
        """From the drop to the first word of the agent that came after it, clips left out."""
        streams = self.call.phone.streams
        if isinstance(self.cell.row.what, OnTheLine):
            assert streams[0].end is not None
            dropped_at, later, journals = streams[0].end.at, streams[1:], self.journals
        else:
            dropped_at = next(note.at for note in self.journals[0].notes if note.kind == "fault")
            later, journals = streams, self.journals[1:]
        audio = [item.audio for journal in journals for item in journal.items.values() if item.is_spoken]
        starts = [
            payload.plays_from
            for stream in later
            for payload in stream.playback.payloads
            if stream.end is not None
            and payload.heard_bytes(stream.end.at)
            and any(payload.audio in whole for whole in audio)
        ]
        return round((min(starts) - dropped_at) * 1000) if starts else None


def _heard_of(payload: Any, at: float) -> bytes:
    heard: bytes = payload.audio[: payload.heard_bytes(at)]
    return heard


def _without_retold(items: Sequence[Any]) -> list[Any]:
    return [item for item in items if item.sent_bytes]


def _text_of(item: Any, texts: dict[str, Speech]) -> str:
    return next(text for text, speech in texts.items() if item.audio[:80] == speech.audio[:80])


def _unheard_words(memory: list[str], heard_ms: dict[str, float]) -> Iterator[str]:
    for line in memory:
        words = line.removeprefix("assistant: ").removesuffix(" …").split()
        if not line.startswith("assistant: ") or not re.fullmatch(r"[a-z]\d", words[0]):
            continue
        text = next((text for text in heard_ms if text.startswith(words[0])), "")
        # Play-out is known to a frame or two; a word that had begun may count as heard.
        if len(words) * WORD_MS > heard_ms.get(text, 0) + WORD_MS / 2:
            yield f"remembers {line!r}, of which {heard_ms.get(text, 0)} ms were heard"


async def play(found: Sequence[Cell], log: Log) -> list[Played]:
    """Plays all cells, and asks of each what is promised to all."""
    crowd = Crowd(Played.complaints)

    async def one(cell: Cell) -> Played:
        cell.tool_runs = 0
        return Played(cell, await cell.play(CALL_TIMEOUT_S - 5), crowd.lateness)

    played = await crowd.play({str(cell): partial(one, cell) for cell in found})
    assert log.events("call_broken") == []
    return list(played.values())


# --- The matrix --------------------------------------------------------------------------------------


@pytest.mark.parametrize("numbers", [range(1, 6), range(6, 10)], ids=["refused", "not reached"])
@pytest.mark.heavy
async def test_a_session_that_is_not_to_be_had(numbers: range, log: Log) -> None:
    """Rows 1 to 9: refused, unreachable, mute or rejected, for the first session and for one in its place."""
    await play(cells([row for row in faults.CONNECTING if row.number in numbers]), log)


@pytest.mark.heavy
async def test_a_session_that_is_lost(log: Log, figures: Callable[[str], None]) -> None:
    """Rows 10 to 13, 17, 18 and 33: gone at one blow, and the agent goes on within 3 s."""
    drops = [*faults.LOSING, *(row for row in faults.CARRIER if row.is_drop)]
    played = await play(cells(drops), log)
    waits = sorted(
        (one.resumed_ms if one.resumed_ms is not None else 10**6, str(one.cell))
        for one in played
        if one.cell.row.is_drop and one.cell.moment is not Moment.BEFORE
    )
    resumed = [ms for ms, _ in waits if ms < 10**6]
    p50, p95 = waits[len(waits) // 2][0], waits[round(len(waits) * 0.95) - 1][0]
    longest_ms, cell = waits[-1]
    figures(
        f"resumed after a drop: p50 {p50} ms, p95 {p95} ms, longest {longest_ms} ms ({cell}), "
        f"{len(resumed)} of {len(waits)} resumed"
    )
    assert p95 <= 3000, waits
    assert len(resumed) >= 0.95 * len(waits), waits


@pytest.mark.heavy
async def test_a_session_that_stalls_or_misspeaks(log: Log) -> None:
    """Rows 14 to 19: silent, endless, unreadable or late."""
    await play(cells([*faults.STALLING, *faults.MISSPEAKING]), log)


@pytest.mark.parametrize("numbers", [range(20, 28), range(28, 36)], ids=["says wrong things", "is bad"])
@pytest.mark.heavy
async def test_a_line(numbers: range, log: Log) -> None:
    """Rows 20 to 35: what Twilio and the way to it can do, and the caller who hangs up."""
    await play(cells([row for row in faults.CARRIER if row.number in numbers and not row.is_drop]), log)


@pytest.mark.heavy
async def test_a_tool_that_fails(log: Log) -> None:
    """Rows 36 to 41: what a tool can do."""
    await play(cells(faults.TOOLS), log)


def test_the_table_is_whole() -> None:
    assert {row.number for row in faults.TABLE} == set(range(1, 42))
    for row in faults.TABLE:
        for moment, cell in row.cells.items():
            assert isinstance(cell, Outcome) or len(cell) > 10, (row, moment)
        assert bool(row.why_silent) == (row.silence_ms_max > 4000), row
