"""Whole calls from a seed, in which the agent is stopped at any moment: every promise holds all the same."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from callbridge.call.facts import GuardrailTripped
from callbridge.call.wants import AgentSays, AnswerStopped
from random_calls import faulty_world, random_world
from simulation.promises import PROMISES, greeting_was_heard
from streams import Stream

if TYPE_CHECKING:
    import pytest

    from streams import Wire
    from worlds import World

SEEDS = 20
SHARE_STOPPED = 0.4
"""Of all that is said; the greeting, too, and words that were said in the place of others."""
WITHIN_S = 2.5
"""From the beginning of an item: before its sound, in the middle of it, or when it was heard."""


class Stopping:
    """Stops what agents say, at moments drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng, self._count = random.Random(f"stops {seed}"), 0

    def said(self, stream: Stream, text: str | bytes) -> None:
        """The model says something: perhaps it begins an item that is to be stopped."""
        item = json.loads(text)["item"] if "response.output_item.added" in str(text) else {}
        if item.get("type") != "message" or self._rng.random() >= SHARE_STOPPED:
            return
        self._count += 1
        says = AgentSays(f"stop_{self._count}", "Sorry.") if self._rng.random() < 0.5 else None
        stops = AnswerStopped("no_prices", item["id"], self._rng.choice(("", "[Not that.]")), says)
        stream.world.later(self._rng.uniform(0, WITHIN_S), lambda: stream.tell(stops))


def played(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What such a call did not keep. A greeting that is stopped need not be heard."""
    stopping, model_said = Stopping(seed), Stream.model_said

    def said(stream: Stream, wire: Wire, text: str | bytes) -> None:
        model_said(stream, wire, text)
        stopping.said(stream, text)

    with monkeypatch.context() as patched:
        patched.setattr(Stream, "model_said", said)
        world.run()
    kept = (promise for promise in PROMISES if promise is not greeting_was_heard)
    return [f"--seed {seed}: {promise.__name__}: {text}" for promise in kept for text in promise(world)]


def test_calls_keep_every_promise_whatever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    broken: list[str] = []
    trips: list[GuardrailTripped] = []
    for seed in range(SEEDS):
        world = (random_world if seed % 3 else faulty_world)(seed)
        broken += played(world, seed, monkeypatch)
        trips += [fact for _, fact in world.facts if isinstance(fact, GuardrailTripped)]
    assert not broken, "\n".join(broken)
    kinds = {(trip.was_cut, trip.heard_ms > 0) for trip in trips}
    assert len(kinds) == 4, "cut and too late, heard and not"
