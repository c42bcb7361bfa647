"""The calls from the page: who may open their sockets, and what ends those whose page is gone."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from typing import TYPE_CHECKING, Final

from callbridge.cli.development.talk_call import TalkCall
from callbridge.console.talk import MEDIA_PROTOCOL, Choose, Hear, NoSuchCallError, Over, Press, Spoken, Wait
from callbridge.simulators.audio import ESPEAK, SpeechError, can_speak, speak
from callbridge.simulators.phone.leg import new_sid
from callbridge.simulators.phone.webhooks import Line
from callbridge.simulators.wordless import CALLER_HZ, wordless

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.cli.development.asking import Asking
    from callbridge.console.talk import BrowserSocket, NewCall, Turn
    from callbridge.observe.feed import Feed, Subscription
    from callbridge.server.config.settings import Settings
    from callbridge.server.http.media import MediaDoor

CALLS_MAX: Final = 8
"""At once: one for each tab that somebody has open."""

GONE_S: Final = 15.0
"""A page that says nothing for so long, though it has something to do, was closed or has lost its way."""

CHOICE_S: Final = 600.0
"""A developer may think about what comes of a ring."""


class Talks:
    """The calls of one run.

    Args:
        settings: of the service.
        door: where streams come in.
        asking: asks the service's webhooks.
        feed: what happens in calls.
    """

    def __init__(self, settings: Settings, door: MediaDoor, asking: Asking, feed: Feed) -> None:
        self._settings, self._door, self._asking, self._feed = settings, door, asking, feed
        self._calls: dict[str, TalkCall] = {}
        self._watching: dict[str, asyncio.TimerHandle] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def begin(self, call: NewCall) -> Turn:
        """The number is dialled: the voice webhook is asked."""
        if len(self._calls) >= CALLS_MAX:
            return Over(call_sid="", notes=(f"{CALLS_MAX} calls are live already.",), status="busy")
        settings = self._settings
        line = Line(
            settings.twilio_account_sid,
            settings.auth_tokens[0],
            new_sid("CA"),
            call.caller,
            call.called,
        )
        new = TalkCall(line, settings.voice_url, settings.call_status_url, self._asking, self._voiced)
        self._calls[line.call_sid] = new
        with contextlib.ExitStack() as if_it_fails:
            if_it_fails.callback(self._forget, new)  # Its page knows of no call.
            turn = await new.begin()
            if_it_fails.pop_all()
        return self._watched(new, turn)

    async def done(self, call_sid: str, chosen: str) -> Turn:
        """The page has done its turn."""
        call = self._find(call_sid)
        return self._watched(call, await call.done(chosen))

    async def hang_up(self, call_sid: str) -> Turn:
        """The caller has put the phone down."""
        call = self._find(call_sid)
        return self._watched(call, await call.hang_up())

    async def speak(self, text: str) -> Spoken:
        """What was typed, as speech; as sounds of its length where nothing can speak words."""
        return Spoken(await self._voiced(text) or wordless(text, CALLER_HZ), self.voice)

    def follow(self, call_sid: str) -> Subscription:
        """What happens in the call from now on, with its words."""
        return self._feed.subscribe(self._find(call_sid).line.call_sid)

    @property
    def voice(self) -> str:
        """What speaks for who types, in words."""
        if can_speak():
            return f"{ESPEAK} speaks it for you."
        return f"Sounds without words stand for it, as long as it is. For a voice install {ESPEAK}."

    def has(self, call_sid: str) -> bool:
        """Whether it is a call from the page."""
        return call_sid in self._calls

    async def carry(self, socket: BrowserSocket, token: str) -> bool:
        """The stream of a turn. Its token is good for this one socket."""
        call = next((one for one in self._calls.values() if _is_same(one.token, token)), None)
        if call is None:
            return False
        call.token, stream_sid = "", call.stream_sid
        tell = call.stream_told()
        self._forget_leash(call)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(tell("stream-started"), name="stream status")
                await self._door.welcome(socket, MEDIA_PROTOCOL)
            await tell("stream-stopped")
        finally:
            # The bridge may stay a while. If the page has gone on meanwhile, it has another time for that.
            if call.is_at(stream_sid):
                self._watch(call, GONE_S)
        return True

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """For as long as the pages are served. Then all calls are over."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                for call in list(self._calls.values()):
                    self._forget(call)

    # --- Calls ---

    def _find(self, call_sid: str) -> TalkCall:
        call = self._calls.get(call_sid)
        if call is None:
            raise NoSuchCallError
        return call

    def _watched(self, call: TalkCall, turn: Turn) -> Turn:
        """The page was here. From now on it has so long for its turn."""
        if isinstance(turn, Over):
            self._forget(call)
        else:
            takes_s = turn.seconds if isinstance(turn, Hear | Wait) else 0.0
            self._watch(call, CHOICE_S if isinstance(turn, Choose | Press) else GONE_S + takes_s)
        return turn

    def _watch(self, call: TalkCall, seconds: float) -> None:
        self._forget_leash(call)
        if not call.is_over:
            loop = asyncio.get_running_loop()
            self._watching[call.line.call_sid] = loop.call_later(seconds, self._leave, call)

    def _leave(self, call: TalkCall) -> None:
        """Nobody is there any more: Twilio would see that its caller is gone."""
        if self._tasks is not None:
            self._tasks.create_task(self._left(call), name="left talk call")

    async def _left(self, call: TalkCall) -> None:
        with contextlib.suppress(NoSuchCallError):
            await self.hang_up(call.line.call_sid)

    def _forget(self, call: TalkCall) -> None:
        self._forget_leash(call)
        self._calls.pop(call.line.call_sid, None)

    def _forget_leash(self, call: TalkCall) -> None:
        leash = self._watching.pop(call.line.call_sid, None)
        if leash is not None:
            leash.cancel()

    async def _voiced(self, text: str) -> bytes:
        if not can_speak():
            return b""
        with contextlib.suppress(SpeechError):
            return await asyncio.to_thread(speak, text, voice=self._settings.language or "en")
        return b""


def _is_same(known: str, shown: str) -> bool:
    return bool(known) and hmac.compare_digest(known.encode(), shown.encode("utf-8", "replace"))
