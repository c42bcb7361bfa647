"""The caller: frame by frame, what their mouth does and which keys they press.

Pure. A caller is asked once per 20 ms frame, is told what reaches their ear, and answers with the
frame to send. `CallerScript` is the caller that follows a list of steps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from callbridge.simulators.phone.voice_activity import is_audible
from callbridge.wire.audio import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KEYS = "0123456789*#ABCD"
"""Keys that a telephone can have; A to D exist on few."""

KEY_MS = 200
"""A key and the pause behind it; no finger types faster."""

FRAME_MS = 20
"""Of the audio in which a caller does something."""

QUIET_MS = 700
"""A pause in speech after which a polite caller takes the turn."""

PATIENCE_MS = 20_000
"""How long the caller waits for the agent to say something before going on without."""

STILL_TALKING_MS = 1500
"""An agent that is heard this long after the caller's last word is taken to be answering."""


class Ear(msgspec.Struct, frozen=True, gc=False):
    """What the caller knows at one frame. All times are milliseconds since the stream opened."""

    at_ms: float
    is_agent_speaking: bool
    agent_began_ms: float | None
    """When the agent's latest utterance began to be heard."""
    agent_audible_until_ms: float | None
    """When the agent was last heard; silence inside its audio does not count."""
    heard: bytes = b""
    """The agent's audio of the last 20 ms, gaps left out."""


class Departure(StrEnum):
    """Ways to leave a call."""

    HANG_UP = "hang up"
    VANISH = "vanish"
    """The connection is cut without a word, as when a network dies."""


class Act(msgspec.Struct, frozen=True, gc=False):
    """What the caller does during one frame."""

    audio: bytes = b""
    """At most 160 bytes of µ-law; the rest of the frame is silence."""
    key: str | None = None
    departure: Departure | None = None
    around: bytes = b""
    """What the place adds: noise, an echo. Sent along, and no word of the caller's."""
    is_thinking: bool = False
    """The caller is silent on purpose. After the agent's words such a silence is nobody's fault."""
    arrives: bytes | None = None
    """What Twilio got of all that, where the network has changed it: a frame, or nothing of one that is lost.
    None for an unharmed one."""


SILENT = Act()
THINKING = Act(is_thinking=True)


class Caller(Protocol):
    """Whatever decides what a caller does."""

    def next_frame(self, ear: Ear) -> Act:
        """The caller's next 20 ms, given what they hear."""
        ...

    @property
    def complaints(self) -> Sequence[str]:
        """What went against the caller's plan, in plain words."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether the caller has said and done everything that they meant to."""
        ...


# --- Steps of a script ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Speak now, whatever the agent does."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Be silent for a while."""

    ms: float


@dataclass(frozen=True, slots=True)
class WaitForAgent:
    """Listen until the agent has spoken and has then been quiet for `quiet_ms`.

    Speech counts that began after the caller's last word, or that goes on long after it. A caller
    who hears nothing for `patience_ms` complains and goes on.
    """

    quiet_ms: float = QUIET_MS
    patience_ms: float = PATIENCE_MS


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Speak into the agent's utterance once `after_ms` of it have been heard.

    The present utterance if the agent is speaking, else the next one. Nothing is said when the
    agent does not speak that long within `patience_ms`.
    """

    after_ms: float
    audio: bytes
    patience_ms: float = PATIENCE_MS
    is_word: bool = True
    """Else a sound that asks for nothing, as the "mhm" of who listens: the report takes it for none."""


@dataclass(frozen=True, slots=True)
class InterruptAt:
    """Speak at a given second of the stream, whatever the agent does then."""

    at_s: float
    audio: bytes


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys, one after the other."""

    keys: str
    every_ms: int = KEY_MS
    """From one to the next, in full frames. A machine that holds the line is faster than a finger."""
    awaits_answer: bool = False
    """Whether the next wait is for what the agent says to it, as it is after words."""

    def __post_init__(self) -> None:
        assert self.every_ms >= FRAME_MS, "one key in a frame"
        if not self.keys or self.keys.strip(KEYS):
            raise ValueError(f"not keys of a telephone: {self.keys!r}")


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call as people do."""


@dataclass(frozen=True, slots=True)
class Vanish:
    """Cut the connection without closing it."""


@dataclass(frozen=True, slots=True)
class WaitForEnd:
    """Stay silent on the line until the other side ends the call."""


Step: TypeAlias = Say | Pause | WaitForAgent | Interrupt | InterruptAt | Press | HangUp | Vanish | WaitForEnd


class CallerScript:
    """A caller who follows steps, and hangs up after the last one.

    Args:
        steps: what to do, in order.
        leave_at_s: leave at this second of the stream, wherever the script stands.
        leave_by: how to leave then.
        is_more_to_come: whether the agent, who is quiet, will go on. A caller who can tell waits for it.
        on_step: told of each step as it is carried out, its wait included.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        leave_at_s: float | None = None,
        leave_by: Departure = Departure.HANG_UP,
        is_more_to_come: Callable[[], bool] = lambda: False,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        self.complaints: list[str] = []
        self._is_more_to_come = is_more_to_come
        self._on_step = on_step
        self._leave_at_ms = float("inf") if leave_at_s is None else leave_at_s * 1000
        self._leave_by = leave_by
        self._steps = deque(steps)
        self._begun_ms: float | None = None
        """When the present step began."""
        self._frames: deque[Act] = deque()
        """What is left of something that is being said or typed."""
        self._spoke_until_ms = float("-inf")
        """End of the caller's last audible word."""
        self._latest_ms = float("-inf")

    def __repr__(self) -> str:
        return f"<CallerScript {len(self._steps)} steps left>"

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to say or to press, or the caller left as planned."""
        if self._latest_ms >= self._leave_at_ms:
            return True
        return all(frame is SILENT for frame in self._frames) and all(
            isinstance(step, Pause | WaitForAgent | HangUp | Vanish | WaitForEnd) for step in self._steps
        )

    def next_frame(self, ear: Ear) -> Act:
        """The next 20 ms. Steps that take no time are passed over within one frame."""
        self._notice_new_stream(ear)
        if ear.at_ms >= self._leave_at_ms:
            return Act(departure=self._leave_by)
        while not self._frames:
            if not self._steps:
                return Act(departure=Departure.HANG_UP)
            if self._begun_ms is None:
                self._begun_ms = ear.at_ms
            if not self._is_over(self._steps[0], ear, ear.at_ms - self._begun_ms):
                return _departure_of(self._steps[0])
            self._perform(self._steps.popleft())
            self._begun_ms = None
        act = self._frames.popleft()
        if is_audible(act.audio):
            self._spoke_until_ms = ear.at_ms
        return act

    def _notice_new_stream(self, ear: Ear) -> None:
        """A second stream of the same call counts its time anew; the script goes on in it."""
        if ear.at_ms < self._latest_ms:
            self._begun_ms = None
            self._spoke_until_ms = float("-inf")
        self._latest_ms = ear.at_ms

    def _is_over(self, step: Step, ear: Ear, waited_ms: float) -> bool:
        """Whether the wait is over that stands before what the step does."""
        match step:
            case Say() | Press():
                return True
            case Pause(ms):
                return waited_ms >= ms
            case InterruptAt(at_s):
                return ear.at_ms >= at_s * 1000
            case WaitForAgent():
                return self._has_answered(step, ear) or self._gave_up(step, ear, waited_ms)
            case Interrupt():
                return _is_ripe(step, ear) or self._gave_up(step, ear, waited_ms)
            case _:
                return False

    def _has_answered(self, step: WaitForAgent, ear: Ear) -> bool:
        if ear.agent_began_ms is None or ear.agent_audible_until_ms is None:
            return False
        is_new = ear.agent_began_ms >= self._spoke_until_ms
        is_lasting = ear.agent_audible_until_ms >= self._spoke_until_ms + STILL_TALKING_MS
        quiet_ms = ear.at_ms - ear.agent_audible_until_ms
        return (is_new or is_lasting) and quiet_ms >= step.quiet_ms and not self._is_more_to_come()

    def _gave_up(self, step: WaitForAgent | Interrupt, ear: Ear, waited_ms: float) -> bool:
        if waited_ms < step.patience_ms or ear.is_agent_speaking:
            return False
        waited = f"{waited_ms / 1000:.0f} s"
        if isinstance(step, WaitForAgent):
            self.complaints.append(f"waited {waited} and the agent said nothing")
        else:
            self.complaints.append(f"waited {waited} and found nothing to interrupt")
            self._steps[0] = Pause(0)
        return True

    def _perform(self, step: Step) -> None:
        self._on_step(step)
        match step:
            case Interrupt(_, audio, is_word=False):
                self._frames.extend(Act(around=frame) for frame in _frames_of(audio))
            case Say(audio) | InterruptAt(_, audio) | Interrupt(_, audio):
                self._frames.extend(map(Act, _frames_of(audio)))
            case Press(keys, every_ms):
                for key in keys:
                    self._frames.append(Act(key=key))
                    self._frames.extend([SILENT] * (every_ms // FRAME_MS - 1))
                if step.awaits_answer:
                    self._spoke_until_ms = self._latest_ms
            case _:
                pass  # The wait was all there is to the step.


def _frames_of(audio: bytes) -> Iterator[bytes]:
    return (audio[offset : offset + FRAME_BYTES] for offset in range(0, len(audio), FRAME_BYTES))


def _is_ripe(step: Interrupt, ear: Ear) -> bool:
    if not ear.is_agent_speaking or ear.agent_began_ms is None:
        return False
    return ear.at_ms - ear.agent_began_ms >= step.after_ms


def _departure_of(step: Step) -> Act:
    match step:
        case HangUp():
            return Act(departure=Departure.HANG_UP)
        case Vanish():
            return Act(departure=Departure.VANISH)
        case Pause():
            return THINKING
        case _:
            return SILENT
