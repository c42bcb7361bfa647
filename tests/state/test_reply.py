"""An answer from a thread arrives once, and nobody is hurt when nobody waits."""

from __future__ import annotations

import asyncio
import threading

import pytest

from callbridge.state.reply import Reply


async def test_a_thread_settles_it() -> None:
    reply: Reply[int] = Reply()
    thread = threading.Thread(target=reply.settle, args=(7,))
    thread.start()
    assert await reply.within(5) == 7
    thread.join()


async def test_the_first_answer_counts_even_without_time() -> None:
    """Settled, but the loop has not heard of it yet."""
    reply: Reply[bool] = Reply()
    reply.settle(False)
    reply.settle(True)
    assert await reply.within(0) is False
    assert await reply.within(1) is False


async def test_an_answer_after_the_wait_is_dropped() -> None:
    reply: Reply[int] = Reply()
    assert await reply.within(0) is None
    reply.settle(7)
    await asyncio.create_task(asyncio.sleep(0))  # The loop has been told before this.
    assert reply.value == 7


async def test_a_cancelled_wait_is_cancelled() -> None:
    reply: Reply[int] = Reply()
    waiting = asyncio.create_task(reply.within(5))
    await asyncio.create_task(asyncio.sleep(0))  # It began later, and has ended.
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_closed_loop_is_not_told() -> None:
    async def make() -> Reply[int]:
        return Reply()

    reply = asyncio.run(make())
    reply.settle(7)
    assert reply.value == 7
