"""What the model did: from a tape as the model itself knows it, from a story as far as that tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import stories
from callbridge.records.replaying import read
from callbridge.records.story import Span, Spoken, ToolUse, Turn
from callbridge.testing import Calls, Fails, Says, Silent
from callbridge.testing.freezing.replies import Reply, moves_of, replies_in, replies_on
from random_calls import faulty_world, random_world
from tapes import taped

if TYPE_CHECKING:
    from callbridge.simulators.voice_model.journal import Journal
    from worlds import World


def truth(world: World) -> list[Reply]:
    """The responses of all sessions, by their journals."""
    return [reply for wire in world.wires for reply in of_journal(wire.session.journal)]


def of_journal(journal: Journal) -> list[Reply]:
    replies = []
    for response in journal.responses:
        reply = Reply(is_dictated=bool(response.instructions))
        for item_id in response.item_ids:
            item = journal.items[item_id].as_json()
            if item["type"] == "message":
                reply.words.append("".join(part.get("transcript") or "" for part in item["content"]))
            elif item["status"] == "completed":
                reply.calls.append((item["name"], item["arguments"]))
        if response.status == "failed":
            reply.failure = response.reason
        replies.append(reply)
    return replies


def without_cut_words(told: Reply, true: Reply) -> Reply:
    """The model forgets the words of what was cut."""
    words = [mine if theirs else "" for mine, theirs in zip(told.words, true.words, strict=True)]
    return Reply(words, told.calls, told.failure, told.is_dictated)


def test_how_long_the_model_thought_is_told_where_it_is_heard() -> None:
    thought = [Reply(["Yes."], thought_ms=350), Reply(["Yes."], thought_ms=900)]
    tool = Reply(calls=[("hours", "{}")], thought_ms=1200)
    assert moves_of([*thought, tool, Reply(failure="server_error", thought_ms=900)]) == [
        "Yes.",
        Says("Yes.", after_ms=900),
        msgspec.convert({"move": "calls", "tool": "hours", "after_ms": 1200}, Calls),
        Fails("server_error"),
    ]
    told = replies_on(list(read(taped(random_world(4, keys=True)))))
    assert all(reply.thought_ms is not None for reply in told if reply.words or reply.calls)


@pytest.mark.parametrize(
    "world",
    [random_world(4, keys=True), random_world(9, keys=True), *map(faulty_world, (7, 12, 31))],
    ids=["random 4", "random 9", "faulty 7", "faulty 12", "faulty 31"],  # Workers must find the same ones.
)
def test_a_tape_knows_every_response(world: World) -> None:
    told = replies_on(list(read(taped(world))))
    true = truth(world)
    assert told
    assert [without_cut_words(*both) for both in zip(told, true, strict=True)] == true


def turn(number: int, **more: Any) -> Turn:
    return Turn(number, number * 5000, **more)


def said(words: str, at_ms: int) -> Spoken:
    return Spoken("item", words, words, span=Span(at_ms, at_ms + 900))


def asked(name: str, at_ms: int, took_ms: int = 100) -> ToolUse:
    return ToolUse("call", name, at_ms, '{"day": "Sunday", "note": null}', "", "answered", took_ms)


STORY = msgspec.structs.replace(
    stories.RICH,
    turns=(
        turn(0, agent=(said("Good day!", 300),)),
        turn(
            1,
            caller="Open?",
            spans=(Span(5000, 6000),),
            tools=(asked("hours", 6500),),
            agent=(said("Yes.", 7000),),
        ),
        turn(
            2,
            caller="Bye.",
            spans=(Span(10_000, 10_500),),
            agent=(said("Bye!", 11_000),),
            tools=(asked("end_call", 11_200),),
        ),
        turn(
            3,
            caller="Both?",
            spans=(Span(15_000, 15_500),),
            tools=(asked("one", 16_000), asked("two", 16_050)),
        ),
        turn(4, agent=(said("It is so.", 21_000), said("Are you still there?", 30_000))),
    ),
)


def test_a_story_tells_it_as_far_as_turns_do() -> None:
    """The greeting, and what the service asks for by itself, are no moves. TOML has no null."""
    assert moves_of(replies_in(STORY)) == [
        Calls("hours", day="Sunday"),
        "Yes.",
        Says("Bye!", then=Calls("end_call", day="Sunday")),
        Calls("one", day="Sunday"),
        Calls("two", day="Sunday"),
        "It is so.",
    ]


def test_a_response_that_failed_or_said_nothing_is_a_move_too() -> None:
    assert moves_of([Reply(failure="server_error"), Reply(is_dictated=True), Reply()]) == [
        Fails("server_error"),
        Silent(),
    ]
