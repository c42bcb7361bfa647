"""A call of two hours across two renewals of its session: nothing of them is heard, nothing is forgotten."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from callbridge.call.events import Leg
from callbridge.call.facts import ClipPlayed, EndReason, ModelTrouble, SessionReplaced, TurnEnded
from callbridge.call.limits import Limits
from callbridge.simulators.phone import Act, Departure, PhoneStream
from callbridge.simulators.phone import Send as FromPhone
from callbridge.simulators.phone.caller import SILENT
from callbridge.simulators.phone.messages import media
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Say as Speech
from callbridge.wire.audio import silence
from random_calls import noise
from simulation.promises import caller_is_heard, heard, no_dead_air
from worlds import BEGINS_AT_S, Conditions, World

if TYPE_CHECKING:
    from callbridge.simulators.phone import Ear

LENGTH_S = 2 * 3600
EVERY_S = 30
WORDS_MS = 600
ANSWER_MS = 1000

FRAME_S = 0.02
LEAP_FRAMES_MAX = 99
"""Of silence in one message: a frame of 2 s is no telephone's any more (`relay.FRAME_BYTES_MAX`)."""

SETTLED_MS = 2500
"""So long after the caller's last word and the agent's nothing is under way any more."""


class PatientCaller:
    """Says something every 30 seconds, and hangs up after two hours."""

    def __init__(self) -> None:
        rng = random.Random("two hours")
        self.complaints: list[str] = []
        self.words = [noise(rng, WORDS_MS) for _ in range(LENGTH_S // EVERY_S)]
        self.is_done = False

    def next_frame(self, ear: Ear) -> Act:
        """Words at the start of every half minute but the first, else silence."""
        if ear.at_ms >= LENGTH_S * 1000:
            self.is_done = True
            return Act(departure=Departure.HANG_UP)
        number, into_ms = divmod(round(ear.at_ms), EVERY_S * 1000)
        if not number or into_ms >= WORDS_MS + 20:
            return SILENT
        return Act(self.words[number][into_ms * 8 :][:160])


class LeapingPhone(PhoneStream):
    """A phone that can send a stretch of silence at once."""

    def leap(self, frames: int) -> str:
        """The message that stands for so many silent frames, which are sent by it."""
        first = self._timestamp_ms
        at = self._next_frame_at
        self.frames_sent_at.extend(at + number * FRAME_S for number in range(frames))
        self._frames += frames
        self._set_next_frame()
        self._set_deadline()
        return media(
            self.identity, self._next_sequence(), len(self.frames_sent_at), first, silence(frames * 20)
        )

    @property
    def next_frame_at(self) -> float:
        """When the next frame is due."""
        return self._next_frame_at


class LeapingWorld(World):
    """A world that leaps over the time in which nothing happens: nine tenths of this call."""

    phone_class = LeapingPhone
    leaps = 0

    def _step(self) -> None:
        super()._step()
        stream = self.streams[0]
        phone = stream.phone
        if Leg.MODEL not in stream.legs or stream.is_over or not self._is_quiet(phone):
            return
        assert isinstance(phone, LeapingPhone)
        lines = [
            stream.from_phone,
            stream.to_phone,
            *(line for wire in self.wires for line in (wire.up, wire.down)),
        ]
        if self._plans or any(line.deadline is not None for line in lines):
            return
        dues = [stream.deadline, *(wire.session.deadline for wire in self.wires)]
        ends_at = min(due for due in (*dues, self._speaks_at) if due is not None)
        frames = min(int((ends_at - phone.next_frame_at) / FRAME_S) - 1, LEAP_FRAMES_MAX)
        if frames > 2:
            text = phone.leap(frames)
            self.now = phone.next_frame_at - FRAME_S / 2
            self.leaps += 1
            stream.do_phone([FromPhone(text, "media")])

    def _is_quiet(self, phone: PhoneStream) -> bool:
        since_ms = (self.now - BEGINS_AT_S) * 1000 % (EVERY_S * 1000)
        playback = phone.playback
        return (
            since_ms > WORDS_MS + ANSWER_MS + SETTLED_MS
            and not playback.pending_marks
            and (not playback.is_playing(self.now))
        )

    @property
    def _speaks_at(self) -> float:
        """When the caller's next words come."""
        return self.now + EVERY_S - (self.now - BEGINS_AT_S) % EVERY_S - 0.1


def _two_hours() -> LeapingWorld:
    rng = random.Random("answers")
    answers = [
        Answer(
            say=(Speech(text=f"answer {number}", audio=noise(rng, ANSWER_MS)),), caller=f"question {number}"
        )
        for number in range(LENGTH_S // EVERY_S)
    ]
    answers[-1] = Answer(say=answers[-1].say, caller="What do you remember?", recites=True)
    script = Script(answers=tuple(answers), answers_go_on=True)
    limits = Limits(call_length_max_s=3 * 3600.0)
    caller = PatientCaller()
    world = LeapingWorld(script, caller, 1, Conditions(phone_delay_ms=5), limits=limits, clip=noise(rng, 600))
    world.run(LENGTH_S + 60)
    return world


@pytest.mark.heavy
def test_two_hours_go_by_without_an_audible_cut() -> None:
    """One test, because the call takes seconds even so: what is heard, and what is remembered."""
    world = _two_hours()
    _assert_nothing_of_the_renewals_is_heard(world)
    _assert_what_was_said_goes_along(world)


def _assert_nothing_of_the_renewals_is_heard(world: LeapingWorld) -> None:
    """Two renewals, and the caller notices neither: each word is heard whole, once and at once."""
    facts = [fact for _, fact in world.facts]
    replaced = [fact for fact in facts if isinstance(fact, SessionReplaced)]
    ((_, ended),) = world.streams[0].ended
    assert world.leaps > 1000, "the test has waited for quiet time to pass"
    assert (ended.reason, len(world.streams)) == (EndReason.CALLER_HANGUP, 1)
    assert [fact.cause for fact in replaced] == ["renewed", "renewed"]
    assert not [fact for fact in facts if isinstance(fact, ClipPlayed | ModelTrouble)]
    # Nothing of the agent is cut, late or left out: every item plays in one run, to its end.
    playback = world.phone.playback
    assert playback.clears == []
    assert [item.heard_ms for item in heard(world)] == [ANSWER_MS] * len(world.caller.words)  # type: ignore[attr-defined]
    assert len({payload.run_started_at for payload in playback.payloads}) == LENGTH_S // EVERY_S
    assert list(no_dead_air(world)) == []
    # Nothing of the caller is lost, not even around the moves.
    assert list(caller_is_heard(world)) == []
    assert ended.frames_dropped == 0
    turns = [fact.caller for fact in facts if isinstance(fact, TurnEnded)]
    said = [f"question {number}" for number in range(1, LENGTH_S // EVERY_S - 1)]
    assert turns == [None, *said, "What do you remember?"]


def _assert_what_was_said_goes_along(world: LeapingWorld) -> None:
    """At the end the model says what it remembers: the turns before the last renewal, and all since."""
    recited = world.wires[-1].session.journal.memory
    moved_at = [at for at, fact in world.facts if isinstance(fact, SessionReplaced)]
    since = int((moved_at[-1] - BEGINS_AT_S) // EVERY_S)
    for number in range(since - 10, LENGTH_S // EVERY_S - 1):
        assert f"user: question {number}" in recited
        assert f"assistant: answer {number}" in recited
    last = recited[-1]
    assert f"answer {since - 5}" in last, "the words themselves say it"
