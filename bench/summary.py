"""Runs into figures: medians over repeats, ratios between bridges, memory per call. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

from bench.plan import Leg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bench.report import Direction
    from bench.run import Run

LATE_MS = 100.0
"""A bridge whose median frame is as late as five frames cannot keep up: its figures are those of a queue."""


@dataclass(frozen=True, slots=True)
class Key:
    """What repeats have in common."""

    bridge: str
    leg: Leg
    calls: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Added latency one way, in ms: medians over the repeats, but for the longest of all."""

    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What all repeats of a case say together."""

    key: Key
    repeats: int
    """How many carried the calls and were measured."""
    failures: tuple[str, ...]
    """Why the others were not."""
    calls_per_core: float
    calls_per_core_least: float
    calls_per_core_most: float
    cores_used: float
    user_us_per_frame: float
    """CPU time in the bridge's own code for one frame of audio moved, either way."""
    system_us_per_frame: float
    """The same in the kernel."""
    up: Latency
    down: Latency
    lost: int
    """Frames of all windows that did not arrive, both ways."""
    lost_before: int
    """The same for frames spoken before the windows: the first words of the callers."""
    out_of_order: int
    """Duplicated, reordered or changed frames."""
    calls_lost: int
    set_up_p50_ms: float
    set_up_max_ms: float
    rss_bytes: int
    pss_bytes: int
    open_files: int
    generator_busy: float
    """Share of its core that the generator used, the highest of all repeats."""
    generator_late_p99_ms: float

    @property
    def is_overloaded(self) -> bool:
        """Whether audio waited in queues: the bridge could not keep up."""
        return max(self.up.p50_ms, self.down.p50_ms) > LATE_MS


Summary: TypeAlias = Mapping[Key, Figures | tuple[str, ...]]
"""The figures of every case in the order in which they were run; only reasons where no run succeeded."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Some quotients of one figure of two bridges."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """One bridge over another, in runs that lay side by side."""

    leg: Leg
    calls: int
    ours: str
    theirs: str
    calls_per_core: Spread
    user_time: Spread
    """Of user time per frame: what the bridges themselves do, without what the kernel does for both."""


def calls_per_core(run: Run) -> float:
    """Calls whose audio arrived, for each core that was used up by the bridge."""
    sent = run.report.up.sent + run.report.down.sent
    received = run.report.up.received + run.report.down.received
    return run.report.calls * received / sent / cores_used(run)


def cores_used(run: Run) -> float:
    """CPU time of the bridge in the window, over the window's length."""
    assert run.begin is not None, "only complete runs have figures"
    assert run.end is not None, "only complete runs have figures"
    return (run.end.cpu.total_s - run.begin.cpu.total_s) / run.report.window_s


def user_us_per_frame(run: Run) -> float:
    """CPU time in the bridge's own code for one frame moved, in µs."""
    assert run.begin is not None, "only complete runs have figures"
    assert run.end is not None, "only complete runs have figures"
    return (run.end.cpu.user_s - run.begin.cpu.user_s) * 1e6 / _frames(run)


def system_us_per_frame(run: Run) -> float:
    """CPU time in the kernel on the bridge's behalf for one frame moved, in µs."""
    assert run.begin is not None, "only complete runs have figures"
    assert run.end is not None, "only complete runs have figures"
    return (run.end.cpu.system_s - run.begin.cpu.system_s) * 1e6 / _frames(run)


def _frames(run: Run) -> int:
    return run.report.up.received + run.report.down.received


def summarize(runs: Iterable[Run]) -> Summary:
    """The figures of all cases."""
    return {key: _figures(key, repeats) for key, repeats in _by_key(runs).items()}


def _by_key(runs: Iterable[Run]) -> dict[Key, list[Run]]:
    groups: defaultdict[Key, list[Run]] = defaultdict(list)
    for run in runs:
        groups[Key(run.case.bridge.name, run.case.leg, run.case.calls)].append(run)
    return dict(groups)


def _figures(key: Key, runs: Sequence[Run]) -> Figures | tuple[str, ...]:
    failures = tuple(run.report.reason for run in runs if not run.is_complete)
    complete = [run for run in runs if run.is_complete]
    if not complete:
        return failures
    density = [calls_per_core(run) for run in complete]
    return Figures(
        key=key,
        repeats=len(complete),
        failures=failures,
        calls_per_core=median(density),
        calls_per_core_least=min(density),
        calls_per_core_most=max(density),
        cores_used=_median(complete, cores_used),
        user_us_per_frame=_median(complete, user_us_per_frame),
        system_us_per_frame=_median(complete, system_us_per_frame),
        up=_latency([run.report.up for run in complete]),
        down=_latency([run.report.down for run in complete]),
        lost=sum(way.lost for run in complete for way in _ways(run)),
        lost_before=sum(way.sent_before - way.received_before for run in complete for way in _ways(run)),
        out_of_order=sum(
            way.duplicated + way.reordered + way.unreadable for run in complete for way in _ways(run)
        ),
        calls_lost=sum(run.report.calls_lost for run in complete),
        set_up_p50_ms=_median(complete, lambda run: run.report.set_up.at(0.5)),
        set_up_max_ms=max(run.report.set_up.max_ms for run in complete),
        rss_bytes=round(_median(complete, _rss)),
        pss_bytes=round(_median(complete, _pss)),
        open_files=round(_median(complete, _open_files)),
        generator_busy=max(run.report.generator.cpu_s / run.report.window_s for run in complete),
        generator_late_p99_ms=max(run.report.generator.lateness.at(0.99) for run in complete),
    )


def _median(runs: Sequence[Run], figure: Callable[[Run], float]) -> float:
    return median(figure(run) for run in runs)


def _ways(run: Run) -> tuple[Direction, Direction]:
    return run.report.up, run.report.down


def _latency(ways: Sequence[Direction]) -> Latency:
    return Latency(
        median(way.latency.at(0.5) for way in ways),
        median(way.latency.at(0.99) for way in ways),
        max(way.latency.max_ms for way in ways),
    )


def _rss(run: Run) -> float:
    assert run.end is not None, "only complete runs have figures"
    return run.end.memory.rss


def _pss(run: Run) -> float:
    assert run.end is not None, "only complete runs have figures"
    return run.end.memory.pss


def _open_files(run: Run) -> float:
    assert run.end is not None, "only complete runs have figures"
    return run.end.open_files


def ratios(runs: Sequence[Run], ours: str) -> list[Ratio]:
    """What `ours` reaches of every other bridge's calls per core, and takes of its user time, case by case.

    The first run of ours is divided by the first of theirs, the second by the second: they lay side by side,
    so what disturbed the machine for longer than that disturbed both.
    """
    groups = _by_key(runs)
    found = []
    for key, theirs in groups.items():
        own = groups.get(Key(ours, key.leg, key.calls))
        if key.bridge == ours or own is None:
            continue
        pairs = [(a, b) for a, b in zip(own, theirs, strict=False) if a.is_complete and b.is_complete]
        if pairs:
            spreads = (_spread(pairs, calls_per_core), _spread(pairs, user_us_per_frame))
            found.append(Ratio(key.leg, key.calls, ours, key.bridge, *spreads))
    return found


def _spread(pairs: Sequence[tuple[Run, Run]], figure: Callable[[Run], float]) -> Spread:
    # A short run of few calls may take less user time than the kernel counts.
    quotients = [figure(a) / figure(b) if figure(b) else math.inf for a, b in pairs]
    return Spread(median(quotients), min(quotients), max(quotients))


def memory_per_call(summary: Summary) -> dict[tuple[str, Leg], float]:
    """Bytes for each further call, by bridge and leg: the slope of RSS between the fewest and the most calls.

    Each count was measured in processes of its own, so what a process needs without calls, and what an
    earlier load left behind, falls out. Nothing for a bridge that was measured with one count only. The
    queues of an overloaded bridge are not memory per call.
    """
    sizes: defaultdict[tuple[str, Leg], dict[int, int]] = defaultdict(dict)
    for key, figures in summary.items():
        if isinstance(figures, Figures) and not figures.is_overloaded:
            sizes[key.bridge, key.leg][key.calls] = figures.rss_bytes
    slopes = {}
    for name, by_calls in sizes.items():
        fewest, most = min(by_calls), max(by_calls)
        if fewest < most:
            slopes[name] = (by_calls[most] - by_calls[fewest]) / (most - fewest)
    return slopes
