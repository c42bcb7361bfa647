"""One call from the page: Twilio's part of it, turn by turn.

What Twilio would do next is decided by the simulated phone's `Program`, which reads the documents. What a
browser can do is handed to the page; what it cannot, such as to ring somebody, the developer decides there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from callbridge.console.talk import KEYS_MAX, Choose, Hear, OpenStream, Over, Press, Turn, Wait
from callbridge.simulators.phone import webhooks
from callbridge.simulators.phone.leg import new_sid
from callbridge.simulators.phone.program import Program
from callbridge.simulators.phone.steps import Dialled, End, Enter, EnterRoom, Fetch, Ring, Spend, Talk
from callbridge.simulators.phone.steps import OpenStream as StreamStep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from callbridge.cli.development.asking import Asking
    from callbridge.simulators.phone.steps import Step
    from callbridge.simulators.phone.twiml import WebAnswer, WebFailure

TALKED_S: Final = 30
"""How long a talk was that the developer says took place."""

OUTCOMES: Final = (
    ("completed", "They pick up, and hang up after the talk"),
    ("no-answer", "Nobody picks up"),
    ("busy", "Their line is busy"),
    ("failed", "They cannot be rung"),
)

RINGING, IN_PROGRESS, COMPLETED = "ringing", "in-progress", "completed"


@dataclass(slots=True)
class TalkCall:
    """One call.

    Args:
        line: whose it is, and its two numbers.
        voice_url: the number's webhook.
        status_url: who is told of the end of the call.
        asking: asks webhooks.
        voiced: speaks what Twilio's voice says; nothing where there is no voice.
    """

    line: webhooks.Line
    voice_url: str
    status_url: str
    asking: Asking
    voiced: Callable[[str], Awaitable[bytes]]
    token: str = field(default="", init=False)
    """Good for one socket, that of the stream which the page is told to open."""
    is_over: bool = field(default=False, init=False)
    stream_sid: str = field(default="", init=False)
    _program: Program = field(init=False)
    _step: Step | None = field(default=None, init=False)
    """What the page is doing."""
    _is_first: bool = field(default=True, init=False)
    _answered_at: float | None = field(default=None, init=False)
    _noted: int = field(default=0, init=False)
    _complained: int = field(default=0, init=False)
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def __post_init__(self) -> None:
        numbers = self.line.from_number, self.line.to_number
        self._program = Program(self.voice_url, "POST", numbers, rings=True, asks_keys=True)

    async def begin(self) -> Turn:
        """The number is dialled."""
        async with self._turns:
            return await self._go_on(self._program.begin())

    async def done(self, chosen: str) -> Turn:
        """The page has done its turn."""
        async with self._turns:
            return await self._go_on(self._after(chosen))

    async def hang_up(self) -> Turn:
        """The caller has put the phone down. What Twilio still asks is asked; the answer leads nowhere."""
        async with self._turns:
            if not self.is_over and isinstance(self._step, StreamStep):
                noun = self._step.noun
                unheard = self._program.cut_short(noun.action, noun.method, ())
                if unheard is not None:
                    await self._ask(unheard, COMPLETED)
            return await self._end(COMPLETED if self._program.is_answered else "canceled")

    def is_at(self, stream_sid: str) -> bool:
        """Whether this stream is still what the page is to do."""
        return isinstance(self._step, StreamStep) and stream_sid == self.stream_sid

    def stream_told(self) -> Callable[[str], Coroutine[None, None, None]]:
        """Asks the status callback of the present stream with `stream-started` or `stream-stopped`."""
        step, stream_sid = self._step, self.stream_sid

        async def tell(event: str) -> None:
            if isinstance(step, StreamStep) and step.status_callback is not None:
                told = webhooks.stream_parameters(self.line, stream_sid, step.noun.name, event)
                await self.asking.ask(step.status_callback, step.noun.status_callback_method, told)

        return tell

    # --- From step to step --------------------------------------------------------------------

    def _after(self, chosen: str) -> Step:
        """What follows the turn that the page has done."""
        step, program = self._step, self._program
        match step:
            case None | End():
                return End(COMPLETED)
            case Spend():
                return program.spent()
            case Enter(verb):
                return program.entered(verb, chosen)
            case StreamStep():
                self.token = ""
                return program.stream_ended(step.noun)
            case Ring():
                return program.dialled(step.verb, _dialled(chosen).parameters(tells_bridged=True))
            case Fetch() | EnterRoom() | Talk():
                raise AssertionError("no page is told to do this")
            case _:
                assert_never(step)

    async def _go_on(self, step: Step) -> Turn:
        """To the next step that is the page's."""
        while not self.is_over:
            match step:
                case Fetch():
                    step = self._program.answered(await self._ask(step))
                    if self._program.is_answered and self._answered_at is None:
                        self._answered_at = time.monotonic()
                case StreamStep(noun=noun, fault=fault) if fault is not None:
                    self._program.complaints.append(fault)
                    step = self._program.stream_ended(noun)
                case EnterRoom():
                    step = self._program.not_entered()
                case End(status):
                    return await self._end(status)
                case _:
                    self._step = step
                    return await self._turn(step)
        return Over(call_sid=self.line.call_sid, status=COMPLETED)

    async def _ask(self, step: Fetch, status: str = "") -> WebAnswer | WebFailure:
        status = status or (COMPLETED if step.is_over else IN_PROGRESS if step.is_answered else RINGING)
        told = webhooks.voice_parameters(self.line, status)
        if self._is_first:
            self._is_first = False
            told = webhooks.first_parameters(self.line)
        return await self.asking.ask(step.url, step.method, told | dict(step.parameters))

    async def _end(self, status: str) -> Turn:
        """Over: the number's status callback is told, once."""
        if not self.is_over:
            self.is_over, self.token = True, ""
            seconds = 0 if self._answered_at is None else round(time.monotonic() - self._answered_at)
            told = webhooks.ended_parameters(self.line, status, seconds)
            await self.asking.ask(self.status_url, "POST", told)
        return Over(call_sid=self.line.call_sid, notes=self._notes(), status=status)

    async def _turn(self, step: Step) -> Turn:
        sid = self.line.call_sid
        match step:
            case StreamStep(noun=noun):
                self.token, self.stream_sid = secrets.token_urlsafe(24), new_sid("MZ")
                return OpenStream(
                    call_sid=sid,
                    notes=self._notes(),
                    token=self.token,
                    account_sid=self.line.account_sid,
                    stream_sid=self.stream_sid,
                    parameters=dict(noun.parameters),
                )
            case Spend(sound="<Say>", text=text, seconds=seconds):
                audio = await self.voiced(text)
                return Hear(call_sid=sid, notes=self._notes(), text=text, seconds=seconds, audio=audio)
            case Spend(sound=sound, text=text, seconds=seconds) if sound:
                text = f"{sound} {text}".strip() + ": not to be heard in a browser"
                return Hear(call_sid=sid, notes=self._notes(), text=text, seconds=min(seconds, 5.0))
            case Spend(seconds=seconds):
                return Wait(call_sid=sid, notes=self._notes(), seconds=seconds)
            case Enter(verb):
                return Press(
                    call_sid=sid,
                    notes=self._notes(),
                    seconds=float(verb.timeout_s),
                    keys_max=verb.digits_max or KEYS_MAX,
                    finish_keys=verb.finish_keys,
                )
            case Ring(nouns=nouns):
                who = ", ".join(noun.address for noun in nouns)
                text = f"Twilio would ring {who} now. What comes of it?"
                return Choose(call_sid=sid, notes=self._notes(), text=text, choices=OUTCOMES)
            case _:
                raise AssertionError("no page can do this")

    def _notes(self) -> tuple[str, ...]:
        """What was carried out since the last turn, and what Twilio would warn of, by its code."""
        program = self._program
        done = [f"<{verb.verb}> {verb.detail}".strip() for verb in program.executed[self._noted :]]
        warned = [f"Twilio warns {code}: {detail}" for code, detail in program.complaints[self._complained :]]
        self._noted, self._complained = len(program.executed), len(program.complaints)
        return (*done, *warned)


def _dialled(chosen: str) -> Dialled:
    status = chosen if chosen in dict(OUTCOMES) else "no-answer"
    is_talk = status == COMPLETED
    return Dialled(status, new_sid("CA"), TALKED_S if is_talk else None, is_bridged=is_talk)
