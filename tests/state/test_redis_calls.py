"""Redis under stress: several processes, no server, one that hangs or is full; no call waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

import leftovers
import redis_server
from callbridge.state.state import EVENTS_WAITING_MAX, KEPT, OVER, QUIET_S
from wires import Wire

pytest.importorskip("redis")

from callbridge.state import open_redis, writer_thread
from callbridge.state.open_redis import OpenRedis, outline_key
from callbridge.state.redis_calls import RedisCalls
from callbridge.state.redis_check import look_at_redis
from callbridge.state.redis_words import shown

CALL = "CA" + "1" * 32
ANSWERED_WITHIN_S = 2.0
"""No question takes longer while Redis is away: a second, and what a busy machine adds."""


@pytest.fixture
def url(running_redis: redis_server.Server) -> str:
    return running_redis.database()


@pytest.fixture
async def opening(url: str) -> AsyncIterator[Callable[[str], RedisCalls]]:
    """Opens the memory of live calls, as so many processes."""
    opened: list[RedisCalls] = []

    def open_one(process: str) -> RedisCalls:
        opened.append(RedisCalls(url, process))
        return opened[-1]

    yield open_one
    for calls in opened:
        await calls.close()


@contextlib.contextmanager
def stopped(server: redis_server.Server) -> Iterator[None]:
    """Redis is away, and comes back."""
    server.stop()
    try:
        yield
    finally:
        server.start()


async def until(is_so: Callable[[], bool]) -> None:
    assert await leftovers.until(is_so)


async def written(calls: RedisCalls) -> None:
    """Returns when all is. An answer that is too late, on a busy machine, is trouble that passes."""
    async with asyncio.timeout(leftovers.SETTLE_TIMEOUT_S):
        while not await calls.flush():
            await until(lambda: calls.trouble is None)


async def bodies(calls: RedisCalls, call_sid: str = CALL) -> list[bytes]:
    return [event.body for event in await calls.events(call_sid)]


async def test_what_one_process_wrote_another_one_reads(opening: Callable[[str], RedisCalls]) -> None:
    """And goes on with the numbers."""
    old, new = opening("old"), opening("new")
    old.append(CALL, "stream_started", b"1")
    old.append(CALL, "turn_ended", b"\xff")
    assert await old.flush()
    new.append(CALL, "stream_started", b"3")
    assert [(event.sequence, event.body) for event in await new.events(CALL)] == [
        (1, b"1"), (2, b"\xff"), (3, b"3"),
    ]  # fmt: skip


async def test_two_who_write_to_one_call_each_keep_their_order(opening: Callable[[str], RedisCalls]) -> None:
    old, new = opening("old"), opening("new")
    for number in range(500):
        old.append(CALL, "turn_ended", b"old %d" % number)
        new.append(CALL, "turn_ended", b"new %d" % number)
        if number % 50 == 0:
            await asyncio.sleep(0)
    assert await old.flush()
    assert await new.flush()
    found = await bodies(opening("third"))
    for name in (b"old", b"new"):
        assert [body for body in found if body.startswith(name)] == [b"%b %d" % (name, n) for n in range(500)]


async def test_a_token_is_honoured_once_over_all_processes(opening: Callable[[str], RedisCalls]) -> None:
    processes = [opening(name) for name in ("one", "two", "three")]
    digests = [b"%d" % number for number in range(50)]
    claims = [calls.claim_token(digest, time.time() + 30) for digest in digests for calls in processes]
    answers = await asyncio.gather(*claims)
    assert [sum(answers[at : at + 3]) for at in range(0, 150, 3)] == [1] * 50


async def test_a_call_lies_there_for_as_long_as_it_is_kept(
    url: str, opening: Callable[[str], RedisCalls]
) -> None:
    """Redis itself drops it: words a quarter of an hour after the last event, the outline after a day."""
    calls = opening("one")
    for kind in ("stream_started", "turn_ended"):
        calls.append(CALL, kind, b"{}")
    assert await calls.flush()
    redis_server.pass_time(url, QUIET_S - 30)
    calls.append(CALL, "call_reported", b"{}")
    assert await calls.flush()
    redis_server.pass_time(url, QUIET_S - 30)
    assert len(await calls.events(CALL)) == 3
    redis_server.pass_time(url, 120)
    assert [event.kind for event in await calls.events(CALL)] == ["stream_started", "call_reported"]
    redis_server.pass_time(url, KEPT.outline_s)
    assert await calls.events(CALL) == ()
    assert redis_server.keys(url) == []


async def test_no_word_of_a_call_that_is_over_is_left(url: str, opening: Callable[[str], RedisCalls]) -> None:
    calls = opening("one")
    calls.append(CALL, "turn_ended", b"spoken")
    assert await calls.flush()
    calls.append(CALL, OVER, b"{}")
    calls.append(CALL, "turn_ended", b"late")
    assert await calls.flush()
    assert await bodies(calls) == [b"{}"]
    assert [key for key in redis_server.keys(url) if b"words" in key] == []


@pytest.mark.parametrize("is_hanging", [False, pytest.param(True, marks=pytest.mark.heavy)])
async def test_while_redis_is_away_calls_go_on_and_nothing_is_lost(
    running_redis: redis_server.Server, opening: Callable[[str], RedisCalls], *, is_hanging: bool
) -> None:
    """It has stopped, or hangs behind a net that swallows all. That is told, and whoever asks is answered."""
    calls, other = opening("one"), opening("two")
    calls.append(CALL, "stream_started", b"1")
    assert await calls.claim_token(b"used", time.time() + 30)
    assert await calls.flush()
    assert await bodies(other) == [b"1"]
    began = time.monotonic()
    running_redis.pause() if is_hanging else running_redis.stop()
    try:
        calls.append(CALL, "turn_ended", b"2")
        assert not await calls.flush()
        await until(lambda: other.trouble is not None)  # Though it writes nothing.
        assert time.monotonic() - began < 2 * ANSWERED_WITHIN_S
        assert "password" not in str(calls.trouble)
        assert "in time" in str(calls.trouble) if is_hanging else "cannot be reached" in str(calls.trouble)
        began = time.monotonic()
        assert await bodies(calls) == [b"2"]
        assert await calls.claim_token(b"new", time.time() + 30)
        assert not await calls.claim_token(b"new", time.time() + 30)
        assert not await calls.claim_token(b"used", time.time() + 30)
        assert time.monotonic() - began < ANSWERED_WITHIN_S
    finally:
        running_redis.resume() if is_hanging else running_redis.start()
    await until(lambda: calls.trouble is None and other.trouble is None)
    calls.append(CALL, "turn_ended", b"3")
    assert await calls.flush()
    assert await bodies(other) == [b"1", b"2", b"3"]
    assert not await other.claim_token(b"new", time.time() + 30)


@pytest.mark.heavy
async def test_a_batch_of_which_nobody_knows_whether_it_arrived_is_written_once(
    running_redis: redis_server.Server, opening: Callable[[str], RedisCalls], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis hangs with the batch in its buffer. It is sent again on another connection, and both are read."""
    with monkeypatch.context() as impatient:
        impatient.setattr(open_redis, "ANSWER_S", 0.1)
        calls = opening("one")
        calls.append(CALL, "stream_started", b"first")
        await written(calls)
        for attempt in range(3):
            running_redis.pause()
            for number in range(20):
                calls.append(CALL, "turn_ended", b"%d.%d" % (attempt, number))
            assert not await calls.flush()
            running_redis.resume()
            await written(calls)
    told = [b"%d.%d" % (attempt, number) for attempt in range(3) for number in range(20)]
    assert await bodies(opening("two")) == [b"first", *told]


@pytest.mark.heavy
async def test_beyond_the_bound_only_memory_is_shed_and_the_rest_is_caught_up(
    running_redis: redis_server.Server, opening: Callable[[str], RedisCalls]
) -> None:
    calls = opening("one")
    calls.append(CALL, "stream_started", b"")
    assert await calls.flush()
    with stopped(running_redis):
        await until(lambda: calls.trouble is not None)
        for number in range(EVENTS_WAITING_MAX + 500):
            calls.append(CALL, "turn_ended", b"%d" % number)
        calls.append(CALL, "stream_ended", b"")
    await until(lambda: calls.trouble is None)
    assert await calls.flush()
    found = await bodies(opening("two"))
    assert len(found) + calls.events_shed == EVENTS_WAITING_MAX + 502
    assert 500 <= calls.events_shed <= 502
    assert (found[0], found[-1], found[-2]) == (b"", b"", b"%d" % (EVENTS_WAITING_MAX + 499))


@pytest.mark.heavy
async def test_a_full_redis_is_told_and_still_read(
    running_redis: redis_server.Server, opening: Callable[[str], RedisCalls]
) -> None:
    calls = opening("one")
    calls.append(CALL, "stream_started", b"1")
    assert await calls.flush()
    running_redis.asked("CONFIG SET maxmemory 1")
    try:
        calls.append(CALL, "turn_ended", b"2")
        assert not await calls.flush()
        assert "is full. Give it more memory" in str(calls.trouble)
        assert await bodies(calls) == [b"1", b"2"]
    finally:
        running_redis.asked("CONFIG SET maxmemory 0")
    await until(lambda: calls.trouble is None)
    assert await bodies(opening("two")) == [b"1", b"2"]


@pytest.mark.heavy
async def test_one_that_became_a_copy_is_left_for_who_has_its_address_now(
    url: str, running_redis: redis_server.Server
) -> None:
    """A host that changes the roles of two servers moves the name, and cuts nobody's connection."""
    async with Wire(running_redis.port) as way:
        calls = RedisCalls(url.replace(f":{running_redis.port}/", f":{way.port}/"), "one")
        calls.append(CALL, "stream_started", b"1")
        assert await calls.flush()
        running_redis.asked("REPLICAOF 127.0.0.1 9")
        try:
            calls.append(CALL, "turn_ended", b"2")
            assert not await calls.flush()
            assert "is a copy, which takes no writes" in str(calls.trouble)
            await until(lambda: way.connections > 2)
        finally:
            running_redis.asked("REPLICAOF NO ONE")
        await until(lambda: calls.trouble is None)
        assert await bodies(calls) == [b"1", b"2"]
        await calls.close()


async def test_what_cannot_be_read_of_one_call_is_lost_for_that_call_alone(
    url: str, opening: Callable[[str], RedisCalls], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has written there."""
    monkeypatch.setattr(writer_thread, "FAILURE_PAUSE_S", 0.0)
    calls = opening("one")
    calls.append(CALL, "stream_started", b"1")
    calls.append("CA2", "stream_started", b"2")
    assert await calls.flush()
    redis_server.spoil(url, outline_key(CALL), "7")
    assert await bodies(calls) == []
    await until(lambda: calls.trouble is None)
    assert await bodies(calls, "CA2") == [b"2"]


@pytest.mark.heavy
async def test_a_fault_of_ours_loses_nothing_and_is_told_when_it_stays(
    opening: Callable[[str], RedisCalls], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, doomed = opening("one"), opening("two")
    with monkeypatch.context() as broken:
        broken.setattr(OpenRedis, "write", lambda *_, **__: 1 / 0)
        broken.setattr(writer_thread, "FAILURE_PAUSE_S", 0.1)
        calls.append(CALL, "stream_started", b"1")
        await until(lambda: calls.trouble is not None)
    await until(lambda: calls.trouble is None)
    assert await bodies(calls) == [b"1"]
    monkeypatch.setattr(writer_thread, "FAILURE_PAUSE_S", 0.0)
    monkeypatch.setattr(OpenRedis, "write", lambda *_, **__: 1 / 0)
    doomed.append("CA2", "stream_started", b"2")
    async with asyncio.timeout(10):
        assert "Restart the process" in await doomed.died()
    assert await bodies(doomed, "CA2") == [b"2"]
    assert not await doomed.flush()


async def test_what_is_wrong_is_told_without_the_password(running_redis: redis_server.Server) -> None:
    where = f"127.0.0.1:{running_redis.port}"
    assert shown(f"redis://user:password-1@{where}/3?ssl_ca_certs=x") == f"redis://{where}/3"
    told = await asyncio.to_thread(look_at_redis, f"redis://user:password-1@{where}/0")
    assert "does not let callbridge in" in told.away
    assert "password-1" not in told.away
    gone = await asyncio.to_thread(look_at_redis, "redis://:password-1@127.0.0.1:9/0")
    assert "Redis at redis://127.0.0.1:9/0 cannot be reached" in gone.away


async def test_a_redis_that_drops_what_live_calls_need_is_found(running_redis: redis_server.Server) -> None:
    assert (await asyncio.to_thread(look_at_redis, running_redis.address)).advice == ()
    running_redis.asked("CONFIG SET maxmemory-policy allkeys-lru\r\nCONFIG SET appendonly no")
    try:
        found = (await asyncio.to_thread(look_at_redis, running_redis.address)).advice
    finally:
        running_redis.asked("CONFIG SET maxmemory-policy noeviction\r\nCONFIG SET appendonly yes")
    assert ["allkeys-lru" in found[0][0], "appendonly is off" in found[1][0]] == [True, True]
