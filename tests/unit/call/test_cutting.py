"""Cuts: what is forgotten of what was not heard, by which session, and what the record says."""

from __future__ import annotations

import pytest

from callbridge.call.actions import Action, Record
from callbridge.call.cutting import Cutting
from callbridge.call.facts import Interrupted
from callbridge.call.limits import Limits
from callbridge.call.naming import Names
from callbridge.call.playout import CLIP, Playout
from callbridge.call.transcript import Transcript
from callbridge.wire import realtime_commands as commands

MS = 8


class Cuts:
    """A cutting with its ledger, and all that it did and sent."""

    def __init__(self) -> None:
        self.done: list[Action] = []
        self.sent: list[commands.AnyCommand] = []
        self.playout, self.transcript = Playout(), Transcript(5.0)
        self.cutting = Cutting(
            Limits(), self.playout, self.transcript, self.done.append, self._send, Names().next_item_id
        )

    def _send(self, command: commands.AnyCommand) -> str:
        self.sent.append(command)
        return "cb_1"

    def says(self, item_id: str, duration_ms: int, text: str = "One two three four.") -> None:
        """An item of the present session, sent at 10 s or behind what is queued."""
        self.cutting.item_begun(item_id)
        self.transcript.agent_began(item_id)
        self.transcript.agent_says(item_id, text)
        if duration_ms:
            self.playout.sent(item_id, duration_ms * MS, 10.0)

    @property
    def heard(self) -> str:
        return " ".join(turn.agent for turn in self.transcript.unrecorded())


def test_the_item_in_play_is_truncated_and_those_behind_it_deleted() -> None:
    cuts = Cuts()
    cuts.says("first", 1000)
    cuts.says("second", 1000)
    assert cuts.cutting.cut(10.5) == {"first", "second"}
    assert cuts.sent == [
        commands.TruncateItem(item_id="first", audio_end_ms=500, content_index=0),
        commands.DeleteItem(item_id="second"),
    ]
    assert cuts.done[-1] == Record(Interrupted((("first", 500),), ("second",), 1500))
    assert cuts.heard == "One two …"


@pytest.mark.parametrize("at", [10.95, 11.0, 20.0])
def test_what_was_heard_to_its_end_is_left_alone(at: float) -> None:
    """Truncation would take the item's words from the model's memory."""
    cuts = Cuts()
    cuts.says("first", 1000)
    assert cuts.cutting.cut(at) == set()
    assert (cuts.sent, cuts.done, cuts.heard) == ([], [], "One two three four.")


def test_a_phone_that_is_gone_is_not_told_to_clear() -> None:
    cuts = Cuts()
    cuts.says("first", 1000)
    cuts.cutting.cut(10.5, clears=False)
    assert [type(action) for action in cuts.done] == [Record]


def test_an_item_of_a_lost_session_is_corrected_in_words() -> None:
    """The present session was told it as said, and has no audio of it that it could cut."""
    cuts = Cuts()
    cuts.says("old", 1000)
    cuts.cutting.session_lost()
    cuts.says("new", 1000)
    cuts.cutting.cut(10.5)
    delete, create = cuts.sent
    assert delete == commands.DeleteItem(item_id="new")
    assert isinstance(create, commands.CreateItem)
    assert isinstance(create.item, commands.Message)
    assert create.item.role == "system"
    assert "One two …" in create.item.content[0].text


def test_the_clip_is_nobodys_item() -> None:
    cuts = Cuts()
    cuts.playout.clip_sent(1000 * MS, 10.0)
    assert cuts.cutting.cut(10.5) == set()
    assert cuts.sent == []
    assert CLIP not in repr(cuts.done)


def test_the_end_of_a_call_freezes_what_was_heard_and_sends_nothing() -> None:
    cuts = Cuts()
    cuts.says("first", 1000)
    cuts.cutting.freeze(10.5)
    assert (cuts.sent, cuts.done, cuts.heard) == ([], [], "One two …")


def test_late_audio_is_forgotten_as_if_it_had_never_been_made() -> None:
    """An item that never went out is deleted; one that went on after it was heard is cut there."""
    cuts = Cuts()
    cuts.says("heard", 500)
    cuts.says("unsaid", 0)
    cuts.playout.withheld("heard", 500 * MS)
    cuts.playout.withheld("unsaid", 100 * MS)
    cuts.cutting.settle_late_audio(["heard", "unsaid", "settled"], {"settled"})
    assert cuts.sent == [
        commands.TruncateItem(item_id="heard", audio_end_ms=500, content_index=0),
        commands.DeleteItem(item_id="unsaid"),
    ]
    assert cuts.heard == "One two …"


def test_audio_that_a_lost_session_withheld_is_no_concern_of_the_next() -> None:
    cuts = Cuts()
    cuts.says("same", 500)
    cuts.playout.withheld("same", 500 * MS)
    cuts.cutting.session_lost()
    cuts.cutting.settle_late_audio(["same"], set())
    assert cuts.sent == []


def test_an_item_that_was_not_begun_when_its_response_was_muted_is_not_said() -> None:
    """Also if the turn is recorded before the response has ended."""
    cuts = Cuts()
    cuts.says("begun", 500)
    cuts.says("unsaid", 0)
    cuts.cutting.muted(["begun", "unsaid"])
    assert cuts.heard == "One two three four."
