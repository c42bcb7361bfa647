"""Machines that share a state, and calls of which nothing is there but what they tell it: in virtual time.

Every machine has a real `StoredState`, whose threads do not run: a machine turns its writer when something
was told, and its watch when it renews its lease or has mail. What each call must find is kept beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter, defaultdict
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from callbridge.state import neighbour_rows, stored_state, watch, writer
from callbridge.state.journal import MemoryJournal
from callbridge.state.neighbours import RENEWED_EVERY_S, ToCarrier
from callbridge.state.places import DAY_S, RESERVED_S, TEN_MINUTES_S, CallerBounds, CallerCounts
from callbridge.state.rows import CALLS_PRUNED_MAX
from callbridge.state.sqlite_file import SqliteHome
from callbridge.state.state import ENDED, KEPT, OVER, STARTED
from callbridge.state.stored_state import StoredState
from callbridge.state.writer import Writer
from callbridge.state.writes import PlaceClaim, TokenClaim

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from callbridge.state.journal import JournalEntry
    from callbridge.state.neighbours import News
    from callbridge.state.reply import Reply
    from callbridge.state.writer import Question
    from callbridge.state.writes import Write

BEGAN: Final = 1_800_000_000.0
BOUNDS: Final = CallerBounds(at_once=2, per_10_minutes=5, per_day=20)
AWAY_S: Final = 30.0
PRUNED_EVERY_S: Final = 10.0
"""By whichever of the machines: one a second would find nothing most of the time."""
TURN: Final = ("caller_words_came", "remembered", "turn_ended")
"""What a turn of a call tells."""


class SharedFile(SqliteHome):
    """A file that all machines share, and that may be away like a server."""

    is_remote = True

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(path, clock)
        self._engine: Engine | None = None
        self.is_away = False
        self.with_mail: set[str] = set()
        self.has_rung = asyncio.Event()
        self.pruned_every_s = PRUNED_EVERY_S
        self._pruned_at = 0.0

    def open(self) -> Connection:
        """A connection of one engine, which compiles each statement once. No disk is waited for."""
        self._answer()
        connection = super().open() if self._engine is None else self._engine.connect()
        if self._engine is None:
            self._engine = connection.engine
            event.listen(self._engine, "begin", _begin)
        _driver(connection).execute("PRAGMA synchronous=OFF")
        return connection

    def open_watch(self, process: str) -> Connection:
        """Another one."""
        del process
        return self.open()

    def writing(self, connection: Connection, locks: Collection[str] = ()) -> AbstractContextManager[None]:
        """One transaction."""
        del locks
        return self.reading(connection)

    @contextlib.contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        """One that only reads."""
        self._answer()
        with super().reading(connection):
            yield

    def ring(self, connection: Connection, processes: Collection[str]) -> None:
        """As a server tells them."""
        del connection
        if processes:
            self.with_mail |= set(processes)
            self.has_rung.set()

    def may_prune(self, connection: Connection) -> bool:
        """Whoever comes first does it for all."""
        del connection
        now = self._clock()
        is_time = now - self._pruned_at >= self.pruned_every_s
        self._pruned_at = now if is_time else self._pruned_at
        return is_time

    def after_pruning(self, connection: Connection) -> None:
        """Nothing is overwritten: a server does not do it."""

    def _answer(self) -> None:
        if self.is_away:
            raise OperationalError("", None, ConnectionError("the net is down"))


def _begin(connection: Connection) -> None:
    """By the driver: it is the most frequent statement of all."""
    _driver(connection).execute("BEGIN")


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


class Statements:
    """Counts what is asked of the database, by what it is asked for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.what = "call"

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Of all engines."""
        listeners: dict[str, Callable[..., object]] = {
            "before_cursor_execute": self._executed,
            "commit": self._committed,
        }
        for name, listener in listeners.items():
            event.listen(Engine, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                event.remove(Engine, name, listener)

    @contextlib.contextmanager
    def of(self, what: str) -> Iterator[None]:
        """What is asked meanwhile is asked for that."""
        before, self.what = self.what, what
        try:
            yield
        finally:
            self.what = before

    def _executed(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "PRAGMA")):
            self.counts[self.what] += 1

    def _committed(self, _connection: object) -> None:
        self.counts[f"{self.what} commits"] += 1


class TurnedWriter(Writer):
    """A writer without a thread: whoever asks turns it."""

    statements: Statements

    def put(self, write: Write) -> None:
        """Queues; a claim is waited for."""
        super().put(write)
        if isinstance(write, TokenClaim | PlaceClaim):
            self.turn()

    def ask(self, question: Question) -> None:
        """Asks, and answers."""
        super().ask(question)
        self.turn()

    def flush(self, reply: Reply[bool]) -> None:
        """Writes."""
        super().flush(reply)
        self.turn()

    def turn(self) -> None:
        """One round."""
        assert self._is_round_done()

    def _prune(self, connection: Connection) -> None:
        with self.statements.of("process"):
            super()._prune(connection)


class TurnedState(StoredState):
    """A state whose threads do not run."""

    def __init__(
        self, home: SharedFile, process: str, clock: Callable[[], float], counts: Statements
    ) -> None:
        super().__init__(home, process, clock, KEPT)
        self.journal = MemoryJournal()
        self.writer = self._writer = TurnedWriter(home, process, clock, KEPT)
        self.writer.statements = counts
        self._counts = counts
        self.heard: list[News] = []
        self._watch._reader = lambda news: self.heard.append(news) if news is not None else None

    def keep(self, entry: JournalEntry) -> None:
        """Facts go another way."""

    def renew(self) -> None:
        """Says that it is alive, reads what it is told, and writes what waited."""
        self._watch._renewed = None
        self.look()
        if self.unwritten.rows or self.trouble is not None:
            self.writer.turn()

    def look(self) -> None:
        """Reads what it is told."""
        with self._counts.of("process"):
            self._watch._attempt(self._watch._look)

    def leave(self) -> None:
        """Ends in order."""
        self._watch._attempt(self._watch._leave)

    def drop(self) -> None:
        """Is gone, with all that it had."""
        self.writer._disconnect()
        self._watch._disconnect()
        self._watch._bell.close()


@dataclass(eq=False)
class Call:
    """What is known of a call by whoever watches all."""

    sid: str
    caller: str
    told: list[str] = field(default_factory=list)
    may_lack_words: bool = False
    """Some of it was told while the database was away."""


class Ledger:
    """What must hold, over all machines. Whatever does not is in `faults`."""

    def __init__(self) -> None:
        self.live: defaultdict[str, set[str]] = defaultdict(set)
        self.starts: defaultdict[str, list[float]] = defaultdict(list)
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self._carriers: dict[str, tuple[float, str]] = {}

    def expect(self, holds: bool, fault: str) -> None:
        """Notes a fault."""
        if not holds:
            self.faults.append(fault)

    def granted(self, call: Call, at: float) -> None:
        """A caller has one more call."""
        counts = self._counts(call.caller, at)
        self.expect(BOUNDS.allows(counts), f"{call.sid} is beyond the bounds of its caller: {counts}")
        self.live[call.caller].add(call.sid)
        self.starts[call.caller].append(at)

    def refused(self, call: Call, at: float) -> None:
        """A caller has no more."""
        counts = self._counts(call.caller, at)
        self.expect(not BOUNDS.allows(counts), f"{call.sid} was refused, at {counts}")

    def carried(self, sid: str, since: float, carrier: str, stored: tuple[float, str] | None) -> None:
        """The database must have who carries a call, who never is an earlier one again."""
        if stored is None or stored[1] != carrier:
            self.faults.append(f"{sid} is carried by {carrier} since {since}, and not by {stored}")
            return
        before = self._carriers.get(sid, stored)
        is_later = stored[0] > before[0] or stored == before
        self.expect(is_later, f"{sid} is carried by {stored}, after {before}")
        self._carriers[sid] = stored
        self.counts["carriers looked at"] += 1

    def _counts(self, caller: str, at: float) -> CallerCounts:
        starts = self.starts[caller]
        return CallerCounts(
            len(self.live[caller]),
            sum(start > at - TEN_MINUTES_S for start in starts),
            sum(start > at - DAY_S for start in starts),
        )


class Machine:
    """One process, which may be lost."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.name, self.is_lost = name, False
        self.carries: set[Call] = set()
        self.state = TurnedState(fleet.home, name, fleet.now, fleet.statements)

    async def live(self) -> None:
        """Renews its lease until it is lost."""
        while not self.is_lost:
            self.state.renew()
            await asyncio.sleep(RENEWED_EVERY_S)


class Fleet:
    """Machines and the calls of some hours.

    Args:
        path: of the file that they share.
        machines: how many.
        calls: how many begin.
        hours: in which these begin.
        mishaps: about how many there are in these hours.
        seed: of everything that is random.
    """

    def __init__(
        self, path: Path, *, machines: int, calls: int, hours: float, mishaps: int, seed: int
    ) -> None:
        self.dice = random.Random(seed)
        self.statements, self.ledger = Statements(), Ledger()
        self.home = SharedFile(path, self.now)
        self.home.check()
        self._eyes = sqlite3.connect(path, isolation_level=None)
        self._calls, self._over_s, self._mishaps_max = calls, hours * 3600, mishaps
        self._began = asyncio.get_running_loop().time()
        self._started = 0
        self.machines = [self._new_machine() for _ in range(machines)]
        self._away_until = 0.0
        self._tasks = asyncio.TaskGroup()

    def now(self) -> float:
        """Seconds since 1970, in virtual time."""
        return BEGAN + asyncio.get_running_loop().time() - self._began

    async def run(self) -> None:
        """All calls from the first to the last."""
        with self.statements.counting(), self.virtual_time():
            async with self._tasks:
                for machine in self.machines:
                    self._tasks.create_task(machine.live())
                mishaps = self._tasks.create_task(self._mishaps())
                mail = self._tasks.create_task(self._deliver_mail())
                async with asyncio.TaskGroup() as live:
                    for number in range(self._calls):
                        await asyncio.sleep(self.dice.expovariate(self._calls / self._over_s))
                        live.create_task(self._live(Call(f"CA{number:032d}", self._caller())))
                mishaps.cancel()
                mail.cancel()
                for machine in self.machines:
                    machine.is_lost = True
        self.home.is_away = False

    @contextlib.contextmanager
    def virtual_time(self) -> Iterator[None]:
        """Also by the clock that tells how late something is written."""
        clock = SimpleNamespace(monotonic=asyncio.get_running_loop().time)
        with contextlib.ExitStack() as patched:
            for module in (neighbour_rows, stored_state, watch, writer):
                patched.enter_context(patch.object(module, "time", clock))
            yield

    async def left_behind(self) -> dict[str, int]:
        """Rows that are there a day later, when somebody has pruned."""
        await asyncio.sleep(2 * DAY_S)
        self.home.pruned_every_s = 0.0
        last = self._new_machine()
        last.state.renew()
        for _ in range(2 + self._calls // CALLS_PRUNED_MAX):  # So many in each transaction.
            last.state.note_spend(self.now(), 0)
            last.state.writer.turn()
        count = {
            table: self._eyes.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - ours
            for table in ("places", "mailbox", "used_tokens", "caller_notes", "call_events", "leases")
        }
        last.state.drop()
        return count

    def close(self) -> None:
        """Ends all."""
        for machine in self.machines:
            machine.state.drop()
        self._eyes.close()

    # --- A call

    async def _live(self, call: Call) -> None:
        """Rings at one machine, has its stream at another, and comes back after each hand-over."""
        machine = self._any_machine()
        began = self.now()
        may_call = await machine.state.claim_place(call.sid, call.caller, BOUNDS, began)
        if may_call is None:
            self.ledger.counts["declined while the database was away"] += 1
            return
        if not may_call:
            if self._was_well_lately():
                self.ledger.refused(call, began)
            self.ledger.counts["refused"] += 1
            return
        self.ledger.granted(call, began)
        self.ledger.counts["calls"] += 1
        self._tell(machine, call, "call_offered")
        for visit in range(6):
            await asyncio.sleep(self.dice.uniform(0.3, 2.0))
            if await self._visit(call, visit, turns=self.dice.randint(2, 10)):
                break
        await self._end(call)

    async def _visit(self, call: Call, visit: int, turns: int) -> bool:
        """One stream of a call. Answers whether the call is over with it."""
        machine = self._any_machine()
        await self._show_token(call, visit, machine)
        if visit:
            await self._find_memory(call, machine)
        machine.state.carry(call.sid, call.caller)
        self._tell(machine, call, STARTED)
        since = self.now()
        self._look_who_carries(call, machine, since)
        machine.carries.add(call)
        for _ in range(turns):
            await asyncio.sleep(self.dice.uniform(4.0, 16.0))
            if machine.is_lost:
                self.ledger.counts["calls of a lost machine"] += call in machine.carries
                return False
            self._tell(machine, call, *TURN)
            self._look_who_carries(call, machine, since)
            if self.dice.random() < 0.01:
                await self._tell_carrier(call, machine)
        is_handed_over = self.dice.random() < 0.05
        self._end_stream(call, machine, comes_back=is_handed_over)
        return not is_handed_over

    def _end_stream(self, call: Call, machine: Machine, *, comes_back: bool) -> None:
        machine.carries.discard(call)
        self._tell(machine, call, ENDED)
        machine.state.keep_place(call.sid, RESERVED_S if comes_back else 0.0)
        machine.state.writer.turn()
        self.ledger.counts["handed over"] += comes_back

    async def _end(self, call: Call) -> None:
        """Twilio says so, to any machine."""
        machine = self._any_machine()
        machine.state.append(call.sid, OVER, b"{}")
        machine.state.free_place(call.sid)
        machine.state.note_spend(self.now(), 12_345)
        machine.state.writer.turn()
        self.ledger.live[call.caller].discard(call.sid)
        if machine.state.unwritten.rows:
            return
        if not call.may_lack_words:
            kinds = [told.kind for told in await self._any_machine().state.events(call.sid)]
            outline = [kind for kind in call.told if kind not in TURN]
            if self._was_well_lately():
                self.ledger.expect(kinds == [*outline, OVER], f"{call.sid} ended as {kinds}")

    async def _show_token(self, call: Call, visit: int, machine: Machine) -> None:
        """The machine that gets the stream honours it, and nobody else does afterwards."""
        token, until = f"{call.sid}-{visit}".encode(), self.now() + 30
        self.ledger.expect(await machine.state.claim_token(token, until), f"{token!r} was not honoured")
        is_shared = not self.home.is_away and not machine.state.unwritten.rows
        if is_shared and self.dice.random() < 0.05:
            thief = self._any_machine()
            is_honoured = await thief.state.claim_token(token, until)
            self.ledger.counts["stolen tokens"] += 1
            if thief.state.trouble is None:
                self.ledger.expect(not is_honoured, f"{token!r} was honoured twice")

    async def _find_memory(self, call: Call, machine: Machine) -> None:
        found = [told.kind for told in await machine.state.events(call.sid)]
        if self._was_well_lately() and not call.may_lack_words:
            self.ledger.counts["found with all memory"] += 1
            self.ledger.expect(found == call.told, f"{call.sid} came back with {found}, not {call.told}")
        else:
            self.ledger.counts["came back while or after the database was away"] += 1

    async def _tell_carrier(self, call: Call, carrier: Machine) -> None:
        """Some machine is told something that the one must hear that carries the call."""
        machine = self._any_machine()
        machine.state.tell_carrier(call.sid, "ended")
        machine.state.writer.turn()
        if machine is carrier or not self._was_well_lately():
            return
        self.ledger.counts["told the carrier"] += 1
        await asyncio.sleep(1.0)
        told, heard = ToCarrier(call.sid, "ended"), carrier.state.heard
        if not carrier.is_lost and self._was_well_lately():
            self.ledger.expect(told in heard, f"{carrier.name} has not heard of {call.sid}")
        # What it has heard of other calls is looked for by these.
        heard[:] = [one for one in heard if one != told]

    def _tell(self, machine: Machine, call: Call, *kinds: str) -> None:
        for kind in kinds:
            machine.state.append(call.sid, kind, b'{"words":"%d"}' % len(call.told))
            call.told.append(kind)
        machine.state.writer.turn()
        call.may_lack_words |= machine.state.unwritten.rows > 0

    def _look_who_carries(self, call: Call, machine: Machine, since: float) -> None:
        """Once that is written, also late. With eyes of its own: what it reads is not counted."""
        if self.home.is_away or machine.is_lost or machine.state.unwritten.rows:
            return
        wanted = "SELECT carried_since, process FROM places WHERE call_sid = ? AND is_carried"
        stored = self._eyes.execute(wanted, (call.sid,)).fetchone()
        self.ledger.carried(call.sid, since, machine.name, stored)

    # --- What befalls them

    async def _mishaps(self) -> None:
        """Now a machine is lost, now one is replaced in order, now the database is away."""
        while True:
            await asyncio.sleep(self.dice.uniform(0.5, 1.5) * self._over_s / self._mishaps_max)
            mishap = self.dice.choice(("lost", "lost", "replaced", "away"))
            self.ledger.counts[f"mishap: {mishap}"] += 1
            if mishap == "away":
                self.home.is_away = True
                await asyncio.sleep(AWAY_S)
                self.home.is_away = False
                self._away_until = self.now()
            else:
                place = self.dice.randrange(len(self.machines))
                gone, self.machines[place] = self.machines[place], self._new_machine()
                self._tasks.create_task(self.machines[place].live())
                gone.is_lost = True
                if mishap == "replaced":
                    for call in tuple(gone.carries):
                        self._end_stream(call, gone, comes_back=True)
                    gone.state.leave()
                gone.state.drop()

    async def _deliver_mail(self) -> None:
        """Whoever has mail looks."""
        while True:
            await self.home.has_rung.wait()
            await asyncio.sleep(0.2)
            self.home.has_rung.clear()
            for machine in self.machines:
                if machine.name in self.home.with_mail:
                    self.home.with_mail.discard(machine.name)
                    machine.state.look()

    def _was_well_lately(self) -> bool:
        """Whether the database answers, and every machine has written down what it had to."""
        return not self.home.is_away and self.now() - self._away_until > 2 * RENEWED_EVERY_S

    def _new_machine(self) -> Machine:
        self._started += 1
        return Machine(self, f"machine-{self._started}")

    def _any_machine(self) -> Machine:
        return self.dice.choice(self.machines)

    def _caller(self) -> str:
        """One call in fifty is one of a few who call too often."""
        if self.dice.random() < 0.02:
            return f"storm-{self.dice.randrange(1 + self._calls // 2_000)}"
        return f"caller-{self.dice.randrange(1 + self._calls // 3)}"
