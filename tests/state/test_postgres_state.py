"""A state in a real PostgreSQL that is away, cut off, not prepared, or used by many at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import threading
import time
from typing import TYPE_CHECKING

import pytest
import structlog
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

import leftovers
from callbridge.state.callers import CallerRecord
from callbridge.state.forgetting import forget_in_database, remembered_in_database
from callbridge.state.memory_state import MemoryState
from callbridge.state.neighbours import SpentElsewhere, ToAll
from callbridge.state.opening import open_state
from callbridge.state.places import CallerBounds
from callbridge.state.postgres import PostgresHome
from callbridge.state.postgres_state import PostgresState
from callbridge.state.rows import SUMMED_AFTER_S
from callbridge.state.sqlite_state import SqliteState
from callbridge.state.state import CallEvent, StateError
from callbridge.state.tables import schema_version
from ports import free_port
from state.seeing import all_seen
from state.seeing import until as has_come
from state.wall_clock import Clock
from wires import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, PoolProxiedConnection

    from postgres import Server

pytest.importorskip("psycopg")
pytestmark = pytest.mark.heavy

CALL = "CA" + "1" * 32
FAR = 4e9
NOTICED_S = 4.0
"""About one and a half, and a busy machine. Who does not notice waits for five seconds for each answer."""


async def opened(url: str, process: str | None = None) -> PostgresState:
    """One that has reached the server once, however long a busy machine takes for that.

    Not made on the loop, where the wire to the server may be.
    """
    state = await asyncio.to_thread(PostgresState, url, MemoryState, process=process)
    await written(state)
    return state


async def written(state: PostgresState) -> None:
    """Returns when all is written and can be read. Trouble that is met on the way is waited out."""
    async with asyncio.timeout(20.0):
        while not await state.flush() or state.trouble is not None:
            await until(lambda: state.trouble is None)


@pytest.fixture
async def state(shared_database: str) -> AsyncIterator[PostgresState]:
    made = await opened(shared_database)
    yield made
    await made.close()


async def until(is_so: Callable[[], bool], within_s: float = 20.0) -> None:
    """Waits for a thread."""
    assert await leftovers.until(is_so, within_s)


def words_of(events: tuple[CallEvent, ...]) -> list[bytes]:
    return [event.body for event in events]


def cut_connections(server: Server) -> None:
    """The server ends all that it has with a state."""
    server.run_sql(
        f"{server.address}/postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'callbridge state'",
    )


@contextlib.contextmanager
def lost_answer(home: PostgresHome, table: str) -> Iterator[None]:
    """The next transaction that changes this table is written, and the answer gets lost with its connection.

    That of another thread, which only looks, would be the first one now and then.
    """
    lost: list[str] = []
    dialect = home._engine.dialect
    commit = dialect.do_commit

    def notice(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if re.match(rf"(INSERT INTO|DELETE FROM) callbridge_state\.{table}\b", statement):
            connection.info["changes_it"] = True

    def lose(connection: PoolProxiedConnection) -> None:
        commit(connection)
        if connection.info.pop("changes_it", False) and not lost:
            lost.append(table)
            raise dialect.loaded_dbapi.OperationalError("the connection is lost")

    event.listen(home._engine, "before_cursor_execute", notice)
    setattr(dialect, "do_commit", lose)  # noqa: B010 - mypy lets nobody assign to a method
    try:
        yield
    finally:
        setattr(dialect, "do_commit", commit)  # noqa: B010 - as above
        event.remove(home._engine, "before_cursor_execute", notice)
        assert lost, "nothing was lost"


# --- At the start -------------------------------------------------------------------------------------


def test_tables_are_made_once(postgres_database: str) -> None:
    """In a schema of their own: others may use the same database."""
    with contextlib.closing(PostgresHome(postgres_database)) as home:
        with pytest.raises(StateError, match=r"has no tables yet\. Run `callbridge migrate`"):
            home.check()
        assert home.migrate() is None
        assert home.migrate() == 1
        assert home.check() is None
        with home._engine.begin() as connection:
            connection.execute(update(schema_version).values(version=99))
        for step in (home.migrate, home.check):
            with pytest.raises(StateError, match="a newer callbridge: it has version 99"):
                step()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///records.db", "needs DATABASE_URL to name PostgreSQL"),
        ("postgresql://nobody:secret-1@{server}/calls", "the server does not know this user"),
        ("postgresql://callbridge:secret-1@{server}/nowhere", "no database of this name"),
    ],
)
def test_what_can_never_be_used_is_said(url: str, words: str, postgres_server: Server) -> None:
    server = postgres_server.address.rpartition("@")[2]
    with pytest.raises(StateError, match=words) as refusal:
        open_state(None, shared_url=url.format(server=server))
    assert "secret-1" not in str(refusal.value)


async def test_a_server_that_is_away_keeps_no_service_from_starting(tmp_path: Path) -> None:
    """It is told, and nobody waits."""
    url = f"postgresql://callbridge:secret-1@127.0.0.1:{free_port()}/calls"
    state = open_state(tmp_path / "state.db", shared_url=url)
    assert "the server cannot be reached" in str(state.away)
    await until(lambda: state.trouble is not None)
    assert "secret-1" not in f"{state.trouble} {state.away} {state!r}"
    state.append(CALL, "stream_started", b"1")
    began = time.monotonic()
    assert words_of(await state.events(CALL)) == [b"1"]
    assert await state.claim_place(CALL, "caller", CallerBounds(), time.time()) is None
    assert await state.claim_token(b"a", FAR)
    assert not await state.claim_token(b"a", FAR)
    assert not await state.flush()
    assert time.monotonic() - began < NOTICED_S
    await state.close()


async def test_the_journal_is_in_the_file_of_this_machine(shared_database: str, tmp_path: Path) -> None:
    state = open_state(tmp_path / "state.db", shared_url=shared_database)
    assert isinstance(state, PostgresState)
    assert isinstance(state._local, SqliteState)
    state.append(CALL, "stream_started", b"1")
    await written(state)
    await state.close()
    here = SqliteState(tmp_path / "state.db")
    assert await here.events(CALL) == ()
    await here.close()


# --- Away, and back -----------------------------------------------------------------------------------


async def test_a_server_that_stops_is_told_at_once_and_loses_nothing(
    state: PostgresState, shared_database: str, postgres_server: Server
) -> None:
    state.append(CALL, "stream_started", b"0")
    assert await state.flush()
    await asyncio.to_thread(postgres_server.stop)
    began = time.monotonic()
    await until(lambda: state.trouble is not None)
    assert time.monotonic() - began < NOTICED_S
    for number in range(1, 4):
        state.append(CALL, "turn_ended", b"%d" % number)
        assert words_of(await state.events(CALL)) == [b"%d" % told for told in range(1, number + 1)]
    assert await state.claim_token(b"a", FAR)
    state.note_spend(1.0, 5)
    state.carry(CALL, "caller")
    assert time.monotonic() - began < 2 * NOTICED_S
    await asyncio.to_thread(postgres_server.start)
    await written(state)
    assert words_of(await state.events(CALL)) == [b"0", b"1", b"2", b"3"]
    assert await state.spend(0) == ((1.0, 5),)
    other = await opened(shared_database)
    assert not await other.claim_token(b"a", FAR)
    assert [seen.calls for seen in await other.others()] == [1]
    await other.close()


async def test_a_server_that_comes_back_before_anybody_asks_is_no_trouble(
    state: PostgresState, postgres_server: Server
) -> None:
    """All connections are gone, and nothing is told of it: they are made anew."""
    state.append(CALL, "stream_started", b"0")
    assert await state.flush()
    cut_connections(postgres_server)
    assert words_of(await state.events(CALL)) == [b"0"]
    assert await state.claim_place(CALL, "caller", CallerBounds(), time.time())
    assert state.trouble is None


async def test_a_wire_on_which_nothing_comes_back_is_noticed(
    shared_database: str, postgres_server: Server
) -> None:
    """Packets are dropped, not refused. What was under way when it began is not written twice."""
    async with Wire(postgres_server.port) as wire:
        state = await opened(shared_database.replace(f":{postgres_server.port}/", f":{wire.port}/"))
        state.append(CALL, "stream_started", b"0")
        assert await state.flush()
        wire.answers.clear()
        state.append(CALL, "turn_ended", b"1")
        began = time.monotonic()
        # Asked before anybody knows: the answer comes when it is noticed.
        assert words_of(await state.events(CALL)) == [b"1"]
        assert time.monotonic() - began < NOTICED_S
        assert "has not answered" in str(state.trouble)
        began = time.monotonic()
        assert words_of(await state.events(CALL)) == [b"1"]
        assert await state.claim_place("CA2", "caller", CallerBounds(), time.time()) is None
        assert await state.claim_token(b"a", FAR)
        assert time.monotonic() - began < 1.5
        state.append(CALL, "turn_ended", b"2")
        wire.answers.set()
        await written(state)
        assert words_of(await state.events(CALL)) == [b"0", b"1", b"2"]
        assert await state.claim_place("CA2", "caller", CallerBounds(at_once=1), time.time())
        await state.close()


async def test_a_thread_does_not_hang_for_ever_on_a_wire_that_stays_silent(
    shared_database: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives the connection up and makes a new one, on a way that is open by now."""
    monkeypatch.setattr("callbridge.state.postgres.PATIENCE_S", 2.0)
    async with Wire(postgres_server.port) as wire:
        state = await opened(shared_database.replace(f":{postgres_server.port}/", f":{wire.port}/"))
        closed, wire.requests = wire.requests, asyncio.Event()
        wire.requests.set()  # For connections to come; those that are there keep the closed one.
        closed.clear()
        state.append(CALL, "turn_ended", b"1")
        await until(lambda: state.trouble is not None)
        await written(state)
        assert words_of(await state.events(CALL)) == [b"1"]
        closed.set()
        await state.close()


async def test_however_much_has_waited_it_is_written_in_time(
    shared_database: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces: one transaction with all of it would be given up, and tried again with more, for ever."""
    monkeypatch.setattr("callbridge.state.postgres.PATIENCE_S", 1.0)
    monkeypatch.setattr("callbridge.state.writer.BATCH_MAX", 50)  # Far from that, on a busy machine as well.
    state = await opened(shared_database)
    await asyncio.to_thread(postgres_server.stop)
    await until(lambda: state.trouble is not None)
    for number in range(6_000):
        state.keep_place(f"CA{number}", 0.0)
    state.append(CALL, "stream_started", b"1")
    await asyncio.to_thread(postgres_server.start)
    await until(lambda: state.trouble is None and not state.unwritten.rows, 60)
    assert words_of(await state.events(CALL)) == [b"1"]
    await state.close()


async def test_trouble_of_the_lease_alone_is_logged(
    state: PostgresState, monkeypatch: pytest.MonkeyPatch, postgres_server: Server
) -> None:
    """A server with no connection left for it: calls are declined, and the writer has no complaint."""
    assert await state.flush()

    def refuse(*_: object) -> None:
        raise StateError("no room")

    with structlog.testing.capture_logs() as logs:
        with monkeypatch.context() as full:
            full.setattr(PostgresHome, "open_watch", refuse)
            cut_connections(postgres_server)
            await until(lambda: state.trouble == "no room")
        await until(lambda: state.trouble is None)
    told = [(line["event"], line.get("reason")) for line in logs if "watch" in line["event"]]
    assert told == [("state_watch_in_trouble", "no room"), ("state_watch_well_again", None)]


async def test_what_somebody_else_has_written_there_stops_nobody(
    state: PostgresState, shared_database: str, postgres_server: Server
) -> None:
    other = await opened(shared_database, "other")
    await all_seen(state, other)
    news = state.news()
    assert await state.spend(0) == ()
    for at, microdollars in (("'NaN'", 7), ("'Infinity'", 7), ("1", -7)):
        postgres_server.run_sql(
            shared_database,
            "INSERT INTO callbridge_state.spend_notes (at, microdollars, process, number) "  # noqa: S608 - ours
            f"VALUES ({at}, {microdollars}, 'other', 1)",
        )
    other._spend_noted = 1
    other.note_spend(2.0, 9)
    assert await other.flush()
    async with asyncio.timeout(20):
        assert await anext(news) == SpentElsewhere(2.0, 9)
    assert await state.spend(0) == ((1.0, -7), (2.0, 9))
    await other.close()


# --- Answers that get lost ----------------------------------------------------------------------------


async def test_what_may_be_written_is_not_written_again(state: PostgresState) -> None:
    """A commit whose answer is lost has happened. Claims have the answer that they had."""
    await state.flush()
    with lost_answer(state._home, "call_events"):  # type: ignore[arg-type]  # It is that one.
        state.append(CALL, "turn_ended", b"1")
        state.note_spend(1.0, 5)
        state.note_call("caller", 1.0)
        token = asyncio.ensure_future(state.claim_token(b"a", FAR))
        place = asyncio.ensure_future(state.claim_place(CALL, "caller", CallerBounds(at_once=1), 1.0))
        assert await state.flush()
    assert await token
    assert await place
    assert not await state.claim_token(b"a", FAR)
    assert words_of(await state.events(CALL)) == [b"1"]
    assert await state.spend(0) == ((1.0, 5),)
    assert await state.recent_calls(0) == (("caller", 1.0), ("caller", 1.0))
    assert state.trouble is None


async def test_a_message_is_handed_on_once_though_its_deletion_is_in_doubt(shared_database: str) -> None:
    one, other = await opened(shared_database, "one"), await opened(shared_database, "other")
    await all_seen(one, other)
    with lost_answer(other._home, "mailbox"):  # type: ignore[arg-type]  # It is that one.
        for body in (b"1", b"2"):
            one.tell_all("circuit_opened", body)
        assert await one.flush()
        news = other.news()
        async with asyncio.timeout(20):
            told = [await anext(news), await anext(news)]
    one.tell_all("circuit_closed")
    async with asyncio.timeout(20):
        told.append(await anext(news))
    assert told == [
        ToAll("circuit_opened", b"1"), ToAll("circuit_opened", b"2"), ToAll("circuit_closed"),
    ]  # fmt: skip
    await one.close()
    await other.close()


async def test_transactions_that_are_in_each_others_way_are_tried_again(state: PostgresState) -> None:
    """A deadlock, which the server ends at the cost of one of the two."""
    await state.flush()
    faults = [1]

    def is_in_the_way(*_: object) -> None:
        if faults and threading.current_thread().name == "state-writer":
            faults.clear()
            fault = state._home._engine.dialect.loaded_dbapi.errors.DeadlockDetected()  # type: ignore[attr-defined]  # It is that one.
            raise OperationalError("UPDATE", None, fault)

    event.listen(state._home._engine, "before_cursor_execute", is_in_the_way)  # type: ignore[attr-defined]  # So here.
    state.append(CALL, "turn_ended", b"1")
    assert await state.flush()
    assert not faults
    assert state.trouble is None
    assert words_of(await state.events(CALL)) == [b"1"]


# --- Several at once ----------------------------------------------------------------------------------


async def test_under_faults_all_is_written_once_and_in_order(
    shared_database: str, postgres_server: Server
) -> None:
    """Connections that end at any moment, and a server that stops, under three processes that write."""
    chance = random.Random(7)
    states = [await opened(shared_database, f"process-{number}") for number in range(3)]
    told = dict.fromkeys(range(3), 0)
    is_over = asyncio.Event()

    async def tell(number: int) -> None:
        while not is_over.is_set():
            states[number].append(CALL, "turn_ended", b"%d %d" % (number, told[number]))
            states[number].note_spend(time.time(), number + 1)
            told[number] += 1
            await asyncio.sleep(0.002)

    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(tell(number))
        for round_ in range(25):
            await asyncio.sleep(chance.uniform(0.0, 0.08))
            await asyncio.to_thread(cut_connections, postgres_server)
            if round_ == 12:
                await asyncio.to_thread(postgres_server.stop)
                await asyncio.to_thread(postgres_server.start)
        is_over.set()
    for state in states:
        await written(state)
    events = await states[0].events(CALL)
    assert [event.sequence for event in events] == list(range(1, sum(told.values()) + 1))
    for number in range(3):
        own = [event.body for event in events if event.body.startswith(b"%d " % number)]
        assert own == [b"%d %d" % (number, one) for one in range(told[number])]
    spent = sum(microdollars for _, microdollars in await states[0].spend(0))
    assert spent == sum((number + 1) * told[number] for number in range(3))
    for state in states:
        await state.close()


async def test_mail_is_told_of_at_once(shared_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before anybody would look."""
    one, other = await opened(shared_database, "one"), await opened(shared_database, "other")
    await all_seen(one, other)
    monkeypatch.setattr(PostgresHome, "poll_every_s", 60.0)
    await asyncio.sleep(0.6)  # Whoever waits already has the old time.
    for number in range(5):
        one.tell_all("circuit_opened", b"%d" % number)
        async with asyncio.timeout(5):
            assert await anext(other.news()) == ToAll("circuit_opened", b"%d" % number)
    await one.close()
    await other.close()


async def test_what_was_spent_in_a_minute_becomes_one_note(shared_database: str) -> None:
    """Once all have read it. Nothing of the sum is lost, and nobody is told of it twice."""
    clock = Clock()
    one = await asyncio.to_thread(
        PostgresState, shared_database, MemoryState, clock, process="one", now=clock
    )
    began = clock.now = 60.0 * (clock.now // 60)
    for second in range(90):
        one.note_spend(began + second, 10)
    await written(one)
    other = await asyncio.to_thread(PostgresState, shared_database, MemoryState, clock, now=clock)
    await written(other)
    assert len(await other.spend(0)) == 90
    clock.now += SUMMED_AFTER_S + 120
    one.carry("CA1", "caller")  # It is alive still.
    one.note_spend(clock.now, 1)
    assert await one.flush()

    async def is_summed() -> bool:  # One of the two does it, and the other one does not wait for that.
        return await one.spend(0) == ((began + 59, 600), (began + 89, 300), (clock.now, 1))

    await has_come(is_summed)
    async with asyncio.timeout(20):
        assert await anext(other.news()) == SpentElsewhere(clock.now, 1)
    await one.close()
    await other.close()


async def test_a_caller_is_forgotten_there(state: PostgresState, shared_database: str) -> None:
    for agent in ("one", "two"):
        state.remember("caller", agent, CallerRecord(time.time(), b"words"))
    state.remember("somebody else", "one", CallerRecord(time.time(), b"words"))
    assert await state.flush()
    assert await asyncio.to_thread(remembered_in_database, shared_database, ["caller"]) == 2
    assert await asyncio.to_thread(forget_in_database, shared_database, "caller") == 2
    assert await asyncio.to_thread(remembered_in_database, shared_database, ["caller", "somebody else"]) == 1


def test_one_prunes_at_a_time(shared_database: str) -> None:
    home, other = PostgresHome(shared_database), PostgresHome(shared_database)
    with contextlib.closing(home.open()) as first, contextlib.closing(other.open()) as second:
        with home.writing(first):
            assert home.may_prune(first)
            with other.writing(second):
                assert not other.may_prune(second)
        with other.writing(second):
            assert other.may_prune(second)
    home.close()
    other.close()
