"""The caller's script, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from callbridge.simulators.phone import caller as line

WORD = b"\x10" * 480
"""60 ms of sound: three frames."""


def ear(at_ms: float, spoken: Sequence[tuple[float, float]] = ()) -> line.Ear:
    """What is heard at a moment when the agent speaks during the given spans."""
    begun = [span for span in spoken if span[0] <= at_ms]
    if not begun:
        return line.Ear(at_ms, is_agent_speaking=False, agent_began_ms=None, agent_audible_until_ms=None)
    start, end = begun[-1]
    return line.Ear(at_ms, at_ms < end + 400, start, min(at_ms, end))


def act(
    steps: Sequence[line.Step], until_ms: int, spoken: Sequence[tuple[float, float]] = ()
) -> tuple[line.CallerScript, dict[int, line.Act]]:
    """Run a script until the caller leaves; returns what was done besides being silent."""
    script, done = line.CallerScript(steps), {}
    for at_ms in range(100, until_ms, 20):
        deed = script.next_frame(ear(at_ms, spoken))
        if deed.audio or deed.key or deed.departure:
            done[at_ms] = deed
        if deed.departure:
            break
    return script, done


def spoken_at(done: dict[int, line.Act]) -> list[int]:
    return [at_ms for at_ms, deed in done.items() if deed.audio]


def test_says_at_once_and_hangs_up_after_the_last_step() -> None:
    script, done = act([line.Say(WORD)], 500)
    assert spoken_at(done) == [100, 120, 140]
    assert done[160].departure is line.Departure.HANG_UP
    assert script.is_done


AFTER_A_WORD = [line.Pause(400), line.Say(WORD), line.WaitForAgent(quiet_ms=200), line.Say(WORD)]


@pytest.mark.parametrize(
    ("steps", "agent", "last_word_at"),
    [
        ([line.Say(WORD), line.Pause(100), line.Say(WORD)], [], 260),
        # The agent was heard, and has gone quiet.
        ([line.WaitForAgent(quiet_ms=300), line.Say(WORD)], [(500, 1000)], 1300),
        # Cut off by the caller's word, the agent answers later: that answer is waited for.
        (AFTER_A_WORD, [(200, 600), (2000, 2400)], 2600),
        # An agent that talks on and on is taken to be answering.
        (AFTER_A_WORD, [(200, 3000)], 3200),
        # An utterance too short to interrupt is let pass.
        ([line.Interrupt(1000, WORD)], [(400, 800), (2000, 4000)], 3000),
        ([line.InterruptAt(1.5, WORD)], [(400, 5000)], 1500),
    ],
)
def test_speaks_when_it_is_time(
    steps: list[line.Step], agent: list[tuple[float, float]], last_word_at: int
) -> None:
    script, done = act([*steps, line.WaitForEnd()], 6000, agent)
    assert spoken_at(done)[-3:] == [last_word_at, last_word_at + 20, last_word_at + 40]
    assert (script.is_done, script.complaints) == (True, [])


@pytest.mark.parametrize(
    ("steps", "words_at", "complaint"),
    [
        (
            [line.WaitForAgent(patience_ms=1000), line.Say(WORD)],
            [1100, 1120, 1140],
            "1 s and the agent said nothing",
        ),
        (
            [line.Interrupt(1000, WORD, patience_ms=500), line.HangUp()],
            [],
            "0 s and found nothing to interrupt",
        ),
    ],
)
def test_complains_after_waiting_in_vain(steps: list[line.Step], words_at: list[int], complaint: str) -> None:
    script, done = act(steps, 3000)
    assert spoken_at(done) == words_at
    assert script.complaints == [f"waited {complaint}"]
    assert not act(steps, 400)[0].is_done, "words are left"


def test_presses_one_key_each_200_ms() -> None:
    _, done = act([line.Press("1#"), line.HangUp()], 3000)
    assert {at_ms: deed.key for at_ms, deed in done.items() if deed.key} == {100: "1", 300: "#"}
    assert done[500].departure is line.Departure.HANG_UP


@pytest.mark.parametrize("keys", ["1x", ""])
def test_refuses_keys_that_no_telephone_has(keys: str) -> None:
    with pytest.raises(ValueError, match="not keys"):
        line.Press(keys)


def test_leaves_at_a_given_second_wherever_the_script_stands() -> None:
    script = line.CallerScript([line.Say(WORD * 50)], leave_at_s=0.2, leave_by=line.Departure.VANISH)
    assert script.next_frame(ear(180)).audio
    assert script.next_frame(ear(200)).departure is line.Departure.VANISH
    assert script.is_done


def test_goes_on_in_a_second_stream_of_the_call() -> None:
    """Time starts anew there; a wait is begun anew and the agent must be heard in it."""
    script = line.CallerScript(
        [line.Say(WORD), line.WaitForAgent(quiet_ms=100, patience_ms=9000), line.Say(WORD)]
    )
    for at_ms in range(100, 5000, 20):
        script.next_frame(ear(at_ms))
    spoken = [at_ms for at_ms in range(100, 3000, 20) if script.next_frame(ear(at_ms, [(300, 600)])).audio]
    assert spoken[0] == 700
    assert script.complaints == []
