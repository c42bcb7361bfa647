"""A call from the page, in a real browser: by a microphone that plays a file, by keys, by typing."""

from __future__ import annotations

import contextlib
import re
import wave
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from browsers import Faults, browser, chromium
from callbridge.console.vendored import STATIC
from callbridge.simulators import audio
from e2e.dev_runs import dev
from leftovers import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from playwright.async_api import Page

    from e2e.dev_runs import Dev
    from machine import Machine

pytestmark = pytest.mark.heavy

BAKERY = '''
from callbridge import Agent

agent = Agent(name="{name}", greeting="Harbour Bakery, hello! How can I help you?")


@agent.tool
def opening_hours(day: str) -> str:
    """When the bakery is open."""
    return "from eight until two"
'''

WHAT_THE_CALLER_SAYS = (
    (5.5, "caller_question_hours"),
    (14.5, "caller_question_cakes"),
    (20.0, "caller_interrupts"),
    (28.0, "caller_goodbye"),
)
"""Seconds after the call begins. The lines of the built-in bakery, and pauses in which it has answered."""

LATE_MS = 60
"""So far what the model is told may be from what the page has played."""


def microphone(file: Path, says: Sequence[tuple[float, str]] = WHAT_THE_CALLER_SAYS) -> Path:
    """What the caller says in the call, as a file."""
    speech = STATIC.parents[1] / "simulators" / "speech"
    line = b""
    for at_s, name in says:
        line = line.ljust(round(at_s * 8000), b"\xff") + (speech / f"{name}.ulaw").read_bytes()
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(audio.decode_mulaw(line + b"\xff" * 8000 * 20).tobytes())
    return file


@dataclass
class Talk:
    """A page on which somebody calls, and what it tells of the call."""

    page: Page
    faults: Faults
    events: list[dict[str, Any]] = field(default_factory=list)

    async def has(self, event: str, times: int = 1, **fields: Any) -> dict[str, Any]:
        """Waits until it has told this so often; the last of them."""

        def found() -> list[dict[str, Any]]:
            return [one for one in self.events if one["event"] == event and fields.items() <= one.items()]

        assert await until(lambda: len(found()) >= times, 60), (event, self.events[-20:])
        return found()[-1]

    async def state(self, words: str) -> None:
        """Waits until screen readers are told so."""
        await self.page.get_by_role("status").filter(has_text=words).wait_for()


@contextlib.asynccontextmanager
async def talk(
    folder: Path, said: Path | None = None, agent: str = "bakery", spies: str = ""
) -> AsyncIterator[tuple[Dev, Talk]]:
    """`callbridge dev`, and a browser at the address that it prints."""
    chromium()
    async with dev(folder, agent=BAKERY.format(name=agent)) as running, browser(said) as chrome:
        line = await running.until("/?key=")
        page = await chrome.new_page()
        on_page = Talk(page, Faults())
        await on_page.faults.watch(page)
        await page.expose_function("phoneTold", lambda event: on_page.events.append(event))  # noqa: PLW0108  # Playwright marks it.
        await page.add_init_script("document.addEventListener('phone', (e) => phoneTold(e.detail))")
        await page.add_init_script(spies)
        await page.goto(line.split()[-1])
        await page.get_by_role("button", name="Call", exact=True).wait_for()
        assert "key=" not in page.url
        yield running, on_page


async def test_a_whole_call_by_microphone(
    tmp_path: Path, figures: Callable[[str], None], machine: Machine
) -> None:
    """Greeted, answered, interrupted, put down by the agent; the model knows what the page has played."""
    async with talk(tmp_path, microphone(tmp_path / "said.wav")) as (running, on_page):
        await on_page.page.get_by_role("button", name="Call", exact=True).click()
        await on_page.state("In the call")
        over = await on_page.has("over")
        assert over["status"] == "completed"
        await on_page.state("The call is over")
        written = await on_page.page.get_by_role("list", name="On the line").inner_text()
        for words in (
            "You: Hello, are you open on Sunday?",
            "Agent: You are welcome. Goodbye!",
            "opening_hours",
        ):
            assert words in written
        assert on_page.faults.found == []
        assert await running.ends() == 0
    events, output = on_page.events, running.output
    for words in ("Hello, are you open on Sunday?", "from eight until two", "You are welcome. Goodbye!"):
        assert words in output
    (cleared,) = [event for event in events if event["event"] == "cleared" and event["discarded"]]
    begun = [event for event in events[: events.index(cleared)] if event["event"] == "playing"][-1]
    ended = [event for event in events[: events.index(begun)] if event["event"] == "quiet"][-1]
    heard_ms = (cleared["played"] - ended["played"]) / 8
    told = re.search(r"truncated_ms=\{item_\w+=(\d+)\}", output)
    assert told is not None, output
    figures(f"truncation in the page: {int(told[1]) - heard_ms:+.0f} ms of {heard_ms:.0f} ms")
    echoed = [event["name"] for event in events if event["event"] == "mark"]
    sent = [
        event["mark"] for event in events if event.get("mark") is not None and event["event"] == "message"
    ]
    assert echoed == sent, "every mark came back, in order"
    apart_ms = abs(int(told[1]) - heard_ms)
    # The service and the browser have processes of their own: the idle loop of the test tells of the machine.
    machine.judge([f"{apart_ms:.0f} ms apart"] if apart_ms > LATE_MS else [], tolerates_ms=LATE_MS / 3)


async def test_without_a_microphone_by_keyboard_alone(tmp_path: Path) -> None:
    """Typed, keys pressed, hung up; then the agent's code is broken, and mended: the next call gets it."""
    async with talk(tmp_path) as (running, on_page):
        page, press = on_page.page, on_page.page.keyboard.press
        await has_names_and_fits(page)
        await tab_to(page, "Call")
        await press("Enter")
        await on_page.state("In the call")
        await on_page.has("quiet")
        assert await focused(page) == "Hang up"
        await press("5")
        await on_page.has("key", digit="5")
        await tab_to(page, "Type what you say")
        await page.keyboard.type("Are you open on Sunday? 2")
        await press("Enter")
        await on_page.has("typed")
        assert [event["digit"] for event in on_page.events if event["event"] == "key"] == ["5"], (
            "2 was written"
        )

        (tmp_path / "bakery.py").write_text("agent = \n")
        await page.get_by_text("the new code has a fault").wait_for()
        await running.until("The agent before goes on answering.")
        assert not [event for event in on_page.events if event["event"] == "over"]
        (tmp_path / "bakery.py").write_text(BAKERY.format(name="mended"))
        await page.get_by_text("the next call gets it").wait_for()

        await tab_to(page, "Hang up")
        await press("Enter")
        await on_page.state("The call is over: completed")
        assert await focused(page) == "Call"
        await press("Enter")
        await on_page.has("stream", times=2)
        await running.until("agent=mended")
        await tab_to(page, "Hang up")
        await press("Enter")
        await on_page.has("over", times=2)
        assert on_page.faults.found == []
        assert await running.ends() == 0
    assert "reason=caller_hangup" in running.output


SPIES = """
const tracks = [], sent = [], media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
media.getUserMedia = async (wanted) => {
  const found = await open(wanted);
  tracks.push(...found.getTracks());
  return found;
};
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) {
  const { media } = JSON.parse(text);
  if (media) sent.push([...atob(media.payload)].some((byte) => byte !== "\\xff"));
  return send.call(this, text);
};
window.openTracks = () => tracks.filter((track) => track.readyState === "live").length;
window.frames20ms = () => ({ loud: sent.filter(Boolean).length, all: sent.length });
"""


async def test_a_microphone_is_open_in_calls_alone_and_not_heard_when_muted(tmp_path: Path) -> None:
    """Muted before the first call; switched over and over; hung up while another one is opened."""
    said = microphone(tmp_path / "said.wav", [(0.1, "caller_question_hours"), (3.0, "caller_goodbye")])
    async with talk(tmp_path, said, spies=SPIES) as (_, on_page):
        page = on_page.page
        call = page.get_by_role("button", name="Call", exact=True)
        mute = page.get_by_role("button", name="Mute")
        await mute.click()
        assert await mute.get_attribute("aria-pressed") == "true"
        await page.get_by_text("Microphone and numbers").click()
        await page.get_by_label("Noise suppression").click()
        assert await page.evaluate("openTracks()") == 0
        await call.click()
        await on_page.state("In the call")
        assert await eventually(page, "frames20ms().all > 50")  # The file speaks from its beginning.
        await page.evaluate("for (let n = 0; n < 5; n++) document.getElementById('echo').click()")
        assert await eventually(page, "openTracks() === 1")
        await page.evaluate("document.getElementById('gain').click()")
        await page.get_by_role("button", name="Hang up").click()
        await on_page.has("over")
        await page.evaluate("document.getElementById('gain').click()")
        assert await eventually(page, "openTracks() === 0")
        assert await page.evaluate("frames20ms().loud") == 0
        await mute.click()
        await call.click()
        assert await eventually(page, "frames20ms().loud > 0")
        await page.get_by_role("button", name="Hang up").click()
        await on_page.has("over", times=2)
        assert on_page.faults.found == []


async def eventually(page: Page, true: str) -> bool:
    """Whether it becomes true. Playwright's own way of asking is one that the policy forbids."""
    is_true = False
    for _ in range(200):
        is_true = bool(await page.evaluate(true))
        if is_true:
            break
        await page.wait_for_timeout(50)
    return is_true


async def has_names_and_fits(page: Page) -> None:
    """What can be used has a name for who does not see it, and nothing is wider than the window."""
    for part in ("button", "textbox", "checkbox", "combobox", "link", "meter"):
        for one in await page.get_by_role(part, include_hidden=True).all():
            snapshot = await one.aria_snapshot()
            is_hidden = not await one.is_visible()
            assert is_hidden or re.match(r'- \w+ "[^"]+"', snapshot), snapshot
    for width in (1600, 1280, 768, 360):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def focused(page: Page) -> str:
    """The name of what has the focus."""
    script = "(e => e.labels?.[0]?.textContent ?? e.getAttribute('aria-label') ?? e.textContent)"
    return str(await page.evaluate(f"{script}(document.activeElement)")).strip()


async def tab_to(page: Page, name: str) -> None:
    """By the key alone."""
    for _ in range(60):
        if await focused(page) == name:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{name} cannot be reached")
