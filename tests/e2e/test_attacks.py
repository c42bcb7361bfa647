"""All attacks that are known, against a service with the settings of a deployment, on this machine alone.

`pytest -m attack tests/e2e --env-file PATH` takes them from there (tests/README.md). The same calls are live
through all of it, and new callers come all the time: they are the judges.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import httpx
import pytest

from callbridge.simulators.phone import HangUp, WaitForAgent
from callbridge.simulators.phone.events import AgentAudioStopped, WebhookAnswered
from callbridge.simulators.truth import AudioChangedError, heard_items
from callbridge.simulators.voice_model import SessionSettings, serve_model
from e2e.attacks import ATTACKS, LIVE, Attack
from e2e.processes import CLIPS, Gathering, Talker, services, small_talk
from e2e.proxy import nginx
from e2e.stack import API_KEY, AUTH_TOKEN, CONNECTED_AND_LEFT, FinishedCall
from e2e.target import CONTROL_KEY, Target, deployed
from leftovers import until
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from callbridge.simulators.phone import PhoneEvent
    from callbridge.simulators.truth import HeardItem
    from callbridge.simulators.voice_model import Journal
    from e2e.processes import Service
    from machine import Machine

pytestmark = [pytest.mark.attack, pytest.mark.usefixtures("nothing_left", "without_debugging")]

TURNS: Final = 100
"""Of each live caller: more than the attacks take."""

CALLERS_COME_EVERY_S: Final = 1.0
WEBHOOK_MS_MAX: Final = 1000
GAP_MS_MAX: Final = 500
"""Within one turn of the agent, all pauses together."""

SILENCE_MS_MAX: Final = 4000
"""Of both sides: the end of a turn is waited for, and then its answer."""

MEANING_WITHIN_MS: Final = 8000
"""So long semantic_vad waits for the end of a turn at the most."""

STOPS_WITHIN_S: Final = 20.0

LATE_MS: Final = 200
"""Of this machine, above which its times are not judged."""

GROWN_BYTES_MAX: Final = 60 * 1024 * 1024
"""Eight connections with endless heads took 347 MB."""

MORE_FILES_MAX: Final = {"direct": 4, "nginx": 4 + 16}
"""A proxy keeps that many connections open."""

CALLS_BEFORE_MAX: Final = 2
"""That were offered just before an attack began, with their session and their lines to come."""

LINES_OF_A_CALL_MAX: Final = 12
KINDS_MAX: Final = 6
"""Of the refusals of one attack, beside those that its line in the table tells."""

TALK: Final = frozenset({"speech_started", "turn_ended", "response_done", "interrupted"})
"""Of the calls that stay live: what their log holds without any attack."""

COUNTS: Final = "refused"
"""Once a minute a line for each kind of refusal tells how many more there were."""

LINE_CHARACTERS_MAX: Final = 1500

Form = Literal["direct", "nginx"]


@dataclass
class Before:
    """What the process held when the calls were live and the attacks had not begun."""

    files: int
    memory_bytes: int
    grown_bytes: int = 0

    async def changes(self, service: Service, more_files_max: int) -> AsyncIterator[str]:
        """What it holds now beside that, and should not."""
        self.grown_bytes = service.memory_bytes - self.memory_bytes
        if self.grown_bytes > GROWN_BYTES_MAX:
            yield f"grown by {self.grown_bytes} bytes"
        if not await until(lambda: service.open_files <= self.files + more_files_max):
            yield f"{service.open_files} open files, {self.files} before the attacks"


@dataclass
class Judge:
    """What was seen while the attacks went on."""

    target: Target
    faults: list[str] = field(default_factory=list)
    webhooks_ms: list[float] = field(default_factory=list)
    """Of new callers."""
    lasted_s: dict[str, float] = field(default_factory=dict)
    sent_away: list[str] = field(default_factory=list)
    """What new callers got whom the service took no more, as it was late."""

    async def look_at(self, attack: Attack) -> None:
        """Carries it out, and looks at what it has cost."""
        before, began_at = self._counts, time.perf_counter()
        lines_before = len(self.target.service.log.splitlines())
        try:
            await asyncio.wait_for(attack.carry_out(self.target), attack.within_s)
        except (AssertionError, TimeoutError, OSError, httpx.HTTPError, ExceptionGroup) as error:
            self.faults += [f"{attack.name}: {what}" for what in in_words(error)]
        self.lasted_s[attack.name] = time.perf_counter() - began_at
        calls, sessions, _faults = (now - then for now, then in zip(self._counts, before, strict=True))
        found = [f"the log: {line[:300]}" for line in self.target.service.faults[before[2] :]]
        if sessions > calls + CALLS_BEFORE_MAX:
            found.append(f"{sessions} sessions of the model for {calls} calls")
        lines = self._lines_of_strangers(lines_before)
        lines_max = KINDS_MAX + attack.kinds + LINES_OF_A_CALL_MAX * (calls + CALLS_BEFORE_MAX)
        if lines.total() > lines_max:
            found.append(f"{lines.total()} lines in the log for {calls} calls: {lines.most_common()}")
        self.faults += [f"{attack.name}: {what}" for what in (*found, *self._ended_calls())]

    @property
    def _counts(self) -> tuple[int, int, int]:
        """Calls that were offered, sessions of the model, faults in the log."""
        target = self.target
        return len(target.offered), len(target.model.sessions), len(target.service.faults)

    def _lines_of_strangers(self, lines_before: int) -> Counter[str]:
        """What the log has got since, but for the talk of the live calls; by event."""
        live = {phone.line.call_sid for phone in self.target.live}
        events: Counter[str] = Counter()
        for line in self.target.service.log.splitlines()[lines_before:]:
            event, call_sid = event_of(line)
            if event != COUNTS and not (event in TALK and call_sid in live):
                events[event] += 1
        return events

    def _ended_calls(self) -> Iterator[str]:
        for phone in self.target.live:
            (first, *later) = phone.streams
            if later or first.end is not None:
                yield f"a live call is on {len(later)} later streams; the first ended: {first.end}"

    async def let_callers_come(self) -> None:
        """One after the other, each of whom hears the greeting and hangs up."""
        while True:
            await self.serve_one()
            await asyncio.sleep(CALLERS_COME_EVERY_S)

    async def serve_one(self) -> None:
        def notice(event: PhoneEvent) -> None:
            if isinstance(event, WebhookAnswered) and event.url.endswith("/twilio/voice"):
                self.webhooks_ms.append(event.took_ms)

        caller = self.target.new_caller()
        phone = self.target.line.phone(
            [WaitForAgent(quiet_ms=100, patience_ms=5000), HangUp()], from_number=caller, on_event=notice
        )
        self.target.offered.add(phone.line.call_sid)
        call = await self.target.line.finish(phone)
        if self.target.service.was_late_for(call.sid):
            self.sent_away.append(f"a new caller was sent away: {call.verbs}")
            return
        if call.verbs != CONNECTED_AND_LEFT or call.report.greeting is None:
            self.faults.append(f"a new caller: {call.verbs}, {call.report.warnings}, {call.report.findings}")
        self.target.over.append(phone)

    def bounds(self, ended: list[FinishedCall]) -> dict[str, tuple[float, float]]:
        """What was measured of times, in ms, each with its bound."""
        gaps = (gap for call in ended for gap in gaps_ms(call, self.target.model.sessions))
        return {
            "webhooks": (max(self.webhooks_ms), WEBHOOK_MS_MAX),
            "gaps": (max(gaps), GAP_MS_MAX),
            "silences": (max(call.report.longest_silence_ms for call in ended), self._silence_ms_max),
        }

    @property
    def _silence_ms_max(self) -> int:
        hears_meaning = self.target.line.settings.vad_kind == "semantic_vad"
        return SILENCE_MS_MAX + (MEANING_WITHIN_MS if hears_meaning else 0)

    def told(self, before: Before, ended: list[FinishedCall]) -> str:
        """What was measured, in words."""
        lines = self.target.service.log.count("\n")
        slowest = sorted(self.lasted_s, key=lambda name: -self.lasted_s[name])[:3]
        times = ", ".join(f"{name} at most {ms:.0f} ms" for name, (ms, _) in self.bounds(ended).items())
        return (
            f"{len(self.lasted_s)} attacks in {sum(self.lasted_s.values()):.0f} s, {len(self.target.over)} "
            f"new callers; {times}; grown by {before.grown_bytes / 2**20:.0f} MiB; {lines} lines; "
            + ", ".join(f"{name}: {self.lasted_s[name]:.1f} s" for name in slowest)
        )


def in_words(error: Exception) -> Iterator[str]:
    """What went wrong in an attack, or in all that it did at once."""
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from in_words(each)
    else:
        yield f"{type(error).__name__} {error}"[:500]


# --- The live calls ----------------------------------------------------------------------------------


def whole(call: FinishedCall, sessions: list[Journal]) -> Iterator[str]:
    """What is wrong with a live call: a word of the agent or of its caller that was lost."""
    if call.verbs != CONNECTED_AND_LEFT or call.report.warnings or len(call.phone.streams) != 1:
        yield f"a live call: {call.verbs}, {call.report.warnings}"
        return
    journal = partner_of(call, sessions)
    said = bytes(call.stream.caller_audio)
    assert journal.appended is not None
    if said[len(journal.appended) :].strip(b"\xff"):
        yield "words of a live caller were lost"
    try:
        heard_of(call, sessions)
    except AudioChangedError as error:
        yield f"audio of a live call: {error}"


def cut_short(call: FinishedCall, sessions: list[Journal]) -> Iterator[str]:
    """Answers into which a live caller spoke, who waits longer than any pause in one may be."""
    # The caller hangs up in the middle of anything.
    for item in heard_of(call, sessions)[:-1]:
        if not item.was_heard_to_its_end:
            yield f"of an answer of {item.sent_ms} ms a live caller heard {item.heard_ms}"


def heard_of(call: FinishedCall, sessions: list[Journal]) -> list[HeardItem]:
    """What a live caller heard of each answer."""
    journal = partner_of(call, sessions)
    return heard_items(call.stream.playback, journal.items.values(), stream_end(call), CLIPS)


def partner_of(call: FinishedCall, sessions: list[Journal]) -> Journal:
    """The session that heard this caller, and nobody else: of all that fit, the one that heard most."""
    said = bytes(call.stream.caller_audio)
    heard = [one for one in sessions if one.appended and said.startswith(bytes(one.appended))]
    return max(heard, key=lambda one: one.appended_bytes)


def gaps_ms(call: FinishedCall, sessions: list[Journal]) -> list[float]:
    """How long the pauses were within each answer that a live caller heard."""
    return [
        (one.heard_until - one.heard_from) * 1000 - one.heard_ms
        for one in heard_of(call, sessions)
        if one.heard_ms
    ]


def stream_end(call: FinishedCall) -> float:
    assert call.stream.end is not None
    return call.stream.end.at


@contextlib.asynccontextmanager
async def live_calls(target: Target) -> AsyncIterator[list[asyncio.Task[FinishedCall]]]:
    """Calls that are on when the context begins, and hang up when it ends."""
    everybody = Gathering(LIVE, utterances=1, counts=AgentAudioStopped)
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(_goes_on(target, everybody, number)) for number in range(LIVE)]
        await everybody.complete(60)
        yield calls
        for phone in target.live:
            phone.hang_up()


async def _goes_on(target: Target, everybody: Gathering, number: int) -> FinishedCall:
    """A call that goes on. Whom a late machine sends away at first calls again."""
    while True:
        talker = Talker(f"caller {number}", turns=TURNS, quiet_ms=GAP_MS_MAX + 100)
        phone = target.line.phone(
            talker, from_number=target.new_caller(), on_event=everybody.watch(number), max_call_s=300.0
        )
        target.offered.add(phone.line.call_sid)
        target.live.append(phone)
        report = await phone.run()
        if phone.streams:
            return FinishedCall(phone, report, [], target.line)
        target.live.remove(phone)


# --- The log ------------------------------------------------------------------------------------------


def odd_lines(target: Target) -> Iterator[str]:
    """What a log may not hold after all this."""
    log = target.service.log
    for secret in (API_KEY, AUTH_TOKEN, CONTROL_KEY, *(phone.line.from_number for phone in target.live)):
        if secret in log:
            yield f"the log has {secret}"
    for line in log.splitlines():
        event, _ = event_of(line)
        if event == "forged_line" or not line.isprintable() or len(line) > LINE_CHARACTERS_MAX:
            yield f"an odd line of {len(line)} characters: {line[:200]!r}"


def event_of(line: str) -> tuple[str, str]:
    """The event of a line, and the call that it is about, if it is."""
    try:
        told = json.loads(line)
        return str(told["event"]), str(told.get("call_sid", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "forged_line", ""


# --- The suite ----------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def attacked(form: Form, folder: Path, env_file: Path | None) -> AsyncIterator[Target]:
    """A service, with a proxy before it or without."""
    port = free_port() if form == "nginx" else 0
    public_url = f"http://127.0.0.1:{port}" if port else ""
    session = SessionSettings(keep_audio=True)
    async with contextlib.AsyncExitStack() as context:
        model = await context.enter_async_context(serve_model(small_talk("attack"), settings=session))
        given = deployed(env_file, public_url, model.url, folder)
        (service,) = await context.enter_async_context(services(folder, given))
        if port:
            await context.enter_async_context(nginx(folder / "nginx", port, service.port))
        client = await context.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=10))
        yield Target(service, service.line(model), model, client)


@pytest.mark.parametrize("form", ["direct", "nginx"])
async def test_live_calls_go_on_and_new_ones_are_served_under_attack(
    form: Form,
    tmp_path: Path,
    machine: Machine,
    figures: Callable[[str], None],
    pytestconfig: pytest.Config,
) -> None:
    """No word is lost, no stranger costs a session, and the process is in the end as it was."""
    async with attacked(form, tmp_path, pytestconfig.getoption("--env-file")) as target:
        service, judge = target.service, Judge(target)
        await judge.serve_one()
        async with live_calls(target) as calls:
            before = Before(service.open_files, service.memory_bytes)
            async with asyncio.TaskGroup() as tasks:
                coming = tasks.create_task(judge.let_callers_come())
                for attack in ATTACKS:
                    await judge.look_at(attack)
                coming.cancel()
            await judge.serve_one()
            judge.faults += [fault async for fault in before.changes(service, MORE_FILES_MAX[form])]
        ended = [call.result() for call in calls]
        service.signal(signal.SIGTERM)
        assert await service.ended(STOPS_WITHIN_S) == 0, "what an attacker began is over"
    judge.faults += [fault for call in ended for fault in whole(call, target.model.sessions)]
    judge.faults += odd_lines(target)
    assert judge.faults == [], "\n".join(judge.faults)
    figures(f"{form}: {judge.told(before, ended)}")
    late = [f"{name}: {ms:.0f} ms" for name, (ms, ms_max) in judge.bounds(ended).items() if ms > ms_max]
    late += [fault for call in ended for fault in cut_short(call, target.model.sessions)]
    machine.judge([*late, *judge.sent_away], tolerates_ms=LATE_MS)
