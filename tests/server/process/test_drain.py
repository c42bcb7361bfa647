"""The drain on a real loop: its timer, its log, its calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
import structlog

from callbridge.server.process.drain import Drain
from callbridge.server.process.live_calls import LiveCalls
from callbridge.switchboard.draining import HAND_OVER_S, DrainStep
from desks import LiveCall

DRAIN_S = 240.0


@dataclass
class Call(LiveCall):
    """A call that ends when it is asked to hand over."""

    calls: LiveCalls = field(default_factory=LiveCalls)
    is_willing: bool = True

    def hand_over(self) -> None:
        super().hand_over()
        if self.is_willing:
            self.calls.remove("CA1", self)


def with_a_call(
    drain_s: float, hand_over_s: float = HAND_OVER_S, is_willing: bool = True
) -> tuple[Drain, Call]:
    call = Call(is_willing=is_willing)
    drain = Drain(call.calls, drain_s, hand_over_s=hand_over_s)
    call.calls.add("CA1", call)
    return drain, call


async def stopped(drain: Drain) -> None:
    async with asyncio.timeout(10):
        await drain.run_until_stopped()


async def test_shell_stops_at_once_without_calls() -> None:
    drain = Drain(LiveCalls(), DRAIN_S)
    assert drain.reason_not_ready() is None
    with structlog.testing.capture_logs() as logs:
        drain.signalled()
    await stopped(drain)
    assert [(line["event"], line["live_calls"]) for line in logs] == [("draining", 0), ("stopped", 0)]
    assert drain.reason_not_ready() == "draining"
    assert repr(drain) == "<Drain step=stopped live=0>"


async def test_shell_hands_over_when_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer does it by itself; the last action is waited for."""
    monkeypatch.setattr("callbridge.switchboard.draining.ACTION_S", 0.05)
    drain, call = with_a_call(drain_s=0.05)
    lingering = LiveCall()
    call.calls.lingers(lingering)
    with structlog.testing.capture_logs() as logs:
        drain.signalled()
        assert drain.step is DrainStep.DRAINING
        assert lingering.told == []
        await stopped(drain)
    assert (call.told, lingering.told) == (["hand over"], ["stop"])
    assert [(line["event"], line["live_calls"]) for line in logs] == [
        ("draining", 1),
        ("handing_over", 1),
        ("stopped", 0),
    ]


async def test_shell_gives_up_on_a_call_that_does_not_hand_over() -> None:
    drain, call = with_a_call(drain_s=DRAIN_S, hand_over_s=0.05, is_willing=False)
    drain.signalled()
    drain.signalled()
    await stopped(drain)
    assert call.told == ["hand over"]
    assert len(call.calls) == 1


async def test_shell_waits_for_a_promised_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callbridge.switchboard.draining.PROMISED_S", 0.1)
    drain = Drain(LiveCalls(), DRAIN_S)
    loop = asyncio.get_running_loop()
    promised_at = loop.time()
    drain.stream_promised()
    drain.signalled()
    assert drain.step is DrainStep.DRAINING
    await stopped(drain)
    assert loop.time() >= promised_at + 0.1


async def test_shell_leaves_no_timer_when_it_is_cancelled() -> None:
    """A server that fails takes its drain down with it."""
    drain, call = with_a_call(drain_s=0.02)
    drain.signalled()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await drain.run_until_stopped()
    await asyncio.sleep(0.05)  # A timer that was set later, for later: by then its own would have gone off.
    assert call.told == []


async def test_each_step_is_told_to_who_watches() -> None:
    """So that other processes know which of them leaves."""
    drain, _call = with_a_call(DRAIN_S)
    told: list[tuple[DrainStep, bool]] = []
    drain.watch(lambda: told.append((drain.step, drain.is_leaving)))
    drain.begin()
    drain.undo()
    for _ in range(2):
        drain.signalled()
    assert told[:4] == [
        (DrainStep.DRAINING, False),
        (DrainStep.SERVING, False),
        (DrainStep.DRAINING, False),
        (DrainStep.HANDING_OVER, True),
    ]
