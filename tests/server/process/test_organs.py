"""What the process cannot live without: faults are healed, and what is gone ends the process in order."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import structlog

from callbridge.server.process.organs import FAULTS_MAX, FAULTS_WITHIN_S, guarded, watch_state
from callbridge.state.memory_state import MemoryState


class Organ:
    """Fails at its first lives, then works; `given_up` when that was said."""

    def __init__(self, faults: int, apart_s: float = 1.0) -> None:
        self.faults, self.apart_s = faults, apart_s
        self.lives = 0
        self.works = asyncio.Event()
        self.given_up = False

    async def run(self) -> NoReturn:
        self.lives += 1
        if self.lives <= self.faults:
            raise ValueError("a fault of ours")
        self.works.set()
        await asyncio.Event().wait()
        raise AssertionError("it works for ever")

    def give_up(self) -> None:
        self.given_up = True

    async def guard(self) -> None:
        await guarded(
            "heart", self.run, give_up=self.give_up, now=lambda: self.lives * self.apart_s, rest_s=0
        )


async def test_an_organ_that_fails_begins_anew() -> None:
    """One fault less than too many in a row, and any number of them that are far apart."""
    for organ in (Organ(FAULTS_MAX - 1), Organ(3 * FAULTS_MAX, apart_s=FAULTS_WITHIN_S / 2)):
        with structlog.testing.capture_logs() as logs:
            guard = asyncio.create_task(organ.guard())
            async with asyncio.timeout(10):
                await organ.works.wait()
        guard.cancel()
        assert (organ.lives, organ.given_up) == (organ.faults + 1, False)
        assert [line["event"] for line in logs] == ["organ_failed"] * organ.faults
        assert all("exc_info" in line for line in logs)


async def test_one_that_fails_over_and_over_is_given_up() -> None:
    organ = Organ(FAULTS_MAX)
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(10):
            await organ.guard()
    assert organ.given_up
    assert (logs[-1]["event"], logs[-1]["log_level"], logs[-1]["organ"]) == (
        "organ_dead",
        "critical",
        "heart",
    )


async def test_a_state_that_is_gone_is_given_up() -> None:
    class Gone(MemoryState):
        async def died(self) -> str:
            return "its thread has ended"

    organ = Organ(0)
    with structlog.testing.capture_logs() as logs:
        await watch_state(Gone(), give_up=organ.give_up)
    assert organ.given_up
    assert logs[-1]["reason"] == "its thread has ended"
