"""Certifying a small bridge over real sockets: right it passes everything, and each of its faults is found.

No check can always pass: every one of them fails for a bridge that is wrong in what it asks.
"""

from __future__ import annotations

import asyncio
import socket

import pytest

from callbridge.testing.certifying import Certificate, Outcome, Target, certify
from callbridge.testing.certifying.table import CHECKS
from small_bridge import small_bridge

FAULTS: dict[str, tuple[str, ...]] = {
    "configures-late": ("session.configured",),
    "unconfirmed": ("session.confirmed",),
    "other-format": ("session.passthrough",),
    "truncates-beyond": ("session.no-refusals",),
    "cancels": ("session.cancel",),
    "extra-field": ("carrier.clean",),
    "loses-up": ("audio.up",),
    "drops-early": ("audio.early",),
    "cuts-down": ("audio.down",),
    "small-messages": ("audio.large",),
    "first-item": ("audio.several-items",),
    "slow-up": ("latency.up",),
    "slow-down": ("latency.down",),
    "mute": ("greeting.heard",),
    "clears-greeting": ("greeting.whole",),
    "no-clear": ("barge-in.clear",),
    "slow-clear": ("barge-in.speed",),
    "late-audio": ("barge-in.late-audio",),
    "truncates-sent": ("truncation.0ms", "truncation.60ms", "truncation.120ms"),
    "from-its-response": ("truncation.later-item",),
    "cuts-heard": ("truncation.heard-whole",),
    "no-marks": ("marks.sent",),
    "believes-marks": ("marks.after-clear",),
    "slow-answer": ("silence.after-words",),
    "never-closes": ("ends.caller-hangs-up",),
    "stop-only": ("ends.caller-vanishes",),
    "cuts-goodbye": ("ends.agent-hangs-up",),
    "stays-on": ("ends.agent-hangs-up",),
    "forgets-tools": ("tools.answered",),
    "believes-tools": ("tools.imagined",),
    "ignores-keys": ("keys.told",),
    "mixes": ("calls.apart",),
    "impatient": ("model.slow",),
    "strict": ("model.odd",),
    "dies-of-garbage": ("model.garbage",),
    "waits": ("model.silent",),
    "stays-after-loss": ("model.lost",),
    "just-ends": ("model.lost-goes-on",),
    "hangs-when-refused": ("model.refused",),
    "believes-webhooks": ("trust.webhook-unsigned",),
    "compares-no-webhook": ("trust.webhook-forged",),
    "believes-sockets": ("trust.socket-unsigned",),
    "compares-no-socket": ("trust.socket-forged",),
    "no-token": ("trust.parameters-altered",),
}
"""What is wrong with the bridge, and the checks that find it."""

AT_ONCE = 10

TIMING = {"latency.up", "latency.down", "barge-in.speed"}
"""What a machine that is busy elsewhere spoils."""


async def certified(*faults: str, only: tuple[str, ...] = ()) -> Certificate:
    """What a bridge with these faults gets."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with small_bridge(port, *faults) as url:
        return await certify(Target(url=url, model_port=port, tool="opening_hours"), only=only)


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {check for found in FAULTS.values() for check in found} == {check.id for check in CHECKS}


@pytest.mark.long
async def test_each_fault_is_found_and_a_right_bridge_passes() -> None:
    """Some at once: most of their time is waiting."""
    right = "a right bridge"
    places = asyncio.Semaphore(AT_ONCE)

    async def run(fault: str) -> Certificate:
        async with places:
            return await (certified() if fault == right else certified(fault, only=FAULTS[fault]))

    async with asyncio.TaskGroup() as tasks:
        running = {fault: tasks.create_task(run(fault)) for fault in (right, *FAULTS)}
    reports = {fault: task.result() for fault, task in running.items()}
    wrong = [check for check in reports.pop(right).checks if check.outcome is not Outcome.PASSED]
    assert [check for check in wrong if check.id not in TIMING] == []
    missed = {
        fault: [(check.id, check.outcome, check.evidence) for check in report.checks]
        for fault, report in reports.items()
        if any(check.outcome is not Outcome.FAILED for check in report.checks)
    }
    assert missed == {}
