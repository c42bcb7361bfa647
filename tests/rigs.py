"""A call without sockets: the machine and its relay, fed with values, answering with values.

A rig does what a bridge does, in one thread and with the time it is told: whatever a peer says goes through
the relay as text, whatever is an event then goes to the machine, and what leaves is kept in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

import msgspec

from callbridge.bridge.relay import Relay
from callbridge.call import actions as a
from callbridge.call.limits import Limits
from callbridge.call.machine import Call
from callbridge.call.plan import CallPlan
from callbridge.wire import media_streams, mulaw, realtime
from callbridge.wire.media_streams import Clear, SendAudio, SendMark
from callbridge.wire.realtime import MULAW
from callbridge.wire.realtime_commands import (
    AppendAudio,
    Audio,
    AudioInput,
    AudioOutput,
    FunctionTool,
    ServerVad,
    Session,
    Transcription,
)

BEGINS_AT_S: Final = 1000.0
"""Not zero: a time that is taken for "no time" must not go unseen."""

LOOK_UP = FunctionTool("look_up", "Looks something up.", {"type": "object", "properties": {}})


def make_plan(
    *,
    greeting: str = "Hello.",
    transcribes: bool = True,
    server_interrupts: bool = True,
    second_model: str | None = None,
) -> CallPlan:
    """The plan of an ordinary call."""
    detection = ServerVad(0.5, 300, 500, interrupt_response=server_interrupts)
    transcription = Transcription("gpt-transcribe") if transcribes else None
    audio = Audio(AudioInput(MULAW, detection, transcription, None), AudioOutput(MULAW, "marin"))
    session = Session("You answer the telephone.", audio, (LOOK_UP,), "auto", ("audio",))
    return CallPlan("gpt-realtime-2.1", session, greeting, second_model)


PLAN: Final = make_plan()

LIMITS: Final = Limits(media_gap_warning_s=Limits().media_gap_timeout_s, caller_look_every_s=60.0)
"""The ordinary ones, but that the phone's silence is looked at once: scripts leave most frames out."""

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


Output: TypeAlias = a.Action | AudioToPhone | AudioToModel
Input: TypeAlias = a.Event

_encode: Final = msgspec.json.Encoder().encode
_decode_to_phone: Final = msgspec.json.Decoder(SendAudio | SendMark | Clear).decode
_decode_to_model: Final = msgspec.json.Decoder(AppendAudio).decode


class Rig:
    """One call, its relay, and everything that left it."""

    def __init__(
        self, plan: CallPlan = PLAN, limits: Limits | None = None, *, clip_ms: int = CLIP_MS
    ) -> None:
        self.now = BEGINS_AT_S
        self.call = Call(plan, self.now, limits or LIMITS)
        self.relay = Relay(self.call, self._to_phone)
        self._clip = mulaw.silence(clip_ms) if clip_ms else b""
        self._outputs: list[Output] = []

    @property
    def seconds(self) -> float:
        """The time since the rig began, to the microsecond."""
        return round(self.now - BEGINS_AT_S, 6)

    def feed(self, event: Input) -> list[Output]:
        """Hands in one event now; answers all that left because of it, in order."""
        assert not self._outputs
        told = self._through_relay(event)
        if told is not None:
            for action in self.call.handle(told, self.now):
                self._perform(action)
        outputs, self._outputs = self._outputs, []
        return outputs

    def fail(self, detail: str) -> list[Output]:
        """What a bridge does when its own code broke."""
        return list(self.call.fail(detail, self.now))

    def _perform(self, action: a.Action) -> None:
        self._outputs.append(action)
        match action:
            case a.OpenUplink():
                self.relay.open_uplink()
            case a.PlayClip() if self._clip:
                self.relay.play_clip(self._clip, self.now)
            case a.DropModel(a.Leg.MODEL) | a.ParkModel():
                self.relay.send_to_model = None
            case _:
                pass

    def _through_relay(self, event: Input) -> a.Event | None:
        match event:
            case media_streams.Incoming():
                return self.relay.from_phone(_encode(event))
            case media_streams.UnknownMessage(name):
                return self.relay.from_phone(_encode({"event": name}))
            case realtime.ServerEvent():
                return self.relay.from_model(_encode(event), self.now)
            case realtime.UnknownEvent(name):
                return self.relay.from_model(_encode({"type": name}), self.now)
            case a.SpareSaid(realtime.ServerEvent() as said):
                return self.relay.from_spare(_encode(said))
            case a.ModelConnected(a.Leg.MODEL):
                self.relay.send_to_model = self._to_model
                return event
            case _:
                return event

    def _to_phone(self, frame: bytes) -> None:
        message = _decode_to_phone(frame)
        match message:
            case SendAudio():
                self._outputs.append(AudioToPhone(len(message.media.payload) // mulaw.BYTES_PER_MS))
            case SendMark() | Clear():
                self._outputs.append(a.SendToPhone(message))
            case _:
                assert_never(message)

    def _to_model(self, frame: bytes) -> None:
        payload = _decode_to_model(frame).audio
        self._outputs.append(AudioToModel(len(payload) // mulaw.BYTES_PER_MS))
