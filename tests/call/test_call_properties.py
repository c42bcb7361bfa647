"""Calls that nobody wrote: the machine and its relay against a small phone and a small voice model.

What must hold at every moment is checked at every step. At the end of each call the caller falls silent, and
all that is due must come to rest: every utterance answered, every tool's result told, the agent gone when it
meant to go, and the model's memory equal to what the caller heard.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call import wants as w
from callbridge.call.facts import (
    CallClosed,
    CallerWordsCame,
    Fact,
    GuardrailTripped,
    KeysPressed,
    ModelTrouble,
    Noted,
    Remembered,
    Said,
    StreamEnded,
    ToolUsed,
    TurnEnded,
)
from callbridge.call.limits import Limits
from callbridge.call.memory import ToolAnswered, TurnSaid
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.phases import Phase
from callbridge.call.plan import CallPlan
from callbridge.call.telephone_facts import TransferAsked, TransferEnded
from callbridge.call.wishes import HangUp, Transfer, Wish
from callbridge.wire import audio as mulaw
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from phones import Link, Phone
from rigs import CLIP_MS, AudioToModel, AudioToPhone, Input, Output, Rig, make_plan
from voices import GOODBYE, VoiceModel

STEPS_TO_REST_MAX = 300
STILL_S = 5
ROUNDING_MS = 1.001
"""A byte that floats hide, and the milliseconds that are rounded down."""
RACES = {
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "input_audio_buffer_commit_empty",  # No race: whoever is asked for a sign of life may have heard nothing.
}
"""The only errors that the machine may cause: both sides spoke at once."""
SILENCE_MAX_S = 3.0
"""While the caller waits, a clip is due no later than so long after the last sound."""
LOUD_FRAME = ms.Media(ms.MediaChunk(b"\x12\x92" * 80))
WORD_S = 0.75
"""Who has spoken for so long has said something: more than the 0.4 s that may be a cough, pauses included."""
LIMITS = [
    Limits(),
    Limits(renew_after_s=8, renew_again_after_s=3),
    Limits(caller_silence_s=12, call_length_max_s=60, call_length_warning_s=20),
]
DIALS_THAT_FAIL = [
    e.ModelDialFailed("HTTP 503", 503),
    e.ModelDialFailed("HTTP 429", 429, "rate_limit_exceeded", 1.0),
    e.ModelDialFailed("HTTP 404", 404, "model_not_found"),
    e.ModelDialFailed("the name did not resolve"),
]
DIALS_THAT_END = [
    e.ModelDialFailed("HTTP 401", 401, "invalid_api_key"),
    e.ModelDialFailed("HTTP 429", 429, "insufficient_quota"),
    e.ModelDialFailed("HTTP 429", 429, "rate_limit_exceeded", 30.0),
]
WARM: Final = Transfer("sales", "+15550100042", is_asked=True, is_warm=True, briefing="Ann calls.")
COLD: Final = Transfer("sales", "+15550100042")
ENDS: Final = ("end_call", "put_through", "put_through_at_once")
"""Tools that have a wish."""
WISHES: Final[dict[str, Wish]] = dict(zip(ENDS, (HangUp(), WARM, COLD), strict=True))
_RARELY = st.integers(0, 19).map(lambda dice: dice == 19)


class Calls(RuleBasedStateMachine):
    """One call, driven by both peers and by time."""

    @initialize(
        interrupts=st.booleans(),
        transcribes=st.booleans(),
        delays_ms=st.sampled_from([(0, 0), (60, 60), (120, 60), (120, 120)]),
        limits=st.sampled_from(LIMITS),
        has_clip=st.booleans(),
        held=st.integers(0, 5),
        gives_way=st.booleans(),
        has_line=st.booleans(),
        rings_apart=st.booleans(),
        names_asks=st.sampled_from([True, True, False]),
    )
    def begin(
        self,
        *,
        interrupts: bool,
        transcribes: bool,
        delays_ms: tuple[int, int],
        limits: Limits,
        has_clip: bool,
        held: int,
        gives_way: bool,
        has_line: bool,
        rings_apart: bool,
        names_asks: bool,
    ) -> None:
        """From the socket to the confirmed session, with some caller audio held meanwhile."""
        self.plan = make_plan(
            server_interrupts=interrupts,
            transcribes=transcribes,
            second_model="the second one",
            is_greeting_interruptible=gives_way or not interrupts,
        )
        self.plan = replace(self.plan, rings_apart=rings_apart)
        self.limits, self.clip_ms, self.has_line = limits, CLIP_MS if has_clip else 0, has_line
        self.rig = self.new_rig()
        self.sessions = 1
        self.model = VoiceModel.dialled("", interrupts=interrupts, names_asks=names_asks)
        self.spare: VoiceModel | None = None
        self.phone = Phone(Link(delays_ms[0] / 1000), Link(delays_ms[1] / 1000))
        self.seen = Seen(self.plan)
        self.agent_until, self.leaves_by = -math.inf, math.inf
        self.log: list[tuple[float, Input, list[Output]]] = []
        self.running: list[a.RunTool] = []
        self.is_guessed = False
        """A response answered an ask that the model was thought to have dropped, and did not say so."""
        self.still = 0
        """For how many seconds nothing has left."""
        self.tell(v.start())
        for _ in range(held):
            self.tell(v.frame())
        for event in (v.admitted("", ""), e.ModelConnected()):
            self.tell(event)
        self.set_up()
        assert self.seen.frames_up == held

    def new_rig(self) -> Rig:
        return Rig(self.plan, self.limits, clip_ms=self.clip_ms, has_line=self.has_line)

    def set_up(self) -> None:
        """The session says what it must before it is ready, and takes what it is told."""
        while self.model.events and e.Leg.MODEL in self.seen.open and not self.is_live:
            self.we_read(1)
            self.model_reads(100)

    @property
    def is_over(self) -> bool:
        return self.rig.is_over

    @property
    def is_live(self) -> bool:
        """Whether there is a session that hears the caller."""
        return self.rig.phase in {Phase.LIVE, Phase.LEAVING} and e.Leg.MODEL in self.seen.open

    @property
    def is_heard(self) -> bool:
        """Whether that gets what the caller says."""
        return self.is_live and not self.seen.on_hold

    @property
    def is_due(self) -> bool:
        due = self.rig.deadline
        return due is not None and due[0] <= self.rig.now

    def tell(self, event: Input) -> None:
        """Hands an event to the machine, checks what comes out and carries it to the peers."""
        has_lasted = self.rig.seconds >= self.limits.call_length_max_s
        self.seen.is_limited |= isinstance(event, e.DeadlinePassed) and has_lasted
        if isinstance(event, rt.ResponseCreated) and not self.model.names_asks:
            answered = self.model.asks.get(event.response.id)
            self.is_guessed |= answered is not None and answered != self.seen.asked_id
        self.seen.event(event, self.rig.now)
        was_live, is_heard = self.rig.phase is Phase.LIVE, self.is_heard and not self.seen.is_moving
        self.seen.is_leaving = self.rig.phase is Phase.LEAVING
        outputs = self.rig.feed(event)
        # Not where they were leaving, and words that the model has not noticed keep them.
        if was_live and self.rig.phase is Phase.LIVE and isinstance(event, ms.Media):
            assert any(isinstance(output, AudioToModel) for output in outputs) is is_heard
        self.log.append((self.rig.now, event, outputs))
        for output in outputs:
            self.still *= isinstance(output, AudioToModel) or _is_note(output)
            self.seen.output(event, output, self.rig.now)
            self.carry(event, output)

    def carry(self, event: Input, output: Output) -> None:
        match output:
            case AudioToPhone(duration_ms):
                item_id = event.item_id if isinstance(event, rt.AudioDelta) else "the clip"
                self.phone.audio(item_id, duration_ms * mulaw.BYTES_PER_MS, self.rig.now)
                if item_id != "the clip":
                    self.agent_until = self.phone.dry_at
            case a.SendToPhone(ms.SendMark(mark=mark)):
                self.phone.mark(mark.name, self.rig.now)
            case a.SendToPhone():
                self.seen.heard_bytes = self.phone.clear(self.rig.now)
            case a.SendToModel(command, leg):
                session = self.spare if leg is e.Leg.SPARE else self.model
                assert session is not None
                session.commands.append(command)
            case a.RunTool():
                self.running.append(output)
            case a.DropModel(e.Leg.MODEL):
                self.model = self.next_session(carried=self.what_the_caller_waits_for())
            case a.DropModel():
                self.spare = None
            case a.SwitchModel():
                assert self.spare is not None
                self.seen.refusals += self.model.refusals
                if not self.model.answers_by_itself:  # The spare comes in place of a lost one.
                    self.spare.unanswered = self.model.unanswered
                self.model, self.spare = self.spare, None
            case a.PlayClip():
                self.check_that_a_clip_is_called_for()

    def next_session(self, carried: str | None = None) -> VoiceModel:
        self.seen.refusals += self.model.refusals
        self.sessions += 1
        name, was = f"s{self.sessions}_", self.model
        session = VoiceModel.dialled(name, interrupts=was.interrupts, names_asks=was.names_asks)
        session.unanswered = carried
        session.told, session.passed_over = self.model.told, self.model.passed_over
        session.missed = self.model.missed
        if carried is not None and self.seen.was_answered_in_vain:
            session.passed_over.add(carried)
        return session

    def what_the_caller_waits_for(self) -> str | None:
        """Of what we know: what the lost session had heard and not told us is lost with it."""
        model = self.model
        if model.has_unread_question:
            return "an item of ours"
        is_ours = model.unanswered is not None and model.unanswered.startswith("cb_")
        return model.unanswered if is_ours or model.unanswered in self.seen.heard_speech else None

    def check_that_a_clip_is_called_for(self) -> None:
        """Nobody speaks, and it has been quiet for a while at the phone's end."""
        assert not self.seen.caller_speaks, "a clip while the caller speaks"
        assert self.rig.now - self.phone.last_sound_at >= 1.5 - 0.3

    def check_that_who_waits_hears_something(self) -> None:
        """A clip, at the latest, whatever else is going on. On hold it is a sound that has no hole."""
        if self.seen.on_hold:
            assert self.rig.now <= self.phone.dry_at + 0.01
            return
        times = [at for at in (self.seen.waits_since, self.seen.dials_since) if at is not None]
        if times and self.clip_ms and not self.is_over:
            quiet_at = max(min(times), self.phone.dry_at)
            assert self.rig.now <= quiet_at + SILENCE_MAX_S + 0.01
        if times and not self.is_over:
            assert self.rig.now <= max(min(times), self.agent_until) + self.limits.wait_max_s + 0.01

    def check_that_who_leaves_goes(self) -> None:
        """A goodbye has a bound, whatever the model does; a limit that is reached in it, another."""
        if self.rig.phase is not Phase.LEAVING or self.seen.on_hold:
            self.leaves_by = math.inf
        elif self.leaves_by == math.inf:
            unheard_s = self.phone.unheard_bytes(self.rig.now) / mulaw.BYTES_PER_MS / 1000
            self.leaves_by = self.rig.now + unheard_s + 2 * self.limits.leave_timeout_s + 0.5
        assert self.rig.now <= self.leaves_by

    def pass_time(self, duration_s: float) -> None:
        """Time goes by: echoes and deadlines, each at its moment."""
        end = self.rig.now + duration_s
        while self.rig.now < end:
            due = self.rig.deadline
            until = end if due is None else min(max(due[0], self.rig.now), end)
            for at, name in self.phone.echoes(until):
                self.rig.now = max(self.rig.now, at)
                self.tell(v.echo(name))
            self.rig.now = max(self.rig.now, until)
            if self.is_due:
                self.tell(e.DeadlinePassed())
                if self.is_due:  # What was done made something else due.
                    self.tell(e.DeadlinePassed())
                assert not self.is_due, "woken for nothing"
            self.check_that_who_waits_hears_something()
            self.check_that_who_leaves_goes()

    @rule(duration_s=st.one_of(st.floats(0.001, 0.5), st.floats(0.5, 6)))
    def wait(self, duration_s: float) -> None:
        self.tell(v.frame())
        self.pass_time(duration_s)

    @rule(count=st.integers(1, 10))
    def we_read(self, count: int) -> None:
        for _ in range(count):
            if not self.model.events or e.Leg.MODEL not in self.seen.open:
                return
            self.tell(self.model.events.popleft())

    @rule(count=st.integers(1, 5))
    def model_reads(self, count: int) -> None:
        for _ in range(min(count, len(self.model.commands))):
            self.model.read()

    @rule(duration_s=st.sampled_from([0.0, 0.4, 1.5]))
    def everybody_reads(self, duration_s: float) -> None:
        """The usual case: nothing crosses anything."""
        self.model_reads(100)
        self.we_read(1000)
        if duration_s:
            self.wait(duration_s)

    @precondition(lambda self: self.model.active is not None)
    @rule(sizes_ms=st.lists(st.sampled_from([20, 130, 450]), min_size=1, max_size=3))
    def model_is_heard(self, sizes_ms: list[int]) -> None:
        """The model speaks, we read it, and the phone plays it to its end."""
        self.model_speaks(sizes_ms)
        self.everybody_reads(sum(sizes_ms) / 1000 + 0.3)

    @precondition(lambda self: self.is_heard and not self.model.hears_caller)
    @rule(late_ms=st.sampled_from([0, 0, 40, 300]))
    def caller_begins(self, late_ms: int) -> None:
        self.model.caller_begins(late_ms)

    @precondition(lambda self: self.is_heard and not self.model.hears_caller)
    @rule(frames=st.integers(70, 200))
    def caller_is_not_noticed(self, frames: int) -> None:
        """They speak, and the model takes it for a noise."""
        self.model.has_missed_words = True
        for place in range(frames):
            self.tell(LOUD_FRAME if place % 15 < 12 else v.frame())
            self.pass_time(0.02)

    @precondition(lambda self: self.model.hears_caller)
    @rule()
    def caller_ends(self) -> None:
        self.model.caller_ends()

    @precondition(lambda self: self.model.active is not None)
    @rule(sizes_ms=st.lists(st.sampled_from([20, 130, 450, 1200]), min_size=1, max_size=5))
    def model_speaks(self, sizes_ms: list[int]) -> None:
        for size_ms in sizes_ms:
            if self.model.active is not None:  # It may have been lost in between.
                self.model.speak(size_ms)

    @precondition(lambda self: self.model.active is not None)
    @rule()
    def model_begins_item(self) -> None:
        self.model.begin_item()

    @precondition(lambda self: self.model.active is not None)
    @rule(name=st.sampled_from(["look_up", "look_up", "look_up", *ENDS]))
    def model_calls(self, name: str) -> None:
        self.model.call(name)

    @precondition(lambda self: self.model.active is not None)
    @rule(status=st.sampled_from(["completed", "completed", "completed", "failed", "incomplete"]))
    def model_ends(self, status: str) -> None:
        self.model.end(status, code="server_error" if status == "failed" else None)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def tool_finishes(self, data: st.DataObject) -> None:
        self.finish(self.running.pop(data.draw(st.integers(0, len(self.running) - 1))))

    def finish(self, tool: a.RunTool) -> None:
        wish = WISHES.get(tool.name)
        self.tell(e.ToolFinished(tool.call_id, tool.name, GOODBYE if wish else "yes", 5, wish))

    @precondition(lambda self: self.seen.on_hold)
    @rule(
        outcome=st.sampled_from([TransferOutcome.BUSY, TransferOutcome.VOICEMAIL, TransferOutcome.CONNECTED]),
        is_to_ring=_RARELY,
        is_late=_RARELY,
    )
    def person_is_asked(self, outcome: TransferOutcome, is_to_ring: bool, is_late: bool) -> None:
        """Whoever asks them knows what came of it; late news are of an earlier transfer."""
        transfer_id = "an earlier one" if is_late else self.seen.on_hold
        self.tell(e.TransferTold(transfer_id, outcome, "", is_to_ring))

    @precondition(lambda self: self.is_live and self.model.utterances)
    @rule(back=st.integers(0, 2), words=st.sampled_from(["Hello there.", "Hello there.", ""]))
    def caller_is_transcribed(self, back: int, words: str) -> None:
        self.tell(v.caller_said(words, f"{self.model.name}user_{self.model.utterances - back}"))

    @rule(digit=st.sampled_from("12#"))
    def caller_presses(self, digit: str) -> None:
        self.tell(v.key(digit))

    @rule(
        event=st.sampled_from(
            [
                rt.UnknownEvent("response.video.delta"),
                ms.UnknownMessage("video"),
                e.BadMessage(e.Leg.MODEL, "not JSON"),
                v.start(),
                v.echo("9-9"),
                v.echo("greeting"),
                v.error("invalid_value"),
                rt.RateLimitsUpdated((rt.RateLimit("tokens", 0, 1.0),)),
            ]
        )
    )
    def something_odd(self, event: Input) -> None:
        if self.is_live or not isinstance(event, rt.ServerEvent):
            self.tell(event)

    # Sessions come and go.

    @precondition(lambda self: e.Leg.MODEL in self.seen.open and not self.is_over)
    @rule(
        event=st.sampled_from(
            [
                v.gone(e.Leg.MODEL, 1000),
                v.gone(e.Leg.MODEL, 1011),
                e.LegStalled(e.Leg.MODEL, "it does not read"),
                e.BadMessage(e.Leg.MODEL, "binary", is_fatal=True),
            ]
        ),
        happens=st.sampled_from([True, False, False]),
    )
    def session_is_lost(self, event: Input, happens: bool) -> None:
        if happens:
            self.tell(event)

    @precondition(lambda self: self.seen.dialling)
    @rule()
    def dial_succeeds(self) -> None:
        leg = min(self.seen.dialling, key=str)
        if leg is e.Leg.SPARE:
            self.spare = self.next_session()
        self.tell(e.ModelConnected(leg))

    @precondition(lambda self: e.Leg.MODEL in self.seen.open and not self.is_live)
    @rule()
    def session_is_set_up(self) -> None:
        self.set_up()

    @precondition(lambda self: self.seen.dialling)
    @rule(failure=st.sampled_from(DIALS_THAT_FAIL), fatal=st.sampled_from(DIALS_THAT_END), is_fatal=_RARELY)
    def dial_fails(self, failure: e.ModelDialFailed, fatal: e.ModelDialFailed, is_fatal: bool) -> None:
        leg = min(self.seen.dialling, key=str)
        self.tell(replace(fatal if is_fatal else failure, leg=leg))

    @precondition(lambda self: self.spare is not None)
    @rule(count=st.integers(1, 6))
    def spare_goes_on(self, count: int) -> None:
        """The second session and we read each other."""
        for _ in range(count):
            while self.spare is not None and self.spare.commands:
                self.spare.read()
            if self.spare is not None and self.spare.events:
                self.tell(e.SpareSaid(self.spare.events.popleft()))

    @precondition(lambda self: self.spare is not None)
    @rule(
        event=st.sampled_from(
            [v.gone(e.Leg.SPARE), e.LegStalled(e.Leg.SPARE, "x"), e.SpareSaid(v.error("server_error"))]
        )
    )
    def spare_is_lost(self, event: Input) -> None:
        self.tell(event)

    @rule(
        event=st.sampled_from(
            [
                v.HANGS_UP,
                v.gone(e.Leg.PHONE),
                e.LegStalled(e.Leg.PHONE, "x"),
                e.ShutdownRequested(),
                e.HandOverRequested(),
                e.HandOverRequested(),
            ]
        ),
        happens=_RARELY,
    )
    def the_end(self, event: Input, happens: bool) -> None:
        if happens:
            self.seen.is_handed_over |= isinstance(event, e.HandOverRequested)
            self.tell(event)

    @invariant()
    def the_machine_can_be_woken_until_it_is_over(self) -> None:
        assert self.rig.deadline is not None or self.is_over
        assert len(self.seen.ended) == self.is_over

    @invariant()
    def marks_keep_their_bound(self) -> None:
        assert len(self.seen.marks) <= self.limits.marks_outstanding_max

    @invariant()
    def the_model_refuses_nothing_but_races(self) -> None:
        assert set(self.model.refusals) | set(self.seen.refusals) <= RACES

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        self.come_to_rest()
        if not self.is_over:
            self.check_that_nothing_is_owed()
            self.check_that_the_model_remembers_what_was_heard()
            self.tell(v.HANGS_UP)
        assert len(self.seen.ended) == 1
        self.linger()
        self.check_that_no_words_are_remembered_that_were_not_heard()
        self.check_that_the_same_call_goes_the_same_way()

    def linger(self) -> None:
        """Whatever runs or is late, the call is left within its bound, and says so."""
        while (due := self.rig.deadline) is not None:
            assert due[0] <= self.seen.ended_at + self.limits.linger_s
            self.rig.now = max(self.rig.now, due[0])
            self.tell(e.DeadlinePassed())
        (last,) = self.rig.close()
        assert isinstance(last, a.Note)
        assert isinstance(last.fact, CallClosed)

    def come_to_rest(self) -> None:
        """The caller is silent, the peers do their part, and time goes by until nothing moves."""
        if self.model.hears_caller:
            self.model.caller_ends()
        for _ in range(STEPS_TO_REST_MAX):
            if self.is_over or self.is_at_rest:
                return
            self.still += 1
            if self.seen.on_hold:
                self.tell(e.TransferTold(self.seen.on_hold, TransferOutcome.NO_ANSWER))
            if e.Leg.MODEL in self.seen.dialling:
                self.tell(e.ModelConnected())
            self.set_up()
            self.model_reads(100)
            if self.model.active is not None:
                self.model.speak(100)
                self.model.end("completed")
            self.we_read(1000)
            if self.running:
                self.finish(self.running.pop())
            self.wait(1)
        raise AssertionError(f"the call never comes to rest: {self.rig!r}")

    @property
    def is_at_rest(self) -> bool:
        """Nothing has left for longer than keys, a retry or a clip are waited for, and nothing is to come."""
        model = self.model
        is_quiet = not (model.events or model.commands or model.active or self.running)
        if self.seen.keys_told_since(self.rig.now - 60) >= self.limits.keys_told_per_minute_max:
            return False  # More may have been pressed, and be told when the minute is over.
        return is_quiet and self.is_live and self.still >= STILL_S and self.rig.has_played_all

    def check_that_nothing_is_owed(self) -> None:
        if not self.is_guessed:  # Else the greeting may pay for a question, and a question for the greeting.
            unanswered = self.model.unanswered
            assert unanswered in self.may_stay_unanswered, f"nobody answered {unanswered}"
            self.check_that_the_greeting_was_heard()
        # A session that asks what another one has asked before may get the answer under its own call id.
        lost, instead = (
            self.seen.called - self.seen.ends - self.seen.answered,
            self.seen.answered - self.seen.called,
        )
        assert len(lost) <= len(instead), "a tool's result was lost"
        assert self.rig.phase is Phase.LIVE, "the agent wanted to hang up and never did"
        assert not self.seen.is_handed_over, "the process went away and the call did not"
        assert self.seen.responses > 0, "the agent never greeted"

    @property
    def may_stay_unanswered(self) -> set[str | None]:
        """Nothing; a noise about which the model was silent, or failed; what was no word, or taken for none.

        Not so once it turned out to be words. And what a tool answers behind the last words of the agent's
        own code: it is not spoken about.
        """
        passed_over = self.model.passed_over
        noises = self.seen.noises if self.has_line else {one for one in passed_over if "user_" in one}
        noises = ((passed_over & noises) | self.model.missed) - self.seen.worded
        return {None, *noises, *self.seen.wordless, *self.seen.unspoken}

    def check_that_the_greeting_was_heard(self) -> None:
        """It is owed until then, whatever fails and whoever speaks, unless a tool was asked for instead."""
        assert self.plan.greeting_options is not None
        words = self.plan.greeting_options.instructions
        greetings = [response_id for response_id, told in self.model.told.items() if told == words]
        if any(f"call_{response_id}_1" in self.seen.called for response_id in greetings):
            return
        if self.seen.stopped & set(greetings):
            return  # Other words were said in its place.
        heard = self.phone.heard(self.rig.now)
        shares = [self.share_heard(response_id, heard) for response_id in greetings]
        needed = 0.0 if self.plan.is_greeting_interruptible else 0.79
        assert max(shares, default=0.0) > needed, f"the greeting was not heard: {shares}"

    def share_heard(self, response_id: str, heard: dict[str, float]) -> float:
        """How much was heard of what left for the phone of a response."""
        begun_later = self.begun_behind_protection()
        items = [
            item_id
            for item_id in heard
            if item_id.startswith(f"{response_id}_item_") and item_id not in begun_later
        ]
        sent_bytes = sum(self.seen.sent_ms[item_id] for item_id in items) * mulaw.BYTES_PER_MS
        return sum(heard[item_id] for item_id in items) / sent_bytes if sent_bytes else 0.0

    def begun_behind_protection(self) -> set[str]:
        """Items that began when the session could be interrupted again, of responses that began before.

        A greeting that was made and heard to its end, as far as anybody could know, may get one more: that is
        an answer like any other. One that was cut then is said again, and that counts.
        """
        if self.plan.is_greeting_interruptible:
            return set()  # Then no session was ever protected.
        is_over, items, behind = False, set[str](), set[str]()
        for _, event, outputs in self.log:
            if is_over and isinstance(event, rt.ResponseCreated):
                behind.add(event.response.id)
            if is_over and isinstance(event, rt.OutputItemAdded) and event.response_id not in behind:
                items.add(event.item.id)
            for output in outputs:
                is_over = _allows_interruptions(output, before=is_over)
        return items

    def check_that_the_model_remembers_what_was_heard(self) -> None:
        heard_bytes = self.phone.clear(self.rig.now + 60)
        tail_ms = self.limits.heard_tail_ms
        for item_id, spoken in self.model.spoken.items():
            heard_ms = heard_bytes.get(item_id, 0.0) / mulaw.BYTES_PER_MS
            allowed_ms = tail_ms if heard_ms else 0
            assert abs(spoken.remembered_ms - heard_ms) <= allowed_ms + 2, (item_id, spoken, heard_ms)

    def check_that_no_words_are_remembered_that_were_not_heard(self) -> None:
        """A word counts as said when the audio was heard up to its end, in proportion."""
        heard_bytes = self.phone.clear(self.rig.now)
        for word in self.seen.remembered.split():
            if word == "…":
                continue
            item_id, _, place = word.partition(":")
            heard_ms = heard_bytes.get(item_id, 0.0) / mulaw.BYTES_PER_MS
            sent_ms = self.seen.sent_ms.get(item_id, 0)
            needed_ms = min(int(place) / 4 * sent_ms * 0.95, sent_ms - self.limits.heard_tail_ms) - 2
            assert sent_ms > 0, f"{word} was never said"
            assert heard_ms >= needed_ms, f"{word}: {heard_ms} of {sent_ms} ms were heard"

    def check_that_the_same_call_goes_the_same_way(self) -> None:
        again = self.new_rig()
        for now, event, outputs in self.log:
            again.now = now
            assert again.feed(event) == outputs


def _allows_interruptions(output: Output, *, before: bool) -> bool:
    match output:
        case a.SendToModel(commands.UpdateSession(session=session), e.Leg.MODEL):
            return bool(session.audio.input.turn_detection.interrupt_response)
        case a.SwitchModel():  # Its protection has no place in a session that comes behind it.
            return True
        case _:
            return before


class Seen:
    """What went over the wires of a call, and what may therefore not go any more."""

    def __init__(self, plan: CallPlan) -> None:
        self._plan = plan
        self.is_protected = False
        """The agent talks on when the caller speaks: they have not heard the greeting yet."""
        self.ended: list[StreamEnded] = []
        self.ended_at = 0.0
        self.made: set[str] = set()
        """Calls that any session has made."""
        self.called: set[str] = set()
        """Those of them that were run."""
        self.ends: set[str] = set()
        """Calls that asked for the end: their wish may be gone with their session."""
        self.answered: set[str] = set()
        """Calls whose result was told to any session."""
        self.heard_bytes: dict[str, float] = {}
        """What was heard of each item when the last clear took effect."""
        self.noises: set[str] = set()
        """Utterances that may have been too short for a word."""
        self.wordless: set[str] = set()
        """Those that turned out to be a noise."""
        self.worded: set[str] = set()
        """Those that turned out to be words, however short."""
        self._committed: set[str] = set()
        """Utterances that have an item: only then their words may come."""
        self._speaks_since = 0.0
        self.heard_speech: set[str] = set()
        """Utterances that we were told of."""
        self.sent_ms: dict[str, int] = {}
        self.open: set[e.Leg] = set()
        self.dialling: set[e.Leg] = set()
        self.refusals: list[str] = []
        """Of sessions that are gone."""
        self.is_handed_over = False
        self.is_leaving = self._has_last_words = False
        self.unspoken: set[str] = set()
        """Results that came behind the last words of the agent's own code."""
        self.stopped: set[str] = set()
        """Responses of which a guardrail did not want more heard."""
        self.on_hold = ""
        """The transfer for which the caller waits; empty while they do not."""
        self.responses = 0
        self.frames_up = 0
        self.marks: list[str] = []
        """Those that were neither echoed nor cleared."""
        self.waits_since: float | None = None
        """Since when the caller waits for an answer, as far as it is seen from outside."""
        self.dials_since: float | None = None
        """Since when a session is wanted."""
        self.is_moving = False
        """A spare is being told the conversation."""
        self.remembered = ""
        """The agent's words, as they were recorded."""
        self.caller_speaks = False
        self._known: dict[e.Leg, set[str]] = {}
        """Tool calls that a session has made, or was told of, and has no result of."""
        self._lost_at: list[float] = []
        self._begun: list[str] = []
        self._dead: set[str] = set()
        """Responses of which the phone may get nothing any more."""
        self._active: str | None = None
        self.was_answered_in_vain = False
        """The latest session was lost in the middle of a response of which nothing had been sent."""
        self.asked_id: str | None = None
        """Which ask is out, as far as we know."""
        self._is_phone_gone = False
        self._was_cleared = self._has_committed = False
        self.is_for_sign = False
        """The response asked for is to show that the model is there: nobody waits for it to begin."""
        self._is_clip = False
        self._keys_told: list[float] = []
        self._has_keys = False
        """Keys were pressed, and no session was told of them."""
        self.is_limited = False
        """The call has come to a bound: no key keeps it."""

    def event(self, event: Input, now: float) -> None:
        self._was_cleared = self._is_clip = self._has_committed = False
        if isinstance(event, ms.MarkEchoed) and event.mark.name in self.marks:
            del self.marks[: self.marks.index(event.mark.name) + 1]
        match event:
            case rt.SpeechStarted() | rt.SpeechStopped() | rt.CallerTranscript():
                self._speech(event, now)
            case ms.Dtmf(ms.Key(digit)) if not self.is_limited and (digit != "#" or self._has_keys):
                self.waits_since = None  # Who presses keys does not wait yet.
                self._interrupted()
            case rt.SessionUpdated():
                self.dials_since = None
            case rt.InputCommitted(item_id):
                self._committed.add(item_id)
            case rt.ResponseCreated(response):
                self.responses += 1
                self._begun.append(response.id)
                self._active, self.asked_id = response.id, None
                self._began(now)
            case rt.ResponseDone(response) if response.id == self._active:
                self._active = self.waits_since = None
            case rt.OutputItemDone(item=rt.Item(type="function_call", call_id=str(call_id))):
                self.made.add(call_id)
                self._known[e.Leg.MODEL].add(call_id)
            case rt.ErrorEvent(detail) if detail.event_id in {None, self.asked_id}:
                self.asked_id = None
            case e.ModelConnected() | e.ModelDialFailed() | e.LegGone():
                self._leg(event)
            case w.WishSet(is_said=True):
                self._has_last_words = True

    def _speech(self, event: rt.SpeechStarted | rt.SpeechStopped | rt.CallerTranscript, now: float) -> None:
        match event:
            case rt.SpeechStarted(item_id):
                self.caller_speaks, self.waits_since, self._speaks_since = True, None, now
                self.heard_speech.add(item_id)
                self._interrupted()
            case rt.SpeechStopped(item_id):
                self.caller_speaks, self.waits_since = False, now
                if now < self._speaks_since + WORD_S:
                    self.noises.add(item_id)
            case rt.CallerTranscript(item_id, ""):
                self.wordless.add(item_id)
            case rt.CallerTranscript(item_id) if item_id in self._committed and self._plan.has_transcription:
                self.worded.add(item_id)

    def _began(self, now: float) -> None:
        is_talked_to = self.caller_speaks or self._has_keys  # Then it is overtaken, and heard by nobody.
        if self.is_for_sign and self.waits_since is None and not is_talked_to:
            self.waits_since = now
        self.is_for_sign = False
        if self.caller_speaks and not self.is_protected:
            self._dead.add(self._begun[-1])

    def _interrupted(self) -> None:
        if not self.is_protected:
            self._dead.update(self._begun)

    def _leg(self, event: e.ModelConnected | e.ModelDialFailed | e.LegGone) -> None:
        if isinstance(event, e.LegGone):
            self._is_phone_gone |= event.leg is e.Leg.PHONE
            self.open.discard(event.leg)
            return
        self.dialling.discard(event.leg)
        if isinstance(event, e.ModelConnected):
            self.open.add(event.leg)
            self._known[event.leg] = set()

    def output(self, event: Input, output: Output, now: float) -> None:
        assert not self.ended or may_be_late(output), "a call that is over asks for nothing"
        match output:
            case a.PlayClip() | a.PlaySound(_) | a.PlayKeys():
                self._is_clip = True
            case AudioToPhone(duration_ms):
                self._audio(event, duration_ms)
            case a.SendToPhone(message):
                assert not self._is_phone_gone
                self._was_cleared |= isinstance(message, ms.Clear)
                self.marks = [*self.marks, message.mark.name] if isinstance(message, ms.SendMark) else []
            case a.SendToModel(command, leg):
                assert leg in self.open, "a leg that is not open is told nothing"
                self._command(command, leg, now)
            case AudioToModel():
                assert e.Leg.MODEL in self.open, "a leg that is not open is sent no audio"
                self.frames_up += 1
            case a.CloseLeg(leg) if leg is not e.Leg.PHONE:
                assert leg in self.open
            case a.RunTool(call_id, name) if not output.is_ours:
                assert call_id not in self.called, "a tool is run once"
                assert not self.on_hold, "a tool is run on hold"
                self.called.add(call_id)
                if name in ENDS:
                    self.ends.add(call_id)
            case a.Note(fact):
                self._fact(fact, now)
            case a.DialModel() | a.DropModel() | a.SwitchModel():
                self._legs(output, now)

    def keys_told_since(self, at: float) -> int:
        """How often the model was told of keys."""
        return sum(told_at >= at for told_at in self._keys_told)

    def _fact(self, fact: Fact, now: float) -> None:
        match fact:
            case KeysPressed():
                self._keys_told.append(now)
            case Noted("key_pressed"):  # Not into last words without a session: nobody could answer it.
                self._has_keys = True
            case StreamEnded():
                self.ended.append(fact)
                self.ended_at, self.on_hold = now, ""
            case GuardrailTripped(item_id=item_id, was_cut=True):
                self.stopped.add(item_id.rpartition("_item_")[0])
                self._dead |= self.stopped
            case TransferAsked(transfer_id, is_held=True):
                assert not self.on_hold, "nobody is put through twice at once"
                self.on_hold = transfer_id
            case TransferEnded(transfer_id):
                assert transfer_id == self.on_hold
                self.on_hold = ""
                # Who is back waits from here on.
                self.waits_since = None if self.waits_since is None else now
                self.dials_since = None if self.dials_since is None else now
            case TurnEnded(agent=heard):
                self.remembered += f" {heard}"
            case ModelTrouble(doing="call"):
                self._lost_at.append(now)
            case Noted("response_done_missing"):
                self._active = None  # It was interrupted long ago: it keeps nobody waiting any longer.
            case Noted("model_asked", (("why", why),)) if why != "a command was not answered":
                self.caller_speaks = False  # Their turn was ended for the model, which hears no end of it.

    def _audio(self, event: Input, duration_ms: int) -> None:
        if self._is_clip:
            self._is_clip = False
            return
        assert isinstance(event, rt.AudioDelta)
        assert not self.on_hold, "the agent speaks on hold"
        assert event.response_id not in self._dead, "audio of an interrupted response"
        self.waits_since = None
        self.sent_ms[event.item_id] = self.sent_ms.get(event.item_id, 0) + duration_ms

    def _legs(self, action: a.DialModel | a.DropModel | a.SwitchModel, now: float) -> None:
        match action:
            case a.DialModel(leg=leg):
                assert leg not in self.dialling | self.open, "two dials of one leg"
                self.dialling.add(leg)
                if leg is e.Leg.MODEL:
                    self.dials_since = now
                recently = [at for at in self._lost_at if at > now - Limits().reconnects_within_s]
                assert leg is e.Leg.SPARE or len(recently) <= Limits().reconnects_max, "too many replacements"
            case a.DropModel(leg):
                self.dialling.discard(leg)
                self.open.discard(leg)
                self.is_moving = False
                if leg is e.Leg.MODEL:
                    self.waits_since = self.dials_since = None
                    self._session_is_gone()
            case a.SwitchModel():
                assert e.Leg.SPARE in self.open
                if e.Leg.MODEL not in self.open:  # It stands, and is wanted: there is nobody else.
                    self.dials_since = now
                self.open ^= {e.Leg.SPARE} | ({e.Leg.MODEL} - self.open)
                self.is_moving = False
                self._known[e.Leg.MODEL] = self._known.pop(e.Leg.SPARE)
                self._session_is_gone()

    def _session_is_gone(self) -> None:
        items = f"{self._active}_item_"
        self.was_answered_in_vain = self._active is not None and not any(
            item_id.startswith(items) for item_id in self.sent_ms
        )
        self._dead.update(self._begun)
        self._active = self.asked_id = None
        self.caller_speaks = self.is_protected = False

    def _command(self, command: commands.AnyCommand, leg: e.Leg, now: float) -> None:
        self.is_moving |= leg is e.Leg.SPARE and isinstance(command, commands.CreateItem)
        match command:
            case commands.UpdateSession(session=session) if leg is e.Leg.MODEL:
                # While it is opened; the next one, in mid-call, is the amendment.
                self.is_protected = self._plan.server_interrupts and not (
                    session.audio.input.turn_detection.interrupt_response
                )
            case commands.CreateResponse(event_id=event_id, response=options):
                words = None if options is None else options.instructions
                self.is_limited |= words in {v.SAY_IT_ENDS, v.SAY_NOBODY_IS_THERE}
                assert leg is e.Leg.MODEL
                assert self.asked_id is None, "two responses are asked for at once"
                assert self._active is None, "a response is asked for while one is active"
                assert not self.on_hold, "a response is asked for on hold"
                assert not self.caller_speaks, "a response is asked for while the caller speaks"
                self.asked_id, self.is_for_sign = event_id, self._has_committed
                if self.waits_since is None and not self.is_for_sign:
                    self.waits_since = now
            case commands.CommitInput():
                self._has_committed = True
            case commands.CancelResponse(response_id=response_id):
                assert response_id == self._active, "what is cancelled is active, and named"
            case commands.CreateItem(item=commands.FunctionCall(call_id=call_id)):
                # One that another session has asked again, while it ran, goes on under that session's id.
                assert call_id in self.made, "a call that was never made"
                assert call_id not in self._known[leg], "a session is told of a call once"
                self._known[leg].add(call_id)
            case commands.CreateItem(item=commands.FunctionCallOutput(id=item_id, call_id=call_id)):
                self.unspoken |= {item_id} if self.is_leaving and self._has_last_words else set()
                assert call_id in self._known[leg], "a tool call is answered once, to who knows of it"
                self._known[leg].discard(call_id)
                self.answered.add(call_id)
            case commands.CreateItem(item=commands.Message(role="user")) if self._has_keys:
                self._has_keys = leg is not e.Leg.MODEL
            case commands.TruncateItem(item_id=item_id, audio_end_ms=audio_end_ms):
                assert 0 < audio_end_ms <= self.sent_ms[item_id]
                if self._was_cleared:
                    error_ms = audio_end_ms - self.heard_bytes[item_id] / mulaw.BYTES_PER_MS
                    assert -ROUNDING_MS <= error_ms <= ROUNDING_MS
            case commands.DeleteItem(item_id=item_id) if self._was_cleared:
                assert self.heard_bytes[item_id] / mulaw.BYTES_PER_MS <= ROUNDING_MS


def _is_note(output: Output) -> bool:
    return isinstance(output, a.Note) and isinstance(output.fact, Noted)


def is_cleared(outputs: list[Output]) -> bool:
    return any(isinstance(one, a.SendToPhone) and isinstance(one.message, ms.Clear) for one in outputs)


def trips_among(outputs: list[Output]) -> list[GuardrailTripped]:
    return [one.fact for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, GuardrailTripped)]


WANTS: Final = ("say", "answer", "cover", "tell", "know", "session", "session", "sound", "keys", "work")
STOP_WORDS: Final = "That was not for me to say."


class CallsThatWant(Calls):
    """The same calls, whose agent has code of its own that wants something at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.wants = 0
        self.said: dict[str, int] = {}
        """How often each saying was told of."""
        self.wanted = ""
        """The latest instructions that the agent has wanted."""
        self.told = dict.fromkeys(e.Leg, "")
        """The latest instructions that each session was sent."""
        self.refused: dict[str, str] = {}
        """The instructions of updates that the model has refused."""
        self.unconfirmed: list[tuple[str | None, bool, float]] = []
        """Updates that the model has not confirmed: their ids, whether each says something new, and when."""

    @rule(kind=st.sampled_from(WANTS))
    def agent_wants(self, kind: str) -> None:
        if self.is_over:
            return
        self.wants += 1
        name = f"{kind}_{self.wants}"
        tool = self.running[-1].call_id if self.running else ""
        match kind:
            case "say" | "cover" | "answer":
                self.said[name] = 0
                until = tool if kind == "cover" else ""
                self.tell(w.AgentSays(name, "One moment.", until, is_answer=kind == "answer"))
            case "tell" | "know":
                self.tell(w.AgentTells(name, is_answered=kind == "tell"))
            case "session":
                self.wanted = name
                self.tell(w.SessionWanted(name, name, ()))
            case "sound":
                self.tell(w.SoundWanted(tool))
            case "keys":
                self.tell(w.KeysOut("1w2#"))
            case _:
                self.tell(w.WorkAsked(name, "deliver"))

    @rule(
        wish=st.sampled_from([HangUp(), WARM, WARM, COLD]),
        is_said=st.booleans(),
        is_withdrawn=_RARELY,
        happens=st.sampled_from([True, *[False] * 6]),
    )
    def agent_wishes(self, wish: Wish, is_said: bool, is_withdrawn: bool, happens: bool) -> None:
        """The end, or that the caller is put through."""
        if happens and not self.is_over:
            self.tell(w.WishSet(wish, is_said))
            if is_withdrawn:
                self.tell(w.WishWithdrawn())

    @precondition(lambda self: self.is_heard and not self.model.hears_caller)
    @rule(happens=st.booleans())
    def caller_is_put_on_hold(self, happens: bool) -> None:
        """Where nobody stands in the way: last words that were said are heard to their end."""
        if happens:
            self.everybody_has_finished()
            self.tell(w.WishSet(WARM, is_said=True))
            self.everybody_has_finished()

    def everybody_has_finished(self) -> None:
        for _ in range(3):
            if self.model.active is not None:
                self.model.speak(100)
                self.model.end("completed")
            self.everybody_reads(0.4)

    @precondition(lambda self: self.is_live and self.model.commands)
    @rule(happens=st.booleans())
    def model_refuses_to_be_amended(self, happens: bool) -> None:
        """What it was asked for before that it has read."""
        while self.model.commands and not isinstance(self.model.commands[0], commands.UpdateSession):
            self.model.read()
        if happens and self.model.commands and self.unconfirmed:
            update = self.model.commands.popleft()
            assert isinstance(update, commands.UpdateSession)
            self.model.events.append(v.error("invalid_value", answers=update.event_id))
            self.refused[str(update.event_id)] = update.session.instructions

    @precondition(lambda self: self.model.active is not None)
    @rule(
        size_ms=st.sampled_from([130, 1200]),
        is_whole=st.booleans(),
        wait_s=st.sampled_from([0.0, 0.3]),
        then=st.sampled_from(["says", "tells", "nothing"]),
    )
    def answer_is_stopped(self, size_ms: int, is_whole: bool, wait_s: float, then: str) -> None:
        """In the middle of its words, or while the phone still plays them."""
        self.model_speaks([size_ms])
        if is_whole:
            self.model_ends("completed")
        self.we_read(1000)
        self.pass_time(wait_s)
        self.agent_is_stopped(0, then)

    @precondition(lambda self: self.model.spoken)
    @rule(back=st.integers(0, 2), then=st.sampled_from(["says", "tells", "nothing"]))
    def agent_is_stopped(self, back: int, then: str) -> None:
        """At any moment, about any of the latest items: not begun, in play, heard or cut before."""
        if self.is_over or not self.model.spoken:
            return
        self.wants += 1
        item_id, name = [*self.model.spoken][-1 - back % len(self.model.spoken)], f"stop_{self.wants}"
        says = w.AgentSays(name, STOP_WORDS) if then == "says" else None
        was_unheard = self.phone.unheard_bytes(self.rig.now)
        self.tell(w.AnswerStopped("no_prices", item_id, "" if then == "nothing" else name, says))
        (*_, outputs) = self.log[-1]
        (tripped,) = trips_among(outputs)
        assert tripped.was_cut or not is_cleared(outputs), "nothing is cut that is left alone"
        assert was_unheard or not is_cleared(outputs), "nothing is cleared that is silent"
        if tripped.was_cut and says is not None:
            self.said[name] = 0
            self.seen.unspoken.add(str(self.model.unanswered))  # Those words are its answer.

    @rule(length_max=st.sampled_from([None, 2]), are_digits=st.booleans())
    def agent_wants_keys(self, length_max: int | None, are_digits: bool) -> None:
        self.tell(w.KeysWanted(length_max, are_digits=are_digits))

    def tell(self, event: Input) -> None:
        match event:
            case rt.SessionUpdated() if self.unconfirmed:
                self.unconfirmed.pop(0)
            case rt.ErrorEvent(rt.ErrorDetail(event_id=str(answers))) if answers in self.refused:
                self.unconfirmed = [update for update in self.unconfirmed if update[0] != answers]
                if self.refused[answers] == self.wanted:
                    self.wanted = ""  # It stays as it was.
        super().tell(event)

    def carry(self, event: Input, output: Output) -> None:
        match output:
            case a.Note(Said(say_id)):
                self.said[say_id] += 1
                assert self.said[say_id] == 1, "what was heard of it is told once"
            case a.SendToModel(commands.UpdateSession(event_id=event_id, session=session), leg):
                if leg is e.Leg.MODEL and self.rig.phase is not Phase.CONFIGURING:
                    self.unconfirmed.append((event_id, session.instructions != self.told[leg], self.rig.now))
                self.told[leg] = session.instructions
            case a.SendToModel(commands.CreateResponse()) if not self.seen.is_for_sign:
                since = max((at for _, is_new, at in self.unconfirmed if is_new), default=-math.inf)
                assert self.rig.now >= since + self.limits.amend_timeout_s, "asked before it was amended"
            case a.SwitchModel():
                self.told[e.Leg.MODEL] = self.told[e.Leg.SPARE]
                self.unconfirmed.clear()
            case a.DropModel(e.Leg.MODEL):
                self.unconfirmed.clear()
        super().carry(event, output)

    def check_that_nothing_is_owed(self) -> None:
        super().check_that_nothing_is_owed()
        assert set(self.said.values()) <= {1}, f"nobody knows what was heard: {self.said}"
        assert not self.wanted or self.told[e.Leg.MODEL] == self.wanted, "it is not what it was to be"


TestCalls: Final = Calls.TestCase
TestCalls.settings = settings(max_examples=3 * settings().max_examples)
TestCallsThatWant: Final = CallsThatWant.TestCase
TestCallsThatWant.settings = settings()

APART: Final = replace(make_plan(), rings_apart=True)
ITEMS = st.sampled_from(["item_1", "item_2", "cb_item_1"])
RESPONSES = st.sampled_from(["resp_1", "resp_2"])
LEGS = st.sampled_from(e.Leg)
TOOL_ANSWERED = ToolAnswered(1, "call_1", "look_up", "{}", "yes")
ANYTHING: st.SearchStrategy[Input] = st.one_of(
    st.sampled_from(
        [
            *(v.start(), v.start("CA2"), v.start(encoding="audio/l16"), v.frame(), v.frame(0), v.HANGS_UP),
            *(v.key("1"), v.key("#"), v.echo("0-1"), v.echo("0-2"), v.echo("1-2"), ms.Connected()),
            *(v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED_WRONG, ms.UnknownMessage("video")),
            *(rt.UnknownEvent("new"), rt.AnswerDelta(), e.SpareSaid(v.error("server_error"))),
            *(e.SpareSaid(v.SESSION_CREATED), e.SpareSaid(v.SESSION_UPDATED)),
            *(v.admitted("", ""), e.StreamRefused("no"), e.ModelConnected(), e.ModelDialFailed("no")),
            *(e.ModelConnected(e.Leg.SPARE), e.ModelConnected(is_warm=True)),
            *(e.ModelDialFailed("busy", 429, None, 1.0), e.ModelDialFailed("none", 404, leg=e.Leg.SPARE)),
            v.admitted("", "", True, (TurnSaid(1, "Hello?", "Yes."), TOOL_ANSWERED), 3590.0),
            *(e.AnswerRanAway(), e.HandOverRequested(), rt.AnswerDelta(item_id="item_1", delta="Hello ")),
            *(e.ShutdownRequested(), e.SpendRanOver(), e.EndAsked(), e.DeadlinePassed()),
            rt.RateLimitsUpdated((rt.RateLimit("tokens", 0, 1.0),)),
        ]
    ),
    st.builds(v.speech_started, ITEMS, st.integers(0, 9000)),
    st.builds(v.speech_stopped, ITEMS, st.integers(0, 9000)),
    st.builds(v.committed, ITEMS),
    st.builds(v.caller_said, st.just("Hello."), ITEMS),
    st.builds(rt.CallerTranscriptFailed, ITEMS),
    st.builds(v.item_added, ITEMS),
    st.builds(v.created, RESPONSES),
    st.builds(v.item, RESPONSES, ITEMS, st.sampled_from(["message", "function_call"])),
    st.builds(v.audio, RESPONSES, ITEMS, st.sampled_from([0, 20, 700])),
    st.builds(v.audio_done, RESPONSES, ITEMS),
    st.builds(v.words, RESPONSES, ITEMS, st.just("Hello there.")),
    st.builds(v.tool_call, RESPONSES, st.sampled_from(["call_1", "call_2"])),
    st.builds(
        v.done,
        RESPONSES,
        st.sampled_from(["completed", "cancelled", "failed", "incomplete", "a new one"]),
        code=st.sampled_from([None, "server_error", "insufficient_quota"]),
    ),
    st.builds(
        v.error,
        st.sampled_from(
            [None, "server_error", "session_expired", "conversation_already_has_active_response"]
        ),
        answers=st.sampled_from([None, "cb_1", "cb_2", "cb_3", "cb_4"]),
        param=st.sampled_from([None, "session.audio.input.transcription"]),
    ),
    st.sampled_from(
        [
            *(w.AgentSays("say_1", "Wait."), w.AgentSays("say_2", "Wait.", "call_1"), w.AgentTells("News.")),
            *(w.SessionWanted("a_1", "Obey.", ()), w.SessionWanted("a_2", "Rest.", ()), w.KeysWanted(2)),
            *(
                w.SoundWanted("call_1"),
                w.KeysOut("12#"),
                w.WishSet(HangUp()),
                w.WishSet(HangUp(), is_said=True),
            ),
            *(w.WishSet(wish, is_said=is_said) for wish in (WARM, COLD) for is_said in (True, True, False)),
            *(w.WishWithdrawn(), w.WorkAsked("call_2", "deliver")),
            *(w.AnswerStopped("no_prices", item_id, "Not that.") for item_id in ("item_1", "item_2")),
            w.AnswerStopped("no_prices", "item_1", "", w.AgentSays("say_3", "Sorry.")),
        ]
    ),
    st.builds(
        e.TransferTold,
        st.sampled_from(["MZ1-1", "MZ1-1", "MZ1-2"]),
        st.sampled_from(TransferOutcome),
        is_to_ring=st.booleans(),
    ),
    st.builds(e.LegGone, LEGS, st.sampled_from([1000, 1006, 1007, 1012])),
    st.builds(e.LegStalled, LEGS, st.just("it does not read")),
    st.builds(e.BadMessage, LEGS, st.just("not JSON"), st.booleans()),
    st.builds(
        v.tool_finished, st.sampled_from(["call_1", "call_2"]), st.just("yes"), ends_call=st.booleans()
    ),
)
SOUP = st.lists(st.tuples(st.sampled_from([0.0, 0.02, 0.3, 2.0, 16.0]), ANYTHING), max_size=40)


@pytest.mark.parametrize("begun", range(6))
@given(soup=SOUP)
def test_whatever_comes_in_whatever_order_the_machine_stands(
    begun: int, soup: list[tuple[float, Input]]
) -> None:
    """It never raises, can be woken until it is over, ends at most once, and then asks for nothing."""
    rig = Rig(APART, has_line=False)
    ends = 0
    way_in = (v.start(), v.admitted("", ""), e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)[:begun]
    for after_s, event in [*((0.0, event) for event in way_in), *soup]:
        rig.now += after_s
        was_over = rig.is_over
        outputs = rig.feed(event)
        ends += ends_among(outputs)
        assert not was_over or all(map(may_be_late, outputs)), outputs
        assert ends == rig.is_over
        assert rig.deadline is not None or rig.is_over
    ends += ends_among(rig.fail("the test is over"))
    assert (ends, rig.deadline) == (1, None)


def ends_among(outputs: list[Output]) -> int:
    return sum(isinstance(output, a.Note) and isinstance(output.fact, StreamEnded) for output in outputs)


def may_be_late(output: Output) -> bool:
    """Whether a call that is over may still do this: nothing is asked for or heard any more."""
    match output:
        case a.Note(CallerWordsCame() | Remembered() | ToolUsed()) | a.CloseLeg(e.Leg.MODEL):
            return True
        case a.SendToModel(commands.CancelResponse()) | a.RunTool(is_ours=True):
            return True
        case _:
            return False


@given(soup=SOUP)
def test_the_same_events_at_the_same_times_give_the_same_actions(soup: list[tuple[float, Input]]) -> None:
    """No clock, no chance, no memory outside the call."""
    one, two = Rig(APART, has_line=False), Rig(APART, has_line=False)
    for after_s, event in [(0.0, v.start()), *soup]:
        for rig in (one, two):
            rig.now += after_s
        assert one.feed(event) == two.feed(event)
