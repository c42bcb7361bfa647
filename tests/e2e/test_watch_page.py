"""A call watched in a real browser while it goes on, and listened to afterwards; odd calls at every width."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import stories
import watched
from browsers import Faults, browser, chromium
from callbridge.agents.agent import Agent
from callbridge.cli.development.watching import watched as watched_service
from callbridge.console.app import Section, create_console
from callbridge.console.guard import new_address
from callbridge.console.watch import CALLS_PATH
from callbridge.server.process.listening.listening import pages_config, tcp_listener
from callbridge.server.process.listening.serving import serving
from callbridge.simulators.phone import CallerScript, HangUp, Interrupt, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import stack
from leftovers import until
from random_calls import noise
from watched import KEY, Kept, watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from fastapi import FastAPI
    from playwright.async_api import Page

    from callbridge.server.config.settings import Settings
    from e2e.stack import Log, Stack
    from machine import Machine

NAMED = re.compile('- [\\w/]+ "[^"]+"|- text: |- status')
"""A role and a name; or a text, which is its own."""

PLAYED = """(audio, ms) => new Promise((done) =>
    audio.addEventListener("timeupdate", () => audio.currentTime * 1000 > ms && done()))"""

WIDTHS = (360, 768, 1280, 1600)


def agent() -> Agent:
    clinic = Agent(name="clinic", greeting="Good day, the clinic.")

    @clinic.tool
    def find_slot(day: str) -> str:
        """A free slot."""
        return f"{day}, half past nine"

    return clinic


def talk() -> tuple[Script, list[Any]]:
    """Greeted, a tool, an answer that is cut, a goodbye."""
    rng = random.Random("watched")

    def says(words: str, ms: int) -> Speech:
        return Speech(text=words, audio=noise(rng, ms))

    answers = (
        Answer(say=(says("Good day, the clinic.", 900),)),
        Answer(
            calls=(Call(name="find_slot", arguments={"day": "Monday"}),),
            caller="I need a doctor on Monday.",
            transcript_after_ms=20,
        ),
        Answer(
            say=(says("Monday at half past nine is free. Shall I book it for you, or another day?", 4000),)
        ),
        Answer(
            say=(says("Goodbye.", 500),),
            calls=(Call(name="end_call"),),
            caller="No, thank you, bye.",
            transcript_after_ms=20,
        ),
    )
    quiet = WaitForAgent(quiet_ms=300)
    steps = [quiet, Say(noise(rng, 900)), Interrupt(1500, noise(rng, 700)), WaitForEnd()]
    return Script(answers=answers, after_ms=20, pace=3), steps


@contextlib.asynccontextmanager
async def pages(app: FastAPI, settings: Settings) -> AsyncIterator[str]:
    """The address of pages that are served."""
    with contextlib.closing(tcp_listener()) as listener:
        async with serving(pages_config(app, settings), listener):
            yield new_address("127.0.0.1", listener.getsockname()[1], KEY)


@contextlib.asynccontextmanager
async def watched_stack(folder: Path, script: Script) -> AsyncIterator[tuple[Stack, str]]:
    """A service, and the address of its pages."""
    environment = {
        "CALLBRIDGE_RECORDINGS": str(folder / "recordings"),
        "CALLBRIDGE_STATE_PATH": str(folder / "state.db"),
        "CALLBRIDGE_KEEP_WORDS": "true",
        "CALLBRIDGE_REPLAY_SHARE": "1",
    }
    async with (
        stack(script, agent=agent(), environment=environment) as running,
        watched_service(running.desk, is_public=False, is_own=lambda _sid: True) as watch,
    ):
        app = create_console([Section("Calls", CALLS_PATH, watch.router())], key=KEY)
        async with pages(app, running.settings) as address:
            yield running, address
            watch.book.close()


class Watched:
    """A page on which somebody watches."""

    def __init__(self, page: Page) -> None:
        self.page, self.faults = page, Faults()

    @property
    def wrong(self) -> list[str]:
        """What went wrong. What a page still asked for when it was left did not."""
        return [fault for fault in self.faults.found if "ERR_ABORTED" not in fault]

    async def text(self, selector: str) -> str:
        """What stands there."""
        return await self.page.locator(selector).inner_text()


@pytest.mark.heavy
async def test_a_call_is_watched_and_then_listened_to(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes up by itself, word by word, and what was cut is marked; then its sound is played."""
    chromium()
    monkeypatch.chdir(tmp_path)
    script, steps = talk()
    async with (
        watched_stack(tmp_path, script) as (running, address),
        browser() as chrome,
        asyncio.TaskGroup() as tasks,
    ):
        on_page = Watched(await chrome.new_page())
        page = on_page.page
        await on_page.faults.watch(page)
        await page.goto(address)
        await page.get_by_text("No call is on").wait_for()
        calling = tasks.create_task(running.call(CallerScript(steps)))
        await page.get_by_role("link", name="Watch the call").click()
        said = page.locator("#saying .said.agent").filter(has_text="Monday at half past nine")
        await said.wait_for()
        assert "Shall I book it" not in await on_page.text("#course"), "it is still being said"
        await page.locator("#course del.cut").filter(has_text="another day?").wait_for()
        assert await page.locator("#course .heard").filter(has_text="Monday at half past").count()
        tool = page.locator("#course .tool").filter(has_text="find_slot")
        assert "answered" in await tool.inner_text()
        assert "half past nine" in await tool.inner_text()
        assert await page.locator("#log li").filter(has_text="tool_used").count()
        assert await page.locator("#course .wait-bar").count()
        call = await calling

        await page.locator("audio").wait_for(timeout=20_000)
        assert page.url.endswith(f"/calls/{call.sid}")
        await plays_and_seeks(page)
        await page.get_by_role("button", name="Turn into a test").click()
        command = await page.locator(".frozen code").last.inner_text()
        scenario = tmp_path / command.removeprefix("callbridge test ")
        assert "find_slot" in await asyncio.to_thread(scenario.read_text)
        async with page.expect_download() as download:
            await page.get_by_role("link", name="WAV").click()
        assert (await download.value).suggested_filename == f"{call.sid}.wav"
        await page.get_by_role("link", name="All calls").click()
        await page.get_by_role("link", name=f"Call ending in {call.sid[-6:]}").wait_for()
        assert on_page.wrong == []


async def plays_and_seeks(page: Page) -> None:
    """By a button, by a click into the lanes, by the keyboard; each side alone."""
    audio = page.locator("audio")
    turns = page.locator("#course .turn")
    at_ms = [int(str(await turn.get_attribute("data-at-ms"))) for turn in await turns.all()]
    assert at_ms == sorted(at_ms)
    await turns.nth(1).get_by_role("button").click()
    await audio.evaluate(PLAYED, at_ms[1] + 200)
    assert await audio.evaluate("a => a.error") is None
    assert await turns.nth(1).get_attribute("aria-current") == "true"
    await page.get_by_role("radio", name="agent").check()
    await page.locator("h1").click()
    await page.keyboard.press("Space")
    assert await audio.evaluate("a => a.paused")
    await page.keyboard.press("j")
    assert await audio.evaluate("a => Math.round(a.currentTime * 1000)") <= at_ms[1]
    await page.keyboard.press("1")
    assert await page.get_by_role("radio", name="caller").is_checked()
    box = await page.locator("svg.lanes").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 60)
    share = await audio.evaluate("a => a.currentTime / a.duration")
    assert share == pytest.approx(0.5, abs=0.1)
    whole_s = await audio.evaluate("a => a.duration")
    assert whole_s > 4


@pytest.mark.heavy
async def test_odd_calls_fit_every_width_and_have_names(tmp_path: Path) -> None:
    """Long words, text from right to left, 200 turns, no words, no recording."""
    chromium()
    odd = [stories.RICH, watched.long_story(), watched.wordless_story()]
    app, _ = watching(Kept(odd))
    async with stack(Script()) as running, pages(app, running.settings) as address, browser() as chrome:
        on_page = Watched(await chrome.new_page())
        page = on_page.page
        await on_page.faults.watch(page)
        await page.goto(address)
        await page.wait_for_url("**/calls")
        for path in ("", *(f"/{story.call_sid}" for story in odd)):
            await page.goto(address.partition("/?")[0] + CALLS_PATH + path)
            await has_names(page)
            for width in WIDTHS:
                await page.set_viewport_size({"width": width, "height": 800})
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"{path or 'the list'} is {wide} px wide at {width}"
        await page.goto(address.partition("/?")[0] + f"{CALLS_PATH}/{stories.SID}")
        await page.get_by_role("button", name="Turn into a test").press("Enter")
        await page.get_by_text("callbridge test tests/a_call.call.toml").wait_for()
        assert on_page.wrong == []


async def has_names(page: Page) -> None:
    """Everything that can be used, and every part that is led to, has a name for who does not see it."""
    names = await page.locator("button, a, input, select, table, [role], svg a, audio").all()
    for one in names[:20]:
        snapshot = (await one.aria_snapshot()).replace("'", "")
        assert not snapshot or NAMED.match(snapshot), snapshot


# --- Many tabs ----------------------------------------------------------------------------------------

TABS = 10
WINDOW_S = 4.0

READ_ALL = """
import asyncio, sys
async def read(host, port, path, cookie):
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\nCookie: {cookie}\\r\\n\\r\\n"
    writer.write(head.encode())
    size = 0
    try:
        while data := await reader.read(65536):
            size += len(data)
    finally:
        print(size, flush=True)
async def main(count, *where):
    await asyncio.gather(*(read(*where) for _ in range(int(count))))
asyncio.run(main(*sys.argv[1:]))
"""
"""Tabs, in a process of their own: what they do with what they get is not to be measured."""


@pytest.mark.long  # Judged by time, for a quarter of a minute.
async def test_many_tabs_do_not_slow_a_call(
    tmp_path: Path, machine: Machine, figures: Callable[[str], None]
) -> None:
    """How late the loop is that carries the audio: without tabs, and with ten that show the call."""
    rng = random.Random("tabs")
    said = Speech(text="Monday is free, and so is Tuesday, and on Friday too.", audio=noise(rng, 900))
    quiet, word = WaitForAgent(quiet_ms=50), noise(rng, 300)
    steps = [step for _ in range(60) for step in (quiet, Say(word))]
    script = Script(default=Answer(say=(said,), caller="When?", transcript_after_ms=10), after_ms=20)
    async with watched_stack(tmp_path, script) as (running, address), asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(running.call(CallerScript([*steps, HangUp()])))
        assert await until(lambda: bool(running.desk.live_calls.call_sids))
        (call_sid,) = running.desk.live_calls.call_sids
        base, cookie = address.partition("/?")[0], await let_in(address)
        late: dict[bool, list[float]] = {False: [], True: []}
        for has_tabs in (False, True, False, True):
            count = TABS if has_tabs else 0
            async with tabs(count, base, f"{CALLS_PATH}/{call_sid}/live", cookie) as told:
                late[has_tabs] += await lateness_ms(WINDOW_S)
            assert len(told) == count
            assert all(size > 20_000 for size in told), "each was shown the call"
        calling.cancel()
    p50, p99 = ([share(late[has_tabs], percent) for has_tabs in (False, True)] for percent in (50, 99))
    figures(
        f"the loop is late by {p50[0]:.2f} ms (p99 {p99[0]:.1f}) without a tab, "
        f"by {p50[1]:.2f} ms (p99 {p99[1]:.1f}) with {TABS}"
    )
    assert p99[1] <= p99[0] + 20 + machine.late_ms


async def let_in(address: str) -> str:
    """The cookie of a browser that has opened the first address."""
    async with httpx.AsyncClient() as client:
        opened = await client.get(address)
    return str(opened.headers["set-cookie"]).partition(";")[0]


@contextlib.asynccontextmanager
async def tabs(count: int, base: str, path: str, cookie: str) -> AsyncIterator[list[int]]:
    """So many that show a call. At the end how much each has got."""
    host, port = base.removeprefix("http://").split(":")
    told: list[int] = []
    if not count:
        yield told
        return
    reading = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", READ_ALL, str(count), host, port, path, cookie),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield told
    finally:
        reading.send_signal(2)
        out, _ = await reading.communicate()
        told += map(int, out.split())


async def lateness_ms(for_s: float) -> list[float]:
    """How late the loop is, looked at every 5 ms."""
    loop, found = asyncio.get_running_loop(), []
    end = loop.time() + for_s
    while (at := loop.time()) < end:
        await asyncio.sleep(0.005)
        found.append((loop.time() - at - 0.005) * 1000)
    return found


def share(values: list[float], percent: int) -> float:
    """The value that so many per cent do not exceed."""
    return sorted(values)[len(values) * percent // 100]
