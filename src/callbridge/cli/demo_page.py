"""The demo's call in a browser: while it runs, and afterwards with its sound, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import wave
import webbrowser
from array import array
from typing import TYPE_CHECKING, Final, Self

from callbridge.console.app import Section, create_console
from callbridge.console.call_book import CallBook
from callbridge.console.guard import new_address
from callbridge.console.lanes import Sound
from callbridge.console.watch import CALLS_PATH, Watch
from callbridge.observe.logs import lines_told
from callbridge.server.process.listening.listening import pages_config, tcp_listener
from callbridge.server.process.listening.serving import serving
from callbridge.wire.audio import encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from callbridge.records.story import CallStory
    from callbridge.server.process.desk import Desk

HOST: Final = "127.0.0.1"

NEXT_STEPS: Final = (
    ("Begin a project of your own, with an agent and a test of it", "callbridge init bakery"),
    ("Talk to it in the browser, without a number", "cd bakery && callbridge dev"),
    ("Read how agents are written", "README.md, Write an agent"),
)
"""What to do, and how."""


class DemoPage:
    """The page of one demo.

    Args:
        recording: where the sound of the call will be.
        opens_browser: whether one is opened.
        say: tells who ran the command.
    """

    def __init__(self, recording: Path, *, opens_browser: bool, say: Callable[[str], object]) -> None:
        self._recording, self._opens_browser, self._say = recording, opens_browser, say
        self._opened = contextlib.AsyncExitStack()
        self._book: CallBook | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._book is not None:
            self._book.close()
        await self._opened.aclose()

    async def show(self, desk: Desk) -> None:
        """Serves the page of the calls of this service, which is about to get one."""
        opened = self._opened
        book = self._book = CallBook(desk.feed.subscribe, desk.prices)
        await opened.enter_async_context(book.kept())
        opened.enter_context(lines_told(book.log_line))
        watch = Watch(book=book, sounds=self, next_steps=NEXT_STEPS, opens_live=True)
        key = secrets.token_urlsafe(16)
        pages = create_console([Section("Calls", CALLS_PATH, watch.router())], key=key)
        listener = opened.enter_context(contextlib.closing(tcp_listener(HOST)))
        await opened.enter_async_context(serving(pages_config(pages, desk.settings), listener))
        address = new_address(HOST, listener.getsockname()[1], key)
        self._say(f"The page: {address}")
        if self._opens_browser:
            with contextlib.suppress(webbrowser.Error):
                await asyncio.to_thread(webbrowser.open, address)

    async def sound(self, story: CallStory) -> Sound | None:
        """See `console.sources.Sounds`: as the simulated phone has heard it."""
        if not self._recording.exists() or not story.streams:
            return None
        return await asyncio.to_thread(_sound, self._recording, story.streams[0].began_ms)


def _sound(recording: Path, offset_ms: int) -> Sound:
    with wave.open(str(recording)) as file:
        samples = array("h", file.readframes(file.getnframes()))
    return Sound(encode(samples[0::2]), encode(samples[1::2]), offset_ms)
