"""A real Chromium for tests of pages: with a microphone that plays a file, and whatever goes wrong noted."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""In a container, and without a word to anybody."""


def chromium() -> str:
    """The program. Skips the test where none is installed, or nothing that drives it."""
    pytest.importorskip("playwright", reason="a browser is driven by playwright")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser is installed: {', '.join(NAMES)}")
    return found


@contextlib.asynccontextmanager
async def browser(microphone: Path | None = None) -> AsyncIterator[Browser]:
    """One that runs. `microphone`: a WAV file that is said once; without it there is no microphone."""
    program = chromium()
    from playwright.async_api import async_playwright  # noqa: PLC0415 - it may not be there

    heard = (
        ()
        if microphone is None
        else (
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        )
    )
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=[*QUIET, *heard])
        try:
            yield started
        finally:
            await started.close()


@dataclass
class Faults:
    """What a page has done wrong: errors, failed requests, what its policy forbids."""

    found: list[str] = field(default_factory=list)

    async def watch(self, page: Page) -> None:
        """From now on. A violation of the policy is an error in the console."""
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("requestfailed", self._failed)

    def _failed(self, request: Any) -> None:
        if request.resource_type != "eventsource":  # A page that needs no more of one breaks it off.
            self.found.append(f"failed: {request.url} {request.failure}")

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.found.append(f"{message.type}: {message.text}")
