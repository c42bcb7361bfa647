"""Runs of the benchmark that never took place, for the tests of what is made of runs."""

from __future__ import annotations

from bench.bridges import BRIDGES
from bench.plan import Case, Leg
from bench.process import CpuTime, Memory
from bench.report import Direction, GeneratorHealth, Histogram, Report
from bench.run import Run, Watched

WINDOW_S = 10.0
MB = 1_000_000


def histogram(*values_ms: float) -> Histogram:
    edges = sorted(round(value * 1e6) for value in values_ms)
    buckets = tuple((edge, edges.count(edge)) for edge in dict.fromkeys(edges))
    return Histogram(len(edges), max(edges, default=0), buckets)


def direction(sent: int, lost: int = 0, latency_ms: float = 1.0, duplicated: int = 0) -> Direction:
    return Direction(sent, sent - lost, 100, 100, duplicated, 0, 0, histogram(latency_ms))


def run(
    bridge: str = "callbridge",
    calls: int = 50,
    leg: Leg = Leg.PLAIN,
    *,
    cores_used: float = 0.1,
    user_share: float = 0.5,
    rss: int = 50 * MB,
    lost: int = 0,
    latency_ms: float = 1.0,
    duplicated: int = 0,
) -> Run:
    frames = round(calls * WINDOW_S)
    report = Report(
        outcome="complete",
        reason="",
        calls=calls,
        calls_up=calls,
        calls_lost=0,
        extras_up=0,
        window_s=WINDOW_S,
        marks_received=calls,
        clears_received=0,
        up=direction(50 * frames, lost, latency_ms, duplicated),
        down=direction(10 * frames, 0, latency_ms),
        set_up=histogram(20.0),
        generator=GeneratorHealth(1.0, histogram(0.01), histogram(0.02)),
    )
    memory = Memory(rss, rss - MB)
    total_s = cores_used * WINDOW_S
    user_s = total_s * user_share
    begin = Watched(CpuTime(5.0, 3.0, 2.0), memory, 12)
    end = Watched(CpuTime(5.0 + total_s, 3.0 + user_s, 2.0 + total_s - user_s), memory, 12 + 2 * calls)
    return Run(Case(BRIDGES[bridge], leg, calls), report, memory, begin, end)


def failed_run(
    bridge: str = "callbridge", calls: int = 50, reason: str = "not all calls came up in time"
) -> Run:
    nothing = Direction(0, 0, 10, 10, 0, 0, 0, histogram())
    health = GeneratorHealth(0.0, histogram(), histogram())
    report = Report("failed", reason, calls, 3, 0, 0, 0.0, 0, 0, nothing, nothing, histogram(), health)
    return Run(Case(BRIDGES[bridge], Leg.PLAIN, calls), report, Memory(MB, MB), None, None)
