"""A desk with nothing real behind it: clocks that a test turns, a state that can hang, nobody to dial."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from callbridge.bridge.legs.leg import SocketLeg
from callbridge.bridge.relay import HearWords
from callbridge.bridge.waiting import WaitingRoom
from callbridge.observe.loop_watch import Lags
from callbridge.server.config.retention import retention
from callbridge.server.config.settings import VARIABLES, Settings, read_settings
from callbridge.server.process.desk import Desk, open_desk
from callbridge.state.callers import CallerRecord
from callbridge.state.memory_state import MemoryState
from callbridge.state.neighbours import ProcessSeen
from callbridge.state.places import CallerBounds
from callbridge.state.state import Retention
from callbridge.state.text_notes import TextNote

AUTH_TOKEN = "f" * 32
ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "1" * 32
BASE = "https://calls.example.com"
APOLOGY = "Nobody is in."
CALLER, CALLED = "+14155550100", "+14155550199"
NEEDED = {
    "OPENAI_API_KEY": "sk-test-key",
    "TWILIO_ACCOUNT_SID": ACCOUNT,
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "PUBLIC_BASE_URL": BASE,
}
"""The settings that have no default."""
UNSIGNED = {
    "CALLBRIDGE_VALIDATE_SIGNATURES": "false",
    "CALLBRIDGE_HOST": "127.0.0.1",
    "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
}
"""Signatures are switched off, as is allowed on one's own machine."""


def made_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a test, as its environment changes them."""
    given = {**NEEDED, "CALLBRIDGE_APOLOGY": APOLOGY, **(environment or {})}
    assert given.keys() <= set(VARIABLES), "a test sets what nothing reads"
    return read_settings(given)


class CountingDialer:
    """Notes what is dialled; nobody ever answers."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    async def dial(self, model: str) -> SocketLeg:
        """Hangs until it is cancelled."""
        self.dialled.append(model)
        await asyncio.Event().wait()
        raise AssertionError("nobody answers")


class StallingState(MemoryState):
    """A disk that does not answer, and trouble on demand."""

    def __init__(self, clock: Callable[[], float], kept: Retention) -> None:
        super().__init__(clock, kept)
        self.is_stalled = False
        self.told_trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """What a test says."""
        return self.told_trouble

    async def events(self, call_sid: str) -> Any:
        found = await super().events(call_sid)
        await self._wait()
        return found

    async def claim_place(self, call_sid: str, caller_key: str, bounds: CallerBounds, at: float) -> bool:
        await self._wait()
        return await super().claim_place(call_sid, caller_key, bounds, at)

    async def others(self) -> tuple[ProcessSeen, ...]:
        await self._wait()
        return await super().others()

    async def texts(self, caller_key: str, since: float) -> tuple[TextNote, ...]:
        await self._wait()
        return await super().texts(caller_key, since)

    async def claim_token(self, digest: bytes, expires_at: float) -> bool:
        await self._wait()
        return await super().claim_token(digest, expires_at)

    async def recall(self, caller_key: str, agent: str, now: float) -> CallerRecord | None:
        await self._wait()
        return await super().recall(caller_key, agent, now)

    async def flush(self) -> bool:
        await self._wait()
        return await super().flush()

    async def _wait(self) -> None:
        if self.is_stalled:
            await asyncio.Event().wait()
        await asyncio.sleep(0)  # No disk answers before others had their turn.


@dataclass
class LiveCall:
    """A call as the list of live calls knows it."""

    told: list[str] = field(default_factory=list)
    runs_tools: bool = False
    frames_left: float = 0
    """Its phone sends a frame each time that somebody looks, so often."""
    frames: int = 0
    has_ended: bool = False
    words_go_to: HearWords | None = None

    def hand_over(self) -> None:
        self.told.append("hand over")

    def spend_ran_over(self) -> None:
        self.told.append("spend ran over")

    def end_asked(self) -> None:
        self.told.append("end asked")

    def phone_replaced(self) -> None:
        self.told.append("phone replaced")

    @property
    def frames_heard(self) -> int:
        if self.frames_left > 0:
            self.frames_left -= 1
            self.frames += 1
        return self.frames

    def caller_hung_up(self) -> None:
        self.told.append("hung up")

    def stop(self) -> None:
        self.told.append("stop")

    def hear_words(self, hear: HearWords | None) -> None:
        self.words_go_to = hear


@dataclass
class LoopWatch:
    """Whether the loop is late, as a test says."""

    is_late: bool = False
    lags: Lags = field(default_factory=Lags)


@dataclass
class FrontDesk:
    """One desk, and the strings that a test pulls."""

    environment: Mapping[str, str] = field(default_factory=dict)
    now: float = 100.0
    wall_now: float = 1_800_000_000.0

    def __post_init__(self) -> None:
        settings = made_settings(self.environment)
        self.state = self.made_state(settings)
        self.loop_watch = LoopWatch()
        self.dialer = CountingDialer()
        self.desk: Desk = open_desk(
            settings,
            state=self.state,
            loop_watch=self.loop_watch,  # type: ignore[arg-type]  # Only these two are asked of it.
            now=lambda: self.now,
            wall_now=lambda: self.wall_now,
        )
        self.desk.dialer = self.dialer
        self.desk.waiting = WaitingRoom(self.dialer)

    def made_state(self, settings: Settings) -> StallingState:
        """What it keeps things in."""
        return StallingState(lambda: self.wall_now, retention(settings))

    @property
    def places(self) -> int:
        """Calls that hold a place."""
        return self.desk.admission.live(self.now)

    async def kinds(self, call_sid: str = CALL) -> list[str]:
        """What is written in the record of a call."""
        return [event.kind for event in await self.state.events(call_sid)]
