"""Seeded whole calls in virtual time. A failing seed stands in the test's name and replays by it."""

from __future__ import annotations

import pytest

from callbridge.call.facts import EndReason
from callbridge.simulators.phone.carrier_codes import Level
from callbridge.simulators.truth import HeardItem, heard_items
from random_calls import random_world
from worlds import World

SEEDS = range(50)

TAIL_MS = 60
"""An item with no more than this left counts as heard (`Limits.heard_tail_ms`)."""


def truth(world: World) -> list[HeardItem]:
    """The model's items with what was heard of each; proves that no audio was changed."""
    assert world.model is not None
    return heard_items(world.phone.playback, world.model.journal.items.values(), world.now)


def tolerance_ms(world: World) -> float:
    """Exact on a steady network; with jitter the two delays that cancel may differ by it."""
    return 1 + 1.5 * world.conditions.phone_jitter_ms


@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_of_any_seed_keeps_every_promise(seed: int) -> None:
    """Nothing lost, nothing heard after a cut, nothing remembered that was not heard, no command refused."""
    world = random_world(seed).run()
    assert world.model is not None
    assert world.ended.reason in {EndReason.AGENT_HANGUP, EndReason.MODEL_LOST}, world.ended
    assert [c for c in world.phone.complaints if c.level is not Level.NOTICE] == []
    assert world.model.journal.refusals == []
    assert_caller_audio_is_whole(world)
    for item in truth(world):
        assert_model_remembers_what_was_heard(item, world)


def test_the_same_seed_gives_the_same_call() -> None:
    """Two runs of a seed record the same facts at the same times."""
    assert random_world(7).run().facts == random_world(7).run().facts


@pytest.mark.parametrize("seed", range(15))
def test_keys_interrupt_and_are_answered(seed: int) -> None:
    """With keys in play the only refusal is the race of a cancel with the end of its response."""
    world = random_world(seed, keys=True).run()
    assert world.model is not None
    refusals = {refusal.code for refusal in world.model.journal.refusals}
    assert refusals <= {"response_cancel_not_active", "conversation_already_has_active_response"}
    assert_caller_audio_is_whole(world)
    for item in truth(world):
        assert_model_remembers_what_was_heard(item, world)


def assert_caller_audio_is_whole(world: World) -> None:
    """What the model got is what the caller said, from the first frame on, without a gap."""
    assert world.model is not None
    got = bytes(world.model.journal.appended or b"")
    assert got == bytes(world.phone.caller_audio[: len(got)])
    assert world.ended.frames_dropped == 0


def assert_model_remembers_what_was_heard(item: HeardItem, world: World) -> None:
    """An item is whole, cut where the caller stopped hearing it, or gone."""
    near = tolerance_ms(world)
    if item.is_deleted:
        assert item.heard_ms <= near, item
    elif item.truncated_at_ms is not None:
        assert abs(item.truncated_at_ms - item.heard_ms) <= near, item
        assert item.heard_ms < item.sent_ms, f"{item} was heard to its end"
    elif world.ended.reason is EndReason.AGENT_HANGUP:
        assert item.sent_ms - item.heard_ms <= TAIL_MS + near, f"{item} is remembered, but was not heard"
