"""Certifying a small bridge in virtual time: right it passes everything, and each of its faults is found.

No check can always pass: every one of them fails for a bridge that is wrong in what it asks.
"""

from __future__ import annotations

import asyncio

import pytest

from callbridge.testing.certifying import Certificate, Outcome, Target, certify
from callbridge.testing.certifying.table import CHECKS
from callbridge.testing.running import run_beside
from callbridge.testing.virtual.loop import VirtualLoop
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


async def certified(*faults: str, only: tuple[str, ...] = ()) -> Certificate:
    """What a bridge with these faults gets, in a loop whose clock jumps."""
    return await run_beside(lambda: _certified(faults, only), is_virtual=True)


async def _certified(faults: tuple[str, ...], only: tuple[str, ...]) -> Certificate:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    _, port = loop.network.listener().getsockname()
    async with small_bridge(port, *faults) as url:
        return await certify(Target(url=url, model_port=port, tool="opening_hours"), only=only)


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {check for found in FAULTS.values() for check in found} == {check.id for check in CHECKS}


OF_ONE_CALL = tuple(check.id for check in CHECKS if check.probes == ("plain",))


async def test_an_ordinary_call_decides_what_it_can() -> None:
    """The cheap part, in every run."""
    report = await certified("ignores-keys", only=OF_ONE_CALL)
    wrong = {check.id: check.outcome for check in report.checks if check.outcome is not Outcome.PASSED}
    assert wrong == {"keys.told": Outcome.FAILED}
    assert len(report.checks) >= 15


@pytest.mark.heavy
async def test_a_right_bridge_passes_everything() -> None:
    report = await certified()
    assert report.verdict == "passed"
    assert [check for check in report.checks if check.outcome is not Outcome.PASSED] == []


@pytest.mark.heavy
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_found(fault: str) -> None:
    report = await certified(fault, only=FAULTS[fault])
    found = {check.id: (check.outcome, check.evidence) for check in report.checks}
    assert [outcome for outcome, _ in found.values()] == [Outcome.FAILED] * len(found), found
