"""The arrow language itself: what it accepts, what it refuses, and how it shows a difference."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import pytest

from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import StreamStarted
from callbridge.call.phases import Timer
from callbridge.wire.realtime_commands import CreateResponse
from playbook import About, Id, Like, Playbook, UnassertedPlaybookError, after, at, deadline
from rigs import PLAN, Rig
from vocabulary import (
    admitted,
    any_warning,
    ask,
    created,
    done,
    error,
    item_added,
    live,
    recorded,
    run_tool,
    says,
    start,
    tool_call,
    tool_finished,
    tool_result,
    warning,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_missing_or_unexpected_action_is_a_mismatch() -> None:
    book = Playbook(Rig())
    with pytest.raises(AssertionError, match=r"-<<\s+DialModel"):
        bool(book >> start() << Like(a.AdmitStream, {}) << a.DialModel(PLAN.model))
    book = Playbook(Rig())
    with pytest.raises(AssertionError, match=r"\+<<\s+AdmitStream"):
        bool(book >> start())


def test_the_order_of_actions_matters() -> None:
    book = Playbook(Rig())
    book.rig.feed(start())
    with pytest.raises(AssertionError, match="happened"):
        bool(book >> admitted("", "") << a.DialModel(PLAN.model) << recorded(StreamStarted))


def test_the_difference_shows_both_scripts_with_their_times() -> None:
    book = Playbook(Rig())
    with pytest.raises(AssertionError) as caught:
        bool(book >> at(1.5, start()) << a.DialModel(PLAN.model))
    lines = str(caught.value).splitlines()
    assert lines[1:4] == ["--- expected", "+++ happened", "@@ -1,2 +1,2 @@"]
    assert lines[4].startswith(" >>    1.500  Start(")
    assert lines[5] == "-<<           DialModel(model='gpt-realtime-2.1', leg=<Leg.MODEL: 'model'>)"
    assert lines[6].startswith("+<<           AdmitStream(start=StartFacts(")


def test_time_moves_by_at_and_after_and_stays_otherwise() -> None:
    book = Playbook(Rig())
    assert book >> at(1, start()) << Like(a.AdmitStream, {}) >> after(0.5, start())
    assert book.rig.seconds == 1.5
    assert book >> start()
    assert book.rig.seconds == 1.5


def test_a_deadline_moves_time_to_where_the_machine_wants_to_be_woken() -> None:
    book = Playbook(Rig())
    assert book >> deadline(Timer.START) << (Like(a.CloseLeg, {"code": 1008}), Like(a.Note, {}))
    assert book.rig.seconds == 5


def test_a_deadline_for_another_reason_or_none_is_a_mismatch() -> None:
    book = Playbook(Rig())
    with pytest.raises(AssertionError, match=r"the next deadline is for <Timer\.START"):
        bool(book >> deadline(Timer.DIAL))
    book = Playbook(Rig())
    book.rig.fail("it broke")
    with pytest.raises(AssertionError, match="no deadline"):
        bool(book >> deadline(Timer.DIAL))


def test_a_placeholder_takes_the_first_value_and_then_insists_on_it() -> None:
    output_id, asked_id = Id("item"), Id("asked")
    book = live()
    book.rig.feed(created("greeting"), *says("greeting", "hello", 100))
    assert (
        book
        >> tool_call("greeting", "call_1")
        << run_tool("call_1")
        >> tool_finished("call_1")
        << tool_result(output_id, "call_1")
        >> item_added(output_id)
        >> done("greeting")
        << ask(id=asked_id)
    )
    assert output_id.value == "cb_item_1"
    assert asked_id.value is not None
    book.rig.feed(created("another"), tool_call("another", "call_2"))
    with pytest.raises(AssertionError, match=r"-.*<item cb_item_1>(.|\n)*\+.*'cb_item_2'"):
        bool(book >> tool_finished("call_2") << tool_result(output_id, "call_2"))


def test_an_event_may_carry_what_the_machine_chose() -> None:
    asked_id = Id("asked")
    book = live()
    book.rig.feed(created("greeting"))
    assert (
        book
        >> after(0.1, done("greeting", "failed", code="server_error"))
        << any_warning("response_fell_short")
        >> deadline(Timer.RETRY)
        << Like(a.SendToModel, {"command": Like(CreateResponse, {"event_id": asked_id})})
        >> error("server_error", answers=asked_id)
        << warning("model_error", code="server_error", message="It went wrong.", param=None)
    )


def test_a_placeholder_that_is_used_too_early_is_an_error() -> None:
    book = live()
    with pytest.raises(AssertionError, match="<later> is used before the machine has chosen it"):
        bool(book >> item_added(Id("later")))


def test_plain_notes_may_be_left_out_and_warnings_may_not() -> None:
    book = live()
    book.rig.feed(created("greeting"), *says("greeting", "hello", 500))
    assert book >> done("greeting")  # Notes `response_done`.
    with pytest.raises(AssertionError, match="response_done_unexpected"):
        bool(book >> done("greeting"))


def test_about_allows_a_millisecond_either_way() -> None:
    book = live()
    assert (
        book
        >> e.ShutdownRequested()
        << (
            Like(a.CloseLeg, {"code": About(999)}),
            Like(a.CloseLeg, {"code": About(1002)}),
            Like(a.Note, {}),
        )
    )
    book = live()
    with pytest.raises(AssertionError):
        bool(book >> e.ShutdownRequested() << Like(a.CloseLeg, {"code": About(998)}))


def test_like_looks_at_the_kind_and_at_the_named_fields_alone() -> None:
    book = live()
    with pytest.raises(AssertionError, match=r"CloseLeg\(leg=.*, …\)"):
        bool(book >> e.ShutdownRequested() << Like(a.CloseLeg, {"leg": e.Leg.PHONE, "code": 1000}))


def test_an_action_without_an_event_is_refused() -> None:
    with pytest.raises(AssertionError, match="an action follows an event"):
        Playbook(Rig()) << a.DialModel(PLAN.model)


def test_a_playbook_that_nobody_asserts_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[BaseException | None] = []
    hook: Callable[[sys.UnraisableHookArgs], None] = lambda args: raised.append(args.exc_value)  # noqa: E731  # Typed.
    monkeypatch.setattr(sys, "unraisablehook", hook)
    Playbook(Rig()) >> start() << a.DialModel(PLAN.model)
    gc.collect()
    (error_raised,) = raised
    assert isinstance(error_raised, UnassertedPlaybookError)
    assert "1 events were never played" in str(error_raised)


def test_a_playbook_that_was_asserted_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    book = Playbook(Rig())
    assert book >> start() << Like(a.AdmitStream, {})
    del book
    gc.collect()
    assert not raised
