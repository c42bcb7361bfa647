"""What a caller did, as steps that come at the same moments again."""

from __future__ import annotations

import msgspec
import pytest

import stories
from callbridge.records.story import CallStory, Latency, Span, Spoken, StreamPart, Turn
from callbridge.testing import HangUp, Interrupt, Pause, Press, Say, Vanish
from callbridge.testing.freezing.caller import LEAD_MS, TAIL_MS, WORDLESS, Done, done_in

GREETING = Turn(1, 300, agent=(Spoken("a", "Good day!", "Good day!", span=Span(300, 2300)),))


def call(*turns: Turn, ended_ms: int = 20_000, end_reason: str = "agent_hangup") -> CallStory:
    stream = StreamPart("MZ1", 0, ended_ms=ended_ms, reason=end_reason)
    return msgspec.structs.replace(stories.RICH, turns=turns, streams=(stream,), end_reason=end_reason)


def turn(number: int, caller: str | None, spoke: Span, answered: Span | None = None) -> Turn:
    agent = () if answered is None else (Spoken(f"a{number}", "Yes.", "Yes.", span=answered),)
    return Turn(number, spoke.began_ms, caller=caller, spans=(spoke,), agent=agent)


def sound(began_ms: int, ended_ms: int) -> Span:
    """Of the recording: speech with what is kept around it."""
    return Span(began_ms - LEAD_MS, ended_ms + TAIL_MS)


def test_what_is_said_behind_the_agent_comes_so_long_behind_it() -> None:
    asked = turn(2, "Open?", Span(4000, 5000), Span(6000, 7000))
    assert done_in(call(GREETING, asked)) == [
        Done(Say("Open?", quiet_ms=4000 - LEAD_MS - 2300), sound(4000, 5000))
    ]


def test_what_is_said_into_the_agent_comes_behind_so_much_of_it() -> None:
    """A pause between its words begins no other utterance."""
    greeting = Turn(
        1,
        300,
        agent=(
            Spoken("a", "Good", "Good", span=Span(300, 1000)),
            Spoken("b", "day", "day", span=Span(1300, 3000)),
        ),
    )
    cut = turn(2, None, Span(2000, 2600), Span(4000, 5000))
    assert done_in(call(greeting, cut)) == [
        Done(Interrupt(2000 - LEAD_MS - 300, WORDLESS), sound(2000, 2600))
    ]


def test_who_speaks_before_the_agent_waits_for_nobody() -> None:
    first = turn(1, "Hello?", Span(1500, 2000), Span(3000, 4000))
    assert done_in(call(first)) == [
        Done(Pause(1500 - LEAD_MS)),
        Done(Say("Hello?", quiet_ms=0), sound(1500, 2000)),
    ]


def test_what_nobody_answers_goes_on_in_the_same_breath() -> None:
    one, other = turn(2, "Hello?", Span(4000, 4500)), turn(3, "Anyone?", Span(7000, 7500), Span(9000, 9500))
    assert done_in(call(GREETING, one, other)) == [
        Done(Say("Hello? Anyone?", quiet_ms=4000 - LEAD_MS - 2300), sound(4000, 7500))
    ]


def test_keys_come_when_they_were_pressed() -> None:
    """As far as it is known: so long ahead of the answer as the caller waited for it."""
    pressed = Turn(
        2,
        9000,
        keys="12#",
        agent=(Spoken("b", "Twelve.", "Twelve.", span=Span(9000, 10_000)),),
        latency=Latency(2600, (), 0),
    )
    assert done_in(call(GREETING, pressed)) == [Done(Press("12#", 9000 - 2600 - 400 - 2300))]


@pytest.mark.parametrize(
    ("end_reason", "ended_ms", "left"),
    [
        ("caller_hangup", 9000, []),  # After the agent's last word: so they do by themselves.
        ("caller_hangup", 6800, [Done(Pause(6800 - 5000 - TAIL_MS)), Done(HangUp())]),
        ("caller_hangup", 5900, [Done(Pause(5900 - 5000 - TAIL_MS)), Done(HangUp())]),
        ("media_lost", 9000, [Done(Pause(9000 - 5000 - TAIL_MS)), Done(Vanish())]),
        ("agent_hangup", 7100, []),
    ],
)
def test_the_caller_leaves_as_they_did(end_reason: str, ended_ms: int, left: list[Done]) -> None:
    answered = Span(6000, min(7000, ended_ms)) if ended_ms > 6000 else None
    asked = turn(2, "Open?", Span(4000, 5000), answered)
    assert done_in(call(GREETING, asked, ended_ms=ended_ms, end_reason=end_reason))[1:] == left
