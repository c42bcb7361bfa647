"""Plays a scenario as often as it says, and gathers what came of each call. Nothing is ever tried again."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from callbridge.testing.scenarios.likeness import likeness_of
from callbridge.testing.scenarios.results import Figures, Outcome, Run

if TYPE_CHECKING:
    from callbridge.testing.call_data import CallData
    from callbridge.testing.scenarios.reading import Found
    from callbridge.testing.speech import Speech

FAILED_KEPT_MAX: Final = 5
"""Of one scenario: a call of a minute has a megabyte of sound."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A call that was played, and what is wrong with it."""

    call: CallData | None
    """None where none came about."""
    failures: tuple[str, ...]
    judgement: str = ""


class Player(Protocol):
    """Plays a scenario with an agent that was loaded."""

    agent: str
    """The name under which it was."""
    speech: Speech
    """How texts become speech."""

    def play(self, found: Found, seed: int) -> Judged:
        """One call. Whatever goes wrong in it is in the answer."""
        ...


@dataclass(slots=True)
class Ran:
    """What came of a scenario, with the call that shows it."""

    outcome: Outcome
    shown: CallData | None = None
    """The first that failed, else the first."""
    calls: dict[int, CallData] = field(default_factory=dict)
    """Those that failed, by their seed; at most so many as anybody looks at."""


def run_scenario(
    found: Found, name: str, player: Player, runs: int | None = None, rate: float | None = None
) -> Ran:
    """Plays it with the seeds from its own on.

    Args:
        found: the scenario.
        name: under which its results are known.
        player: plays it.
        runs: how often, in place of what it says.
        rate: how many must pass, in place of what it says.
    """
    scenario = found.scenario
    count = runs or scenario.repeat
    done: list[Run] = []
    shown: CallData | None = None
    failed: dict[int, CallData] = {}
    for seed in range(scenario.seed, scenario.seed + count):
        began_at = time.monotonic()
        judged = player.play(found, seed)
        run = _run(judged, seed, time.monotonic() - began_at)
        if judged.call is not None:
            if shown is None or (not failed and not run.has_passed):
                shown = judged.call
            if not run.has_passed and len(failed) < FAILED_KEPT_MAX:
                failed[seed] = judged.call
        done.append(run)
    outcome = Outcome(
        name=name,
        file=str(found.path),
        line=found.line,
        tags=scenario.tags,
        rate=scenario.rate if rate is None else rate,
        runs=tuple(done),
        likeness=likeness_of(found, count, player.agent, player.speech),
    )
    return Ran(outcome, shown, failed)


def _run(judged: Judged, seed: int, took_s: float) -> Run:
    """What is kept of one call."""
    call = judged.call
    return Run(
        seed=seed,
        failures=judged.failures,
        figures=Figures() if call is None else figures_of(call),
        took_s=round(took_s, 3),
        judgement=judged.judgement,
    )


def figures_of(call: CallData) -> Figures:
    """What was measured in a call. What was not stays None."""
    turns = call.story.turns
    return Figures(
        response_ms=tuple(turn.latency.whole_ms for turn in turns if turn.latency is not None),
        unanswered=sum(bool(turn.spans) and turn.latency is None for turn in turns),
        barge_in_ms=tuple(turn.barge_in_ms for turn in turns if turn.barge_in_ms is not None),
        duration_ms=call.phone.duration_ms,
        microdollars=call.story.cost.microdollars if call.story.cost.lines else None,
    )
