"""A fleet's day: whatever becomes of machines and of the database, what they share stays right."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from callbridge.testing.virtual.loop import VirtualLoop
from state.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from callbridge.state.neighbours import ProcessSeen

STATEMENTS_PER_CALL_MAX = 55
"""A call of six turns has some 43: docs/scale.md has what they are."""

STATEMENTS_PER_LEASE_MAX = 4
"""Of each process every five seconds, besides its calls."""


async def lived(fleet: Fleet) -> dict[str, int]:
    """Runs it to the end; answers what is left a day later."""
    with contextlib.closing(fleet):
        await fleet.run()
        return await fleet.left_behind()


def live(path: Path, figure: Callable[[str], None], *, calls: int, hours: float, mishaps: int) -> None:
    """Of fifty machines, with everything that must hold."""

    async def run() -> None:
        fleet = Fleet(path, machines=50, calls=calls, hours=hours, mishaps=mishaps, seed=calls)
        left = await lived(fleet)
        ledger, counts = fleet.ledger, fleet.statements.counts
        per_call = counts["call"] / ledger.counts["calls"]
        figure(f"{calls:,} calls on 50 machines in {hours:g} h: {dict(ledger.counts)}")
        commits = counts["call commits"] / ledger.counts["calls"]
        figure(f"a call has {per_call:.0f} statements and {commits:.0f} commits")
        assert ledger.faults == []
        assert ledger.counts["found with all memory"] > 0
        assert ledger.counts["stolen tokens"] > 0
        assert ledger.counts["refused"] > 0
        assert per_call <= STATEMENTS_PER_CALL_MAX
        leases = 50 * (hours * 3600 + 300) / 5
        assert counts["process"] <= STATEMENTS_PER_LEASE_MAX * leases
        # The lease of whoever looks, and of the token nothing: a day is over.
        assert left == {name: int(name == "leases") for name in left}

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(run())


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Shows a figure at the end of the run."""
    return lambda line: request.node.user_properties.append(("figure", line))


@pytest.mark.parametrize("is_late_first", [False, True])
def test_who_is_late_to_say_that_they_carried_a_call_takes_it_from_nobody(
    tmp_path: Path, *, is_late_first: bool
) -> None:
    """Told while the database was away, and written when another machine has the call."""

    async def run() -> list[ProcessSeen]:
        fleet = Fleet(tmp_path / "state.db", machines=3, calls=1, hours=1, mishaps=1, seed=1)
        late, carrier, third = (machine.state for machine in fleet.machines)
        with contextlib.closing(fleet), fleet.virtual_time():
            fleet.home.is_away = True
            late.carry("CA1", "caller")
            late.writer.turn()
            assert late.unwritten.rows
            await asyncio.sleep(2.0)
            fleet.home.is_away = False
            carrier.carry("CA1", "caller")
            for state in (late, carrier) if is_late_first else (carrier, late):
                await asyncio.sleep(3.0)
                state.writer.turn()
                assert not state.unwritten.rows
            third.renew()
            return [seen for seen in await third.others() if seen.calls]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert [seen.process for seen in runner.run(run())] == ["machine-2"]


@pytest.mark.heavy
def test_some_minutes_of_fifty_machines(tmp_path: Path, figure: Callable[[str], None]) -> None:
    live(tmp_path / "state.db", figure, calls=400, hours=0.1, mishaps=6)


@pytest.mark.long
@pytest.mark.parametrize("hours", [6, 24])
def test_a_day_of_fifty_machines(tmp_path: Path, figure: Callable[[str], None], hours: int) -> None:
    """Or a quarter of it, as dense."""
    live(tmp_path / "state.db", figure, calls=100_000 * hours // 24, hours=hours, mishaps=4 * hours)
