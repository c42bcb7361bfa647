"""`Call`: what the code of an agent knows of the call that it serves, and what it may do to it.

A tool, a text function or a handler that has a parameter annotated `Call` is given it; the model never sees
that parameter. Nothing of the vendors' protocols stands here.
"""

from __future__ import annotations

import datetime as dt
import enum
import time
import zoneinfo
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol

from typing_extensions import TypeVar

from callbridge.call.ear.keys_out import KEYS_MAX, are_pressable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

    from callbridge.agents.earlier import Earlier
    from callbridge.agents.transfers.result import TransferResult
    from callbridge.call.outcomes import TextOutcome

ValuesT = TypeVar("ValuesT", default=dict[str, Any])
"""The user's own state of a call: a plain dictionary, or a pydantic model that the agent names."""


class CallerKind(enum.StrEnum):
    """How somebody calls."""

    PHONE = "phone"
    SIP = "sip"
    CLIENT = "client"
    """An app with Twilio's Voice SDK."""
    ANONYMOUS = "anonymous"
    """Their number is withheld, or not known."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    number: str
    """As Twilio has it: `+14155550100`, `sip:anna@example.com`, `client:anna`; empty when it is withheld."""
    kind: CallerKind = CallerKind.PHONE
    name: str = ""
    """Their name in the carrier's books, where Twilio is asked to look it up."""
    attestation: str = ""
    """How far the carrier vouches for the number (STIR/SHAKEN): `A` for wholly, `B`, `C`, or nothing.

    Without an `A` a number may be forged: let nobody in by it alone.
    """

    @property
    def is_anonymous(self) -> bool:
        """Whether the number is withheld or not known."""
        return self.kind is CallerKind.ANONYMOUS


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said, as it was heard."""

    who: str
    """`caller` or `agent`."""
    text: str
    """Of the agent's words those that the caller has heard."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a call before its stream begins, and stays."""

    sid: str
    caller: Caller
    called: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    agent: str = ""
    language: str = ""
    """The language of the callers (`CALLBRIDGE_LANGUAGE`, or the agent's own); empty where it is detected."""
    time_zone: str = "UTC"
    caller_key: str = ""
    """The same for every call of this caller, and no number: under it what is remembered of them is kept."""
    earlier: Earlier | None = None
    """What is remembered of the caller's last call."""
    wall_now: Callable[[], float] = time.time
    """Seconds since 1970."""


class Spoken(Awaitable[bool]):
    """Words on their way to the caller. Awaited, it says whether they were heard to their end."""

    def __init__(self, heard: Awaitable[bool]) -> None:
        self._heard = heard

    def __await__(self) -> Generator[Any, None, bool]:
        return self._heard.__await__()


class LiveCall(Protocol):
    """What a call does for its agent's code. Any thread may call."""

    @property
    def agent_on(self) -> str:
        """The name of the agent that talks with the caller."""

    def say(self, words: str, *, while_running: bool) -> Spoken:
        """Lets the agent say exactly these words."""

    def end(self, words: str) -> None:
        """Ends the call once its last words were heard."""

    def press(self, keys: str) -> None:
        """Presses keys once nobody of ours speaks."""

    def transfer(self, name: str, words: str, reason: str, summary: str) -> None:
        """Puts the caller through once the last words were heard."""

    def hand_to(self, name: str, words: str, given: BaseModel | None) -> None:
        """Hands the caller over to another agent of the call."""

    def transfers(self) -> Sequence[TransferResult]:
        """What became of the transfers of the call so far."""

    def transcript(self) -> Sequence[Line]:
        """What was said so far, over all streams of the call."""

    async def send_text(self, words: str, template: str, to: str) -> TextOutcome:
        """Sends a text message."""

    def pause_recording(self) -> None:
        """Records nothing until it is resumed."""

    def resume_recording(self) -> None:
        """Records again."""


class Call(Generic[ValuesT]):
    """The call that a piece of the agent's code serves.

    `Call[Visit]` where the agent was made with `values=Visit`; `Call` alone has a dictionary.
    """

    def __init__(self, about: About, values: ValuesT, live: LiveCall | None = None) -> None:
        self._about, self._live = about, live
        self.values: ValuesT = values
        """Your own state of this call. What is put here is kept: it is the same in the next tool, after a
        lost session, on another stream and in another process. It must have a JSON form."""

    @property
    def sid(self) -> str:
        """Twilio's name for the call, `CA…`."""
        return self._about.sid

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return self._about.caller

    @property
    def called(self) -> str:
        """The number that was called, as Twilio has it."""
        return self._about.called

    @property
    def parameters(self) -> Mapping[str, str]:
        """What the number's voice URL says in its query, and what a SIP call brought (`SipHeader_X-…`).

        Twilio signs both, but what stands in a SIP header the caller's own telephone system wrote.
        """
        return self._about.parameters

    @property
    def agent(self) -> str:
        """The name of the agent that talks with the caller: who answers, or to whom they were handed over."""
        return self._about.agent if self._live is None else self._live.agent_on

    @property
    def language(self) -> str:
        """The language of the callers, `de` for example; empty where it is detected."""
        return self._about.language

    @property
    def earlier(self) -> Earlier | None:
        """The caller's last call with this agent; None where nothing is remembered of them.

        Nothing is unless `CALLBRIDGE_CALLER_MEMORY_DAYS` is set. A number can be forged, and a telephone be
        shared: this does not prove who calls.
        """
        return self._about.earlier

    @property
    def local_time(self) -> dt.datetime:
        """What the clock shows where the agent is at home (`Agent(time_zone=…)`)."""
        return dt.datetime.fromtimestamp(self._about.wall_now(), zoneinfo.ZoneInfo(self._about.time_zone))

    @property
    def transcript(self) -> Sequence[Line]:
        """What was said so far, as it was heard."""
        return () if self._live is None else self._live.transcript()

    @property
    def transfers(self) -> Sequence[TransferResult]:
        """What became of the transfers of this call so far, in their order."""
        return () if self._live is None else self._live.transfers()

    def say(self, words: str, *, while_running: bool = False) -> Spoken:
        """Lets the agent say exactly these words as soon as nobody speaks.

        `await` it to know whether they were heard to their end; without that it is said all the same.

        Args:
            words: what is said.
            while_running: only as long as the tool that says so runs, for words about how far it has come:
                what was not begun when it answers is left out. Outside of a tool this makes no difference.

        Raises:
            RuntimeError: the call has no stream yet (in `choose`).
        """
        return self._of_stream.say(words, while_running=while_running)

    def end(self, words: str = "") -> None:
        """Ends the call when the agent's last words were heard, unless the caller speaks before.

        Args:
            words: the last words, said exactly; without them the model says goodbye.

        Raises:
            RuntimeError: the call has no stream yet (in `choose`).
        """
        self._of_stream.end(words)

    def transfer(self, name: str, words: str = "", *, reason: str = "", summary: str = "") -> None:
        """Puts the caller through to one of the agent's destinations, when its last words were heard.

        In a tool, `return Transfer("sales")` does the same, and the model waits for it. What became of it
        stands in `transfers`, and is told to the `transfer_failed` of the agent where nobody took the call.

        Args:
            name: of the destination.
            words: what the caller is told before, exactly; by default what the destination says.
            reason: why, for the briefing.
            summary: what the call was about, for the briefing.

        Raises:
            ValueError: the agent has no such destination.
            RuntimeError: the call has no stream yet (in `choose`).
        """
        self._of_stream.transfer(name, words, reason, summary)

    def hand_to(self, name: str, words: str = "", *, given: BaseModel | None = None) -> None:
        """Hands the caller over to another agent, within the call: one of the `handoffs` of the present one.

        It is done as soon as it is on disk that it begins. The present agent ends what it is saying, and says
        nothing about a tool that has called this: the other one speaks next, as behind a tool that answers
        with `HandTo("billing")`. The function of the `Handoff` runs before, and may refuse it;
        whether the model may ask for it (`is_enabled`) makes no difference. Where it does not come about, the
        model is told why.

        Args:
            name: of the agent.
            words: what the caller hears first of it, exactly; by default what the `Handoff` says.
            given: what is passed to it, where the `Handoff` asks for an input.

        Raises:
            ValueError: the agent has no such handoff, or the input does not fit.
            RuntimeError: the call has no stream yet (in `choose`).
        """
        self._of_stream.hand_to(name, words, given)

    async def send_text(
        self, words: str = "", *, template: str = "", to: Literal["caller", "captured"] = "caller"
    ) -> TextOutcome:
        """Sends a text message to the caller, as the tool of `Agent(texts=…)` does, and within its bounds.

        Two texts a call, those of the model among them. An agent without `texts` sends words of at most 300
        characters to its caller. An outcome that is not known (`UNKNOWN`) may have been sent: do not try
        again.

        Args:
            words: what it says.
            template: or the name of one of the agent's templates.
            to: `captured` for the number of `Texts(to_captured=…)`.

        Returns:
            What became of it, as far as it is known at once. `REFUSED` where it is not sent: the line
            `text_refused` in the log says why.

        Raises:
            ValueError: neither or both are given, or there is no such template.
            RuntimeError: the call has no stream yet (in `choose`).
        """
        return await self._of_stream.send_text(words, template, to)

    def press(self, keys: str) -> None:
        """Presses keys of the telephone, once the agent's words on their way are said: for a menu, a door.

        The far end hears them as tones in the audio, each 0.1 s with as much silence behind it. Somebody who
        speaks does not stop them. That the other side understands them is promised by nobody: most menus do.

        Args:
            keys: `0` to `9`, `*`, `#`, `A` to `D`, and `w` for half a second of silence; at most 32.

        Raises:
            ValueError: these are no such keys.
            RuntimeError: the call has no stream yet (in `choose`).
        """
        if not are_pressable(keys):
            raise ValueError(
                f"these cannot be pressed: write 1 to {KEYS_MAX} of 0-9, *, #, A-D, and w for half a second"
            )
        self._of_stream.press(keys)

    def pause_recording(self) -> None:
        """From when this returns nothing of either side is recorded: for card data, say.

        It stays so until `resume_recording`, also on another stream of the call. What is said meanwhile is
        silence in the recording, and never on any disk. Does nothing where the call is not recorded.

        Raises:
            RuntimeError: the call has no stream yet (in `choose`).
        """
        self._of_stream.pause_recording()

    def resume_recording(self) -> None:
        """Both sides are recorded again. Does nothing where it was not paused.

        Raises:
            RuntimeError: the call has no stream yet (in `choose`).
        """
        self._of_stream.resume_recording()

    @property
    def _of_stream(self) -> LiveCall:
        if self._live is None:
            raise RuntimeError(
                "the call has not begun: nothing can be said, pressed, ended, put through or handed over yet"
            )
        return self._live

    def __repr__(self) -> str:
        return f"<Call {self.sid} for {self.agent or 'nobody'}>"
