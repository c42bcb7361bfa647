"""A function of the user's that is asked for a value keeps nobody else waiting, whatever it does."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.agents.asking import answer_of
from callbridge.agents.context import About, Call, Caller
from callbridge.agents.texts import summary_of, text_of
from callbridge.agents.tools.threads import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALL: Call[Any] = Call(About("CA1", Caller("+14155550100"), "+14155550199"), {})
released = threading.Event()


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    released.clear()
    yield
    released.set()


def blocks() -> str:
    released.wait(10)
    return "late"


async def hangs() -> str:
    await asyncio.Event().wait()
    return "never"


async def will_not_end() -> str:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize("function", [blocks, hangs, will_not_end])
async def test_who_is_late_is_not_waited_for(
    function: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the loop stand still, or a tool lack its thread."""
    monkeypatch.setattr("callbridge.agents.tools.leash.TIDY_UP_S", 0.02)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await answer_of(function, {}, 0.02)
    assert time.monotonic() - began < 1
    assert THREADS.running == 0


async def in_a_task() -> str:
    return threading.current_thread().name


async def test_a_plain_function_may_block() -> None:
    main = threading.main_thread().name
    assert await answer_of(lambda: threading.current_thread().name, {}, 1.0) != main
    assert await answer_of(in_a_task, {}, 1.0) == main
    assert await answer_of(lambda: in_a_task(), {}, 1.0) == main  # noqa: PLW0108  # A plain one around it.
    future = asyncio.get_running_loop().create_future()
    future.set_result("there")
    assert await answer_of(lambda: future, {}, 1.0) == "there"


async def exits_in_a_task() -> str:
    raise SystemExit(3)


def exits() -> str:
    raise SystemExit(3)


@pytest.mark.parametrize("function", [exits, exits_in_a_task])
async def test_a_text_that_exits_does_not_end_the_process(function: Any) -> None:
    assert await text_of(function, CALL, "Be brief.", "instructions") == "Be brief."
    assert await summary_of(function, CALL) is None
