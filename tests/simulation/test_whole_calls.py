"""Seeded whole calls in virtual time. A failing seed stands in the message and replays by `--seed`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, get_args

import pytest

from callbridge.call.facts import EndReason
from callbridge.simulators.phone.carrier_codes import Level
from callbridge.simulators.truth import HeardItem, heard_items
from callbridge.simulators.voice_model import refuse_impossible
from callbridge.simulators.voice_model.vad import VadFault
from random_calls import faulty_world, random_world
from simulation.promises import complaints
from simulation.waiting import TAIL_MS

if TYPE_CHECKING:
    from worlds import World

SEEDS = range(10)
"""Of the calls in which nothing goes wrong."""

SEEDS_IN_ALL = 150
"""Of those in which anything may, unless `--seeds` says otherwise."""

CHUNKS = 50
"""Seeds are played in so many tests: enough that two workers share them evenly."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Deals the seeds out: the n-th chunk has every 50th."""
    if "chunk" not in metafunc.fixturenames:
        return
    config = metafunc.config
    alone, count = config.getoption("seed"), config.getoption("seeds") or SEEDS_IN_ALL
    chunks = (
        [range(alone, alone + 1)] if alone is not None else [range(n, count, CHUNKS) for n in range(CHUNKS)]
    )
    metafunc.parametrize("chunk", chunks, ids=[f"from_{chunk.start}" for chunk in chunks])


def test_calls_keep_every_promise_whatever_goes_wrong(
    chunk: range, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to three faults of model, phone, tools and process; `promises` has what must hold all the same."""
    if pytestconfig.getoption("seed") is not None:
        with capsys.disabled():
            _show(chunk.start)
        return
    failed: dict[int, list[str]] = {}
    for seed in chunk:
        if found := _play(seed):
            failed[seed] = found
    lines = [f"--seed {seed}: {text}" for seed, texts in failed.items() for text in texts]
    assert not failed, "\n".join(["replay with `pytest -n 0 tests/simulation --seed …`", *lines])


def _play(seed: int) -> list[str]:
    """What a call did not keep; a broken invariant of ours is a complaint of that seed as well."""
    try:
        return complaints(faulty_world(seed).run())
    except AssertionError as broken:
        return [f"{type(broken).__name__}: {broken}"]


def _show(seed: int) -> None:
    """Plays one call, writes down all that happens in it, and fails with what it did not keep."""
    world = faulty_world(seed, traces=True)
    try:
        found = complaints(world.run())
    finally:
        parts = (f"seed {seed}", repr(world.conditions), repr(world.limits), world.script_in_words)
        sys.stdout.write("\n".join(["", *parts, *(world.trace or ()), ""]))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("seed", range(0, 100, 10))
def test_the_same_seed_gives_the_same_call(seed: int) -> None:
    """Two runs of a seed write the same record, byte for byte."""
    first, second = (faulty_world(seed, traces=True).run() for _ in range(2))
    assert first.trace is not None
    assert second.trace is not None
    assert len(first.trace) > 10
    assert "\n".join(first.trace) == "\n".join(second.trace)
    assert first.facts == second.facts


def test_every_kind_of_fault_is_drawn() -> None:
    """In scripts that can be."""
    scripts = [faulty_world(seed).script for seed in range(300)]
    answers = [answer for script in scripts for answer in script.answers]
    faults = [fault for script in scripts for fault in script.faults]
    drawn = {
        "empty": any(answer.empty for answer in answers),
        "text": any(say.form != "speech" for answer in answers for say in answer.speeches),
        "late": any(answer.done_after_ms for answer in answers),
        "loop": any(answer.times != 1 for answer in answers),
        "untold": any(answer.transcript == "never" for answer in answers),
        "odd": any(script.oddities for script in scripts),
        "mute": any(not fault.pongs for fault in faults),
        **{kind: any(fault.kind == kind for fault in faults) for kind in get_args(VadFault)},
        "noise": any(fault.kind == "vad_noise" for answer in answers for fault in answer.faults),
    }
    assert all(drawn.values()), drawn
    for script in scripts:
        refuse_impossible(script)


# --- Nothing goes wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_without_faults_loses_nothing(seed: int) -> None:
    """Nothing lost, nothing heard after a cut, nothing remembered that was not heard, no command refused.

    Refused is only the answer that the server makes by itself to words into the greeting.
    """
    world = random_world(seed).run()
    assert world.ended.reason in {EndReason.AGENT_HANGUP, EndReason.MODEL_LOST}, world.ended
    assert [c for c in world.phone.complaints if c.level is not Level.NOTICE] == []
    refusals = world.wires[0].session.journal.refusals
    assert [refusal for refusal in refusals if refusal.event_type] == []
    assert_caller_audio_is_whole(world)
    for item in truth(world):
        assert_model_remembers_what_was_heard(item, world)


@pytest.mark.parametrize("seed", range(10))
def test_keys_interrupt_and_are_answered(seed: int) -> None:
    """With keys in play the only refusal is the race of a cancel with the end of its response."""
    world = random_world(seed, keys=True).run()
    refusals = {refusal.code for wire in world.wires for refusal in wire.session.journal.refusals}
    assert refusals <= {"response_cancel_not_active", "conversation_already_has_active_response"}
    assert_caller_audio_is_whole(world)
    for item in truth(world):
        assert_model_remembers_what_was_heard(item, world)


def truth(world: World) -> list[HeardItem]:
    """The model's items with what was heard of each; proves that no audio was changed."""
    items = [item for wire in world.wires for item in wire.session.journal.items.values()]
    return heard_items(world.phone.playback, items, world.now)


def tolerance_ms(world: World) -> float:
    """Exact on a steady network; with jitter the two delays that cancel may differ by it."""
    return 1 + 1.5 * world.conditions.phone_jitter_ms


def assert_caller_audio_is_whole(world: World) -> None:
    """What the model got is what the caller said, from the first frame on, without a gap."""
    got = b"".join(bytes(wire.session.journal.appended or b"") for wire in world.wires)
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
