"""A call without sockets: the machine and its relay, fed with values, answering with values.

A rig does what a bridge does, in one thread and with the time it is told: whatever a peer says goes through
the relay as text, whatever is an event then goes to the machine, and what leaves is kept in order.

It is also the telephone line: from the admission on the phone sends a frame each 20 ms, up to the time of
every event, loud while the model says that the caller speaks; and the machine is woken to look at the line.
Scripts name only what they are about. None of it is shown, but for what a look leads to.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, get_args

import msgspec

from callbridge.bridge.key_tones import key_tones
from callbridge.bridge.own_sounds import audio_of
from callbridge.bridge.relay import Relay
from callbridge.call import actions as a
from callbridge.call import entrance
from callbridge.call import events as e
from callbridge.call.entrance import Entrance, Step
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.phases import Phase, Timer
from callbridge.call.plan import CallPlan
from callbridge.call.wants import Want
from callbridge.wire import audio as mulaw
from callbridge.wire import media_streams, realtime_events
from callbridge.wire import realtime_commands as commands
from callbridge.wire.media_streams import Clear, Media, MediaChunk, SendAudio, SendMark
from callbridge.wire.realtime_events import MULAW

BEGINS_AT_S: Final = 1000.0
"""Not zero: a time that is taken for "no time" must not go unseen."""

LOOK_UP = commands.FunctionTool("look_up", "Looks something up.", {"type": "object", "properties": {}})


def make_plan(
    *,
    greeting: str = "Hello.",
    transcribes: bool = True,
    server_interrupts: bool = True,
    second_model: str | None = None,
    is_greeting_interruptible: bool = True,
) -> CallPlan:
    """The plan of an ordinary call. Its greeting gives way: only few scripts are about a greeting."""
    detection = commands.ServerVad(0.5, 300, 500, interrupt_response=server_interrupts)
    transcription = commands.Transcription("gpt-transcribe") if transcribes else None
    audio = commands.Audio(
        commands.AudioInput(MULAW, detection, transcription, None), commands.AudioOutput(MULAW, "marin")
    )
    session = commands.Session("You answer the telephone.", audio, (LOOK_UP,), "auto", ("audio",))
    return CallPlan(
        "gpt-realtime-2.1",
        session,
        greeting,
        second_model,
        is_greeting_interruptible=is_greeting_interruptible,
    )


PLAN: Final = make_plan()

LOOKS: Final = frozenset({Timer.MEDIA_GAP, Timer.CALLER_QUIET})
"""Why the machine is woken to look at the line. The rig sees to it; no script names them."""

LOOK_LATE_S: Final = 0.001
"""A real timer is late, too. Here it keeps the looks apart from what scripts do at full seconds."""

FRAME_S: Final = 0.02
"""Twilio's frames are so long."""

GAP_EVERY: Final = 15
GAP_FRAMES: Final = 3
"""Who speaks leaves a gap of 60 ms between two words, four times a second."""

CLIP_MS: Final = 1000
"""How long the rig's clip is."""


@dataclass(frozen=True, slots=True)
class AudioToPhone:
    """Agent audio left for the phone."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class AudioToModel:
    """Caller audio left for the model."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class AllPlayed:
    """The phone has played all that it was sent, or all of one item: the latest mark behind it is echoed."""

    item_id: str = ""


PLAYED: Final = AllPlayed()

Output: TypeAlias = a.Action | AudioToPhone | AudioToModel
Input: TypeAlias = e.Event | AllPlayed

_encode: Final = msgspec.json.Encoder().encode
_decode_to_phone: Final = msgspec.json.Decoder(SendAudio | SendMark | Clear).decode
_decode_to_model: Final = msgspec.json.Decoder(commands.AppendAudio).decode

_QUIET: Final = b"\xfe" * 160
_LOUD: Final = b"\x11\x91" * 80
_LINE_SAYS: Final = [_encode(Media(MediaChunk(payload))) for payload in (_QUIET, _LOUD)]
_LINE_ADDS: Final = frozenset(
    commands.encode(commands.AppendAudio(audio=payload)) for payload in (_QUIET, _LOUD)
)


_LATER: Final = (
    *(realtime_events.ServerEvent, realtime_events.UnknownEvent, e.ModelConnected, e.ModelDialFailed),
    *(e.SpareSaid, e.AnswerRanAway, e.ToolFinished, e.TransferTold, *get_args(Want)),
)


class Rig:
    """One call, its relay, and everything that left it.

    Args:
        plan: what the call is to be.
        limits: its bounds; the ordinary ones by default.
        clip_ms: how long the clip is; there is none at 0.
        has_line: whether the phone sends by itself.
        spread: what was drawn for this call, from 0 to 1.
    """

    def __init__(
        self,
        plan: CallPlan = PLAN,
        limits: Limits | None = None,
        *,
        clip_ms: int = CLIP_MS,
        has_line: bool = True,
        spread: float = 0.5,
    ) -> None:
        self.now = BEGINS_AT_S
        self.plan = plan
        self.limits = limits or Limits()
        self.has_line = has_line
        self._clip = mulaw.silence(clip_ms) if clip_ms else b""
        self._outputs: list[Output] = []
        self._line_at: float | None = None
        """Up to when the line has sent; nothing before the stream is admitted."""
        self._line_frames = 0
        self._line_ms = 0
        """What the present session has of the line."""
        self._is_loud = False
        self._latest_mark = ""
        self._spoken_item = ""
        self._marks_behind: dict[str, str] = {}
        """The latest mark behind each item."""
        self._unplayed = self._unmarked = False
        """Whether anything was sent that no echo has proven to be played, or no mark follows."""
        self._plan = dataclasses.replace(plan, limits=self.limits)
        self._entrance = Entrance(self.now, self.limits, spread)
        self.relay = Relay(self._entrance.gate, self._entrance.tally, self._to_phone)

    @property
    def seconds(self) -> float:
        """The time since the rig began, to the microsecond."""
        return round(self.now - BEGINS_AT_S, 6)

    @property
    def phase(self) -> Phase | Step:
        """Where the call stands; before there is one, how far its stream has come."""
        return self._entrance.step if self._entrance.call is None else self._entrance.call.phase

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended, or was turned away."""
        return self.phase in {Phase.OVER, Step.SHUT}

    @property
    def deadline(self) -> tuple[float, Timer] | None:
        """When the machine wants to be woken, and why."""
        return self._decider.deadline

    @property
    def has_played_all(self) -> bool:
        """Whether echoes have proven, of all that left for the phone, that it was played or cleared."""
        return not self._unplayed

    def due(self, until: float) -> tuple[float, Timer] | None:
        """The next deadline; looks at the line that are due before it, and before `until`, are taken."""
        while (due := self.deadline) is not None and due[1] in LOOKS and due[0] < until:
            if self._line_at is None:
                break
            given, self.now = self.now, max(min(due[0] + LOOK_LATE_S, until), self._line_at)
            self._line_sends()
            self._happens(e.DeadlinePassed())
            self.now = max(given, self.now)
        return due

    def feed(self, *events: Input) -> list[Output]:
        """Hands in events now, one after the other; answers all that left because of them, in order."""
        self.due(self.now)
        self._line_sends()
        for event in events:
            told = self._through_relay(self._as_it_is(event))
            if told is not None:
                self._happens(told)
        outputs, self._outputs = self._outputs, []
        return outputs

    def wakes(self, until_s: float = math.inf) -> list[tuple[float, Timer, list[Output]]]:
        """Time passes and nobody says a word. Each time that the machine is woken: when, why, what it does.

        Looks that lead to nothing are left out. `until_s` counts from the rig's beginning; without it all is
        waited for, to the end of the call.
        """
        woken: list[tuple[float, Timer, list[Output]]] = []
        while (due := self.due(BEGINS_AT_S + until_s)) is not None and due[0] <= BEGINS_AT_S + until_s:
            self.now = max(self.now, due[0])
            outputs = self.feed(e.DeadlinePassed())
            if outputs or due[1] not in LOOKS:
                woken.append((self.seconds, due[1], outputs))
        if until_s != math.inf:
            self.now = max(self.now, BEGINS_AT_S + until_s)
        return woken

    def handle(self, event: object) -> tuple[a.Action, ...]:
        """What the machine alone answers to an event, which may be nonsense."""
        return self._decider.handle(event, self.now)  # type: ignore[arg-type]  # On purpose.

    def __repr__(self) -> str:
        return repr(self._decider)

    def fail(self, detail: str) -> list[Output]:
        """What a bridge does when its own code broke."""
        return list(self._decider.fail(detail, self.now))

    def close(self) -> list[Output]:
        """What a bridge does when nothing of the stream is left."""
        assert self._entrance.call is not None
        return list(self._entrance.call.close(self.now))

    def _happens(self, event: e.Event) -> None:
        if self._entrance.call is None and type(event) not in entrance.RULES and isinstance(event, _LATER):
            return  # No model is dialled before there is a call.
        for action in self._decider.handle(event, self.now):
            self._perform(action)

    @property
    def _decider(self) -> Entrance | CallMachine:
        return self._entrance.call or self._entrance

    def _perform(self, action: a.Action) -> None:
        if isinstance(action, a.BeginCall):
            assert self._entrance.call is not None
            self.relay.serve(self._entrance.call)
            return
        self._outputs.append(action)
        match action:
            case a.OpenUplink():
                self.relay.open_uplink()
            case a.PlayClip() if self._clip:
                self.relay.play_clip(self._clip, self.now)
            case a.PlaySound(sound):
                self.relay.play_clip(audio_of(sound), self.now)
            case a.PlayKeys(keys, name):
                self.relay.play_clip(key_tones(keys), self.now, name)
            case a.DropModel(e.Leg.MODEL) | a.ParkModel():
                self.relay.send_to_model, self._is_loud = None, False
            case a.SwitchModel():
                self.relay.send_to_model, self._line_ms = self._to_model, 0
            case a.SendToPhone():
                self._note_played(action.message)
            case _:
                pass

    def _line_sends(self) -> None:
        """The phone's own frames, up to now."""
        if self._line_at is None or self.phase is Phase.OVER:
            return
        for _ in range(int((self.now - self._line_at) / FRAME_S + 1e-6)):
            self._line_at += FRAME_S
            self._line_frames += 1
            is_word = self._line_frames % GAP_EVERY >= GAP_FRAMES
            event = self.relay.from_phone(_LINE_SAYS[self._is_loud and is_word])
            if event is not None:
                self._happens(event)

    def _as_it_is(self, event: Input) -> e.Event:
        match event:
            case AllPlayed(item_id):
                mark = self._marks_behind[item_id] if item_id else self._latest_mark
                assert mark, "nothing was marked that could be echoed"
                event = media_streams.MarkEchoed(media_streams.MarkName(mark))
            case realtime_events.AudioDelta():
                self._spoken_item = event.item_id
            case e.StreamAdmitted():
                if self.has_line and self._line_at is None:
                    self._line_at = self.now
                return dataclasses.replace(event, plan=self._plan)
            case e.ModelConnected(e.Leg.MODEL):
                self._line_ms = 0
            case realtime_events.SpeechStarted():
                self._is_loud = True
            case realtime_events.SpeechStopped():  # The server's clock counts the line's frames as well.
                self._is_loud = False
                if event.audio_end_ms is not None:
                    return msgspec.structs.replace(event, audio_end_ms=event.audio_end_ms + self._line_ms)
            case _:
                pass
        if isinstance(event, media_streams.MarkEchoed) and event.mark.name == self._latest_mark:
            self._unplayed = self._unmarked
        return event

    def _through_relay(self, event: e.Event) -> e.Event | None:
        match event:
            case media_streams.Incoming():
                return self.relay.from_phone(_encode(event))
            case media_streams.UnknownMessage(name):
                return self.relay.from_phone(_encode({"event": name}))
            case realtime_events.ServerEvent() if self._entrance.call is not None:
                return self.relay.from_model(_encode(event), self.now)
            case realtime_events.UnknownEvent(name):
                return self.relay.from_model(_encode({"type": name}), self.now)
            case e.SpareSaid(realtime_events.ServerEvent() as said):
                return self.relay.from_spare(_encode(said))
            case e.ModelConnected(e.Leg.MODEL):
                self.relay.send_to_model = self._to_model
                return event
            case _:
                return event

    def _to_phone(self, frame: bytes) -> None:
        message = _decode_to_phone(frame)
        self._note_played(message)
        match message:
            case SendAudio():
                self._outputs.append(AudioToPhone(len(message.media.payload) // mulaw.BYTES_PER_MS))
            case SendMark() | Clear():
                self._outputs.append(a.SendToPhone(message))
            case _:
                assert_never(message)

    def _note_played(self, message: SendAudio | SendMark | Clear) -> None:
        self._unplayed = not isinstance(message, Clear)
        self._unmarked = isinstance(message, SendAudio)
        if isinstance(message, SendMark):
            self._latest_mark = self._marks_behind[self._spoken_item] = message.mark.name

    def _to_model(self, frame: bytes) -> None:
        if frame in _LINE_ADDS:
            self._line_ms += round(FRAME_S * 1000)
            return
        payload = _decode_to_model(frame).audio
        self._outputs.append(AudioToModel(len(payload) // mulaw.BYTES_PER_MS))
