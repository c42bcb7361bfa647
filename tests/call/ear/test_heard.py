"""What the caller has heard at every moment, as cuts show it: in what is truncated, deleted and thrown away.

The agent's audio of interest is sent from `T` on. The phone is 50 ms away, there and back, and the greeting's
echo has shown it.
"""

from __future__ import annotations

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import Interrupted, ItemHeard
from callbridge.call.limits import Limits
from callbridge.wire import realtime_events as rt
from callbridge.wire.media_streams import SendMark
from rigs import BEGINS_AT_S, Input, Output

T = 4.0
TRIP = 0.05


def marks(outputs: list[Output]) -> list[str]:
    """The marks among what left."""
    messages = [output.message for output in outputs if isinstance(output, a.SendToPhone)]
    return [message.mark.name for message in messages if isinstance(message, SendMark)]


class Told:
    """An answer that is on its way to the phone. Times are seconds since `T`."""

    def __init__(self, limits: Limits = v.PATIENT, *, knows_round_trip: bool = True) -> None:
        if knows_round_trip:
            self.book = v.answering(v.greeted(limits=limits))
        else:
            self.book = v.live(limits=limits)
            self.feed(v.created("answer"))
        assert self.book.rig.seconds <= T

    def feed(self, event: Input, seconds: float | None = None) -> list[Output]:
        if seconds is not None:
            self.book.rig.now = BEGINS_AT_S + T + seconds
        return self.book.rig.feed(event)

    def says(self, item_id: str, duration_ms: int, seconds: float) -> list[str]:
        """Audio of an item is sent. Answers the marks that follow it."""
        self.feed(v.item("answer", item_id), seconds)
        return marks(self.feed(v.audio("answer", item_id, duration_ms)))

    def echo(self, name: str, seconds: float) -> None:
        """The echo of a mark comes."""
        self.feed(v.echo(name), seconds)

    def cut(self, seconds: float) -> tuple[dict[str, int], int]:
        """The caller speaks: what was heard of each item that is not heard whole, and what is thrown away."""
        facts = [o.fact for o in self.feed(v.speech_started("wait"), seconds) if isinstance(o, a.Note)]
        late = self.feed(v.done("answer", "cancelled"))
        assert not any(isinstance(output, a.SendToModel) for output in late), "all is settled"
        for fact in facts:
            if isinstance(fact, Interrupted):
                return dict(fact.truncated) | dict.fromkeys(fact.deleted, 0), fact.unheard_ms
        return {}, 0


Says = tuple[str, int, float]


@pytest.mark.parametrize(
    ("said", "cut_at", "heard", "unheard_ms"),
    [
        ([("it", 1000, 0.0)], 0.0, {"it": 0}, 1000),
        ([("it", 1000, 0.0)], 0.25, {"it": 250}, 750),
        ([("it", 1000, 0.0)], 0.9, {"it": 900}, 100),
        ([("it", 1000, 0.0)], 5.0, {}, 0),
        ([("it", 400, 0.0), ("it", 400, 0.1)], 0.5, {"it": 500}, 300),
        ([("it", 400, 0.0), ("it", 400, 1.0)], 1.1, {"it": 500}, 300),
        ([("a", 300, 0.0), ("b", 300, 0.0), ("c", 300, 0.0)], 0.45, {"b": 150, "c": 0}, 450),
        ([("a", 300, 0.0), ("b", 300, 0.0)], 0.15, {"a": 150, "b": 0}, 450),
        ([("a", 300, 0.0), ("b", 900, 1.0)], 1.4, {"b": 400}, 500),
        ([("a", 300, 0.0), ("b", 300, 0.0), ("a", 300, 0.0)], 0.7, {"a": 400}, 200),
        ([("a", 100, 0.0), ("b", 1000, 0.0), ("a", 300, 0.0)], 0.5, {"b": 400, "a": 100}, 900),
    ],
)
def test_audio_plays_from_the_moment_it_is_sent_or_behind_what_is_queued(
    said: list[Says], cut_at: float, heard: dict[str, int], unheard_ms: int
) -> None:
    """In sending time: the delay to the phone is the delay of a clear. After a pause it begins anew."""
    told = Told(knows_round_trip=False)
    for one in said:
        told.says(*one)
    cut, unheard = told.cut(cut_at)
    assert cut == pytest.approx(heard, abs=1)
    assert unheard == pytest.approx(unheard_ms, abs=1)


def test_a_byte_too_few_for_a_millisecond_is_not_overstated() -> None:
    """What was heard is rounded down, and what was not, up: the server refuses what is beyond the item."""
    told = Told()
    told.feed(v.item("answer", "it"), 0.0)
    told.feed(rt.AudioDelta("answer", "it", bytes(8 * 100 + 7)))
    assert told.cut(0.0) == ({"it": 0}, 101)


@pytest.mark.parametrize("name", ["", "0-9", "greeting", "1-1"])
def test_an_echo_that_is_not_ours_proves_nothing(name: str) -> None:
    """Anybody may name a mark."""
    told = Told()
    told.says("it", 1000, 0.0)
    told.echo(name, 0.1)
    assert told.cut(0.1)[0] == pytest.approx({"it": 100}, abs=1)


def in_pieces(told: Told, count: int, piece_ms: int = 400) -> list[str]:
    """An item in pieces, each with a mark at its end."""
    return [told.says("it", piece_ms, 0.0)[-1] for _ in range(count)]


def test_the_round_trip_is_not_heard_time() -> None:
    """An echo comes a round trip after its place; the position stays where the clock has it."""
    told = Told()
    (first, _) = in_pieces(told, 2)
    told.echo(first, 0.4 + TRIP)
    assert told.cut(0.5)[1] == pytest.approx(300, abs=1)


def test_an_echo_that_is_later_than_the_round_trip_moves_the_position_back() -> None:
    """The phone began late, or ran dry. Three echoes agree before the ledger is sure."""
    told = Told()
    names = in_pieces(told, 5)
    for number, name in enumerate(names[:3], start=1):
        told.echo(name, 0.4 * number + TRIP + 0.3)
    assert told.cut(1.6)[1] == pytest.approx(700, abs=1)


def test_one_delayed_echo_among_punctual_ones_moves_nothing() -> None:
    """The least late of three counts: networks delay single packets."""
    told = Told()
    names = in_pieces(told, 5)
    for number, (name, delay) in enumerate(zip(names[:3], (0.0, 0.08, 0.0), strict=True), start=1):
        told.echo(name, 0.4 * number + TRIP + delay)
    assert told.cut(1.4)[1] == pytest.approx(600, abs=1)


def test_an_echo_that_is_overdue_stops_the_clock() -> None:
    """A phone that stalls cannot be further than the mark that is overdue, and the round trip."""
    told = Told()
    in_pieces(told, 2, 800)
    assert told.cut(9.0)[0] == pytest.approx({"it": 800 + TRIP * 1000}, abs=1)


def test_a_mark_that_follows_long_after_its_audio_shows_the_round_trip_all_the_same() -> None:
    """The end of an item may be told late: its echo is due a round trip after that."""
    told = Told(knows_round_trip=False)
    assert told.says("it", 100, 0.0) == []
    (late,) = marks(told.feed(v.audio_done("answer", "it"), 0.9))
    told.echo(late, 0.9 + TRIP)
    for _ in range(2):
        told.says("next", 800, 1.0)
    assert told.cut(9.0)[0] == pytest.approx({"next": 800 + TRIP * 1000}, abs=1)


def test_a_mark_that_follows_its_audio_does_not_hide_how_late_the_phone_is() -> None:
    """It was sent when its audio should have been played, and was not."""
    told = Told()
    (first, second) = in_pieces(told, 2)
    told.echo(first, 0.7 + TRIP)
    told.says("it", 100, 0.85)
    (late,) = marks(told.feed(v.audio_done("answer", "it"), 1.05))
    told.echo(second, 1.1 + TRIP)
    told.says("next", 1000, 1.15)
    told.echo(late, 1.2 + TRIP)
    assert told.cut(1.7)[0] == pytest.approx({"next": 500}, abs=1)


def test_what_was_proven_is_heard_whatever_the_clock_says() -> None:
    """An echo is a proof; a clock that runs behind gives way."""
    told = Told(knows_round_trip=False)
    names = in_pieces(told, 3)
    told.echo(names[1], 0.1)
    assert told.cut(0.1)[0] == pytest.approx({"it": 800}, abs=1)


def test_a_run_that_follows_a_late_one_cannot_have_begun_before_its_end() -> None:
    """The last echo of the run before shows when the phone was done with it."""
    told = Told()
    (name,) = in_pieces(told, 1)
    told.says("second", 1000, 0.41)
    told.echo(name, 0.4 + TRIP + 0.4)
    assert told.cut(1.01)[0] == pytest.approx({"second": 210}, abs=1)


def test_an_interruption_forgets_how_late_the_phone_was() -> None:
    """What plays after it begins anew."""
    told = Told()
    names = in_pieces(told, 5)
    for number, name in enumerate(names[:3], start=1):
        told.echo(name, 0.4 * number + TRIP + 0.3)
    told.cut(1.6)
    told.feed(rt.SpeechStopped("wait", 0))
    told.feed(v.created("answer"))
    told.says("next", 1000, 2.0)
    assert told.cut(2.5)[0] == pytest.approx({"next": 500}, abs=1)


def test_an_interruption_forgets_how_late_the_run_before_it_ended() -> None:
    """The phone was done with that long before it is sent the next answer."""
    told = Told()
    (name,) = in_pieces(told, 1)
    told.says("second", 1000, 0.41)
    told.echo(name, 0.4 + TRIP + 0.4)
    told.cut(1.01)
    told.feed(rt.SpeechStopped("wait", 0))
    told.feed(v.created("answer"))
    told.says("next", 1000, 2.0)
    assert told.cut(2.5)[0] == pytest.approx({"next": 500}, abs=1)


def test_a_mark_follows_every_so_much_audio() -> None:
    """Not every delta: very many marks add delay. Each has a name of its own."""
    told = Told()
    every_ms = Limits().mark_every_ms
    said = [told.says("it", 20, 0.0) for _ in range(2 * every_ms // 20)]
    assert [number for number, names in enumerate(said, start=1) if names] == [every_ms // 20, every_ms // 10]
    assert len({name for names in said for name in names}) == 2


def test_the_end_of_an_item_is_marked_once_however_it_is_told() -> None:
    """By its own end or by that of its response: otherwise nothing would prove that it was heard."""
    for is_told in (False, True):
        told = Told()
        assert told.says("it", 40, 0.0) == []
        names = marks(told.feed(v.audio_done("answer", "it"))) if is_told else []
        assert len(names + marks(told.feed(v.done("answer")))) == 1


def test_marks_are_bounded_and_come_again_when_echoes_do() -> None:
    """At the bound no mark is sent; the unmarked audio is not forgotten."""
    told = Told(Limits(marks_outstanding_max=2))
    (first, second) = in_pieces(told, 2)
    assert told.says("it", 400, 0.0) == []
    told.echo(first, 0.45)
    (last,) = marks(told.feed(v.audio_done("answer", "it")))
    assert not {first, second} & {last}
    told.feed(v.done("answer"))
    told.echo(second, 0.85)
    assert not told.book.rig.has_played_all
    told.echo(last, 1.25)
    assert v.rests(told.book)


def test_an_echo_stands_for_those_before_it_and_one_that_comes_again_for_nothing() -> None:
    """A phone plays in order."""
    told = Told()
    (first, second, last) = in_pieces(told, 3)
    told.feed(v.done("answer"))
    told.echo(second, 0.85)
    told.echo(first, 0.9)
    told.feed(e.HandOverRequested())
    assert not told.book.rig.is_over, "the last piece still plays"
    told.echo(last, 1.25)
    assert told.book.rig.is_over


def test_only_echoes_prove_that_all_was_played() -> None:
    """What a clock believes is not enough to hand a call over."""
    told = Told()
    (name,) = in_pieces(told, 1)
    told.feed(v.done("answer"))
    told.feed(e.HandOverRequested(), 5.0)
    assert not told.book.rig.is_over
    told.echo(name, 6.0)
    assert told.book.rig.is_over


def test_an_item_is_heard_to_its_end_once_its_audio_is_whole_and_played() -> None:
    """Whichever of the two is known last says so, once."""
    played_last, whole_last = Told(), Told()
    (name,) = played_last.says("it", 400, 0.0)
    assert told_heard(played_last.feed(v.audio_done("answer", "it"), 0.1)) == []
    assert told_heard(played_last.feed(v.echo(name), 0.45)) == ["it"]
    (name,) = whole_last.says("it", 400, 0.0)
    assert told_heard(whole_last.feed(v.echo(name), 0.45)) == []
    assert told_heard(whole_last.feed(v.audio_done("answer", "it"), 0.5)) == ["it"]
    assert told_heard(whole_last.feed(v.audio_done("answer", "it"), 0.6)) == []


def told_heard(outputs: list[Output]) -> list[str]:
    """The items that were heard to their end, as facts say."""
    facts = [output.fact for output in outputs if isinstance(output, a.Note)]
    return [fact.item_id for fact in facts if isinstance(fact, ItemHeard)]
