"""The demo's call as lines on a terminal, in the order in which things are heard.

A line may be known late: a model tells the text of an answer while its voice is already heard. So every line
is held back for a moment, and the lines are sorted by their times.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from callbridge.call import facts
from callbridge.simulators.phone import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from callbridge.call.facts import Fact
    from callbridge.simulators.phone import PhoneEvent
    from callbridge.simulators.voice_model import Journal, Note

HOLD_S: Final = 2.0
"""The text of the longest answer comes within this after its first sound."""


class Screen:
    """Turns what happens into lines, each with the seconds since the call was placed.

    Args:
        console: where they are shown.
        caller_says: what the caller says, one utterance after the other.
    """

    def __init__(self, console: Console, caller_says: Iterable[str]) -> None:
        self._console = console
        self._caller_says = iter(caller_says)
        self._placed_at = 0.0
        self._held: list[tuple[float, int, str, str]] = []
        self._numbers = itertools.count()
        """Lines of one moment keep their order."""
        self._caller_silent_at: float | None = None
        self._is_agent_heard = False
        self._voice: tuple[float, str] | None = None
        """Since when the agent is heard whose words are not known yet, and how soon that was."""
        self._words: str | None = None
        """What the agent says and is not heard yet."""
        self._is_over = False

    def show_phone(self, event: PhoneEvent) -> None:
        """What the caller says and hears, and what Twilio does."""
        match event:
            case events.CallPlaced(at, _, _, to_number):
                self._placed_at = at
                self._put(at, "caller", f"dials {to_number}")
            case events.WebhookAnswered(at, url, status, took_ms):
                self._put(at, "twilio", f"asks {url}: HTTP {status} in {took_ms:.0f} ms")
            case events.StreamStarted(at):
                self._put(at, "twilio", "opens the media stream")
            case events.AgentAudioStarted(at):
                self._agent_is_heard(at)
            case events.AgentAudioStopped():
                self._agent_is_silent()
            case events.CallerSpeaking(at, is_interrupting):
                self._caller_speaks(at, is_interrupting=is_interrupting)
            case events.CallerSilent(at):
                self._caller_silent_at = at
            case events.Cleared(at, discarded_ms):
                self._put(at, "twilio", f"throws {discarded_ms} ms of the agent's words away")
            case events.StreamEnded(at, code, by_whom):
                self._put(at, "twilio", f"the media stream is closed by the {by_whom}, code {code}")
            case events.CallEnded(at, status):
                self._put(at, "twilio", f"the call is {status}")
            case _:
                pass

    def show_model(self, _journal: Journal, note: Note) -> None:
        """What the agent says."""
        if note.kind != "agent_said":
            return
        if self._voice is not None:
            (at, how_soon), self._voice = self._voice, None
            self._put_words(at, note.text, how_soon)
        elif self._is_agent_heard:
            self._put_words(note.at, note.text)
        else:
            self._words = note.text

    def show_fact(self, fact: Fact) -> None:
        """What the service does."""
        now = asyncio.get_running_loop().time()
        match fact:
            case facts.AgentReady(model, after_ms):
                self._put(now, "service", f"{model} is ready after {after_ms} ms")
            case facts.ToolUsed(name, duration_ms):
                self._put(now, "service", f"ran the tool {name} in {duration_ms} ms")
            case facts.Interrupted(truncated):
                cuts = " and ".join(f"after {ms} ms" for _, ms in truncated) or "nowhere"
                self._put(
                    now, "service", f"[yellow]interrupted[/]: the answer is cut in the model's memory {cuts}"
                )
            case _:
                pass

    def finish(self) -> None:
        """Shows what is still held back. The loop in which it all happened may have ended."""
        self._is_over = True
        self._agent_is_silent()
        self._show_until(math.inf)

    # --- Who speaks ---

    def _caller_speaks(self, at: float, *, is_interrupting: bool) -> None:
        self._caller_silent_at = None
        where = " [yellow]into the agent's words[/]" if is_interrupting else ""
        self._put(at, "caller", f"[cyan]“{escape(next(self._caller_says, '…'))}”[/]{where}")

    def _agent_is_heard(self, at: float) -> None:
        self._is_agent_heard = True
        how_soon = ""
        if self._caller_silent_at is not None:
            how_soon = f" [dim]{(at - self._caller_silent_at) * 1000:.0f} ms after the caller[/]"
        self._caller_silent_at = None
        if self._words is None:
            self._voice = (at, how_soon)
        else:
            words, self._words = self._words, None
            self._put_words(at, words, how_soon)

    def _agent_is_silent(self) -> None:
        """What was heard without words gets none any more."""
        self._is_agent_heard = False
        if self._voice is not None:
            (at, how_soon), self._voice = self._voice, None
            self._put_words(at, "…", how_soon)

    def _put_words(self, at: float, words: str, how_soon: str = "") -> None:
        self._put(at, "agent", f"[green]“{escape(words)}”[/]{how_soon}")

    # --- Lines ---

    def _put(self, at: float, who: str, what: str) -> None:
        heapq.heappush(self._held, (at, next(self._numbers), who, what))
        if self._is_over:
            return
        since = math.inf if self._voice is None else self._voice[0]
        self._show_until(min(asyncio.get_running_loop().time() - HOLD_S, since))

    def _show_until(self, at: float) -> None:
        while self._held and self._held[0][0] <= at:
            when, _, who, what = heapq.heappop(self._held)
            line = Table.grid(padding=(0, 2, 0, 0))
            line.add_column(width=7, justify="right", style="dim")
            line.add_column(width=7, style="bold")
            line.add_column(overflow="fold")
            line.add_row(f"{max(when - self._placed_at, 0):.1f} s", who, what)
            self._console.print(line)
