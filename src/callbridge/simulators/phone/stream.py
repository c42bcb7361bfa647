"""One media socket as Twilio sees it: caller audio out, agent audio into the play-out buffer.

Pure and synchronous: messages and the time go in, outputs come back, `deadline` says when to wake it.
So the same stream runs over a real socket and in virtual time. It never raises over what the bridge
sends; what Twilio would warn about becomes a `Complaint`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, assert_never

import msgspec

from callbridge.simulators.phone import messages
from callbridge.simulators.phone.caller import KEYS, Act, Caller, Departure, Ear
from callbridge.simulators.phone.carrier_codes import Complaint, Level
from callbridge.simulators.phone.events import (
    AgentAudioStarted,
    AgentAudioStopped,
    CallerSilent,
    CallerSpeaking,
    Cleared,
    Complained,
    KeyPressed,
    PhoneEvent,
    StreamEnded,
    StreamStarted,
)
from callbridge.simulators.phone.playback import BUFFER_BYTES_MAX, Playback
from callbridge.simulators.phone.silence import AGENT, CALLER, CLIP, Sounds
from callbridge.simulators.phone.voice_activity import SILENT_FRAME, VoiceActivity, is_audible
from callbridge.simulators.sounds import mixed
from callbridge.wire.audio import FRAME_BYTES, milliseconds

if TYPE_CHECKING:
    from callbridge.simulators.phone.messages import StreamIdentity

FRAME_MS = 20
"""Twilio's pace; it never suppresses silence."""

FIRST_TIMESTAMP_MS = 99
"""Timestamp of the first frame in a real capture; others begin at 102 to 171, never at 0."""

DELIBERATE_CLOSE_CODES = frozenset({1000, 1001, 1005})
"""Close codes of a bridge that ended the stream on purpose: normal, going away, none given."""


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send a text message to the bridge."""

    text: str
    event: str
    """Its event, so that nobody has to parse it again."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Cut the connection without a close frame."""


Output: TypeAlias = Send | Close | Abort


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What may differ between streams."""

    first_timestamp_ms: int = FIRST_TIMESTAMP_MS
    """When the first frame is sent, and its timestamp."""
    buffer_bytes_max: int = BUFFER_BYTES_MAX
    """Size of the play-out buffer."""
    clips: tuple[bytes, ...] = ()
    """Sounds that the bridge plays of its own, each whole: the report tells them from the agent's voice."""


@dataclass(slots=True)
class Interruption:
    """The caller began to speak while the agent was heard."""

    caller_started_at: float
    agent_silent_at: float | None = None
    """When the agent was last heard; None when it was still talking at the end."""
    was_cleared: bool = False
    """A clear did it, rather than the end of what the agent had to say."""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """How a stream ended."""

    at: float
    code: int | None
    reason: str
    by_whom: str
    """`caller`, `carrier`, `bridge`, `network`, or `nobody` when it never opened."""
    unheard_bytes: int = 0
    """Agent audio that was still waiting to be played."""
    fault: tuple[int, str] | None = None
    """The carrier code that ended it, with what it is about; None when it ended well."""


class PhoneStream:
    """A bidirectional media stream, from `open` to its end.

    Args:
        identity: the SIDs and custom parameters that `start` carries.
        caller: decides what the caller says and does.
        settings: see `StreamSettings`.
    """

    def __init__(
        self,
        identity: StreamIdentity,
        caller: Caller,
        settings: StreamSettings | None = None,
    ) -> None:
        settings = settings or StreamSettings()
        self.identity = identity
        self.settings = settings

        # The journal: read it freely, during the call or after it.
        self.playback = Playback(settings.buffer_bytes_max, settings.clips)
        """Every payload, mark and clear with its times."""
        self.opened_at: float | None = None
        self.frames_sent_at: list[float] = []
        """When each caller frame was sent."""
        self.caller_audio = bytearray()
        """What was spoken, frame after frame; silence for one that the network has lost."""
        self.lost_frames: list[int] = []
        """Which of them that are, counted from 0."""
        self.keys: list[tuple[float, str]] = []
        self.complaints: list[Complaint] = []
        """Every occurrence; Twilio itself warns once per code and stream."""
        self.interruptions: list[Interruption] = []
        self.longest_silence_s = 0.0
        """Longest time in which neither side was heard."""
        self.sounds = Sounds()
        """When either side was heard, for the silences of the whole call."""
        self.thinking = Sounds()
        """When the agent had spoken last and the caller was silent on purpose."""
        self.end: StreamEnd | None = None

        self.deadline: float | None = None
        """When `wake` must be called next: a frame is due, or a mark. None when the stream is not open."""

        self._caller = caller
        self._frames = 0
        """Spoken so far, those included that the network has lost."""
        self._next_frame_at = 0.0
        self._timestamp_ms = settings.first_timestamp_ms
        """Of the next frame."""
        self._mouth = VoiceActivity()
        self._ear = VoiceActivity()
        self._last_sound_at = 0.0
        self._sequence = 0
        self._events: list[PhoneEvent] = []

    def __repr__(self) -> str:
        state = "new" if self.opened_at is None else "over" if self.end else "open"
        return (
            f"<PhoneStream {self.identity.stream_sid} {state}, {len(self.frames_sent_at)} frames "
            f"out, {milliseconds(self.playback.received_bytes)} ms in>"
        )

    # --- What happens to it ---------------------------------------------------------------

    def open(self, now: float) -> list[Output]:
        """The socket stands: `connected` and `start` go out."""
        assert self.opened_at is None, "a stream opens once"
        self.opened_at = self._last_sound_at = now
        self._set_next_frame()
        self._tell(StreamStarted(now, self.identity.stream_sid))
        start = messages.start(self.identity, self._next_sequence())
        self._set_deadline()
        return [Send(messages.CONNECTED, "connected"), Send(start, "start")]

    def receive(self, message: str | bytes, now: float) -> list[Output]:
        """The bridge sent a message; a text message as str, a binary one as bytes."""
        if not self.is_open:
            return []
        outputs = self.wake(now)
        match messages.read(message, self.identity.stream_sid):
            case messages.AgentAudio(audio):
                self._take_audio(audio, now)
            case messages.AgentMark(name):
                self.playback.add_mark(name, now)
            case messages.AgentClear():
                self._clear(now)
            case messages.Refused(code, detail):
                self.complain(code, detail, now)
            case unknown:
                assert_never(unknown)
        outputs += self._echo_marks(now)
        self._set_deadline()
        return outputs

    def wake(self, now: float) -> list[Output]:
        """Time has passed: send the frames and echo the marks that are due, in their order."""
        outputs: list[Output] = []
        while self.is_open and self._next_frame_at <= now:
            frame_at = self._next_frame_at
            if self.playback.pending_marks:
                outputs += self._echo_marks(now, until=frame_at)
            outputs += self._send_frame(frame_at, now)
        if self.playback.pending_marks and self.is_open:
            outputs += self._echo_marks(now)
        self._set_deadline()
        return outputs

    def press(self, digit: str, now: float) -> list[Output]:
        """The caller pressed a key."""
        if digit not in KEYS or len(digit) != 1:
            raise ValueError(f"not a key of a telephone: {digit!r}")
        if not self.is_open:
            return []
        self.keys.append((now, digit))
        self._tell(KeyPressed(now, digit))
        return [Send(messages.dtmf(self.identity, self._next_sequence(), digit), "dtmf")]

    def hang_up(self, now: float) -> list[Output]:
        """The caller put the phone down: `stop`, then the socket closes."""
        return self._stop("caller", now)

    def stop(self, now: float) -> list[Output]:
        """Twilio stops the stream of a call that goes on: the same on the wire."""
        return self._stop("carrier", now)

    def _stop(self, by_whom: str, now: float) -> list[Output]:
        if not self.is_open:
            return []
        stop = messages.stop(self.identity, self._next_sequence())
        self._finish(StreamEnd(now, 1000, "", by_whom))
        return [Send(stop, "stop"), Close(1000, "")]

    def vanish(self, now: float) -> list[Output]:
        """The caller's network died: no `stop`, no close."""
        if not self.is_open:
            return []
        self._finish(StreamEnd(now, None, "", "caller"))
        return [Abort()]

    def peer_closed(self, code: int | None, reason: str, now: float) -> None:
        """The bridge closed the socket with `code`, or the connection broke (None or 1006)."""
        if not self.is_open:
            return
        if code is None or code == 1006:
            self._break(31903, reason or "no close frame", "network", now)
            return
        detail = f"close code {code} {reason}".rstrip()
        if code not in DELIBERATE_CLOSE_CODES:
            self._break(31921, detail, "bridge", now, close_code=code)
            return
        self.complain(31921, detail, now, Level.NOTICE)
        self._finish(StreamEnd(now, code, reason, "bridge"))

    def protocol_broken(self, detail: str, now: float) -> None:
        """The bridge sent what is no WebSocket; Twilio ends the stream with 31924."""
        if self.is_open:
            self._break(31924, detail, "bridge", now, close_code=1002)

    def fail(self, code: int, detail: str, now: float) -> None:
        """The socket could not be opened, for the reason that the carrier code names."""
        assert self.opened_at is None, "a stream that was opened ends in another way"
        self._break(code, detail, "nobody", now)

    def complain(self, code: int, detail: str, now: float, level: Level | None = None) -> None:
        """Note an occurrence of a carrier code."""
        self.complaints.append(Complaint(code, detail, now, level))
        self._tell(Complained(now, code, detail))

    # --- What can be asked ----------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the stream was opened and has not ended."""
        return self.opened_at is not None and self.end is None

    @property
    def audio_sent(self) -> bytes:
        """What went out of `caller_audio`: all of it but the lost frames."""
        sent, after = bytearray(), 0
        for lost in self.lost_frames:
            sent += self.caller_audio[after * FRAME_BYTES : lost * FRAME_BYTES]
            after = lost + 1
        return bytes(sent + self.caller_audio[after * FRAME_BYTES :])

    def take_events(self) -> list[PhoneEvent]:
        """The events since the last time this was asked."""
        events, self._events = self._events, []
        return events

    # --- The caller -----------------------------------------------------------------------

    def _set_next_frame(self) -> None:
        assert self.opened_at is not None, "frames are sent once the stream is open"
        self._timestamp_ms = self.settings.first_timestamp_ms + FRAME_MS * self._frames
        self._next_frame_at = self.opened_at + self._timestamp_ms / 1000

    def _set_deadline(self) -> None:
        """Worked out once after each thing that happens, because it is asked far more often."""
        mark_due = self.playback.deadline
        if not self.is_open:
            self.deadline = None
        elif mark_due is None or self._next_frame_at < mark_due:
            self.deadline = self._next_frame_at
        else:
            self.deadline = mark_due

    def _send_frame(self, at: float, now: float) -> list[Output]:
        heard = self._listen(at)
        act = self._caller.next_frame(self._ear_at(at, heard))
        if act.departure is not None:
            return self.hang_up(now) if act.departure is Departure.HANG_UP else self.vanish(now)
        speech = _whole_frame(act.audio)
        timestamp_ms = self._timestamp_ms
        self._frames += 1
        self._set_next_frame()
        self._speak(speech, at)
        if act.is_thinking and self._agent_spoke_last():
            self.thinking.add(at - FRAME_MS / 1000, at, CALLER)
        sent = self._send_media(_arriving(act, speech), timestamp_ms, now)
        return sent if act.key is None else sent + self.press(act.key, now)

    def _send_media(self, frame: bytes, timestamp_ms: int, now: float) -> list[Output]:
        """A frame that was lost is silence in the recording, and a jump of the timestamps on the wire."""
        self.caller_audio += frame or SILENT_FRAME
        if not frame:
            self.lost_frames.append(self._frames - 1)
            return []
        self.frames_sent_at.append(now)
        chunk = len(self.frames_sent_at)
        text = messages.media(self.identity, self._next_sequence(), chunk, timestamp_ms, frame)
        return [Send(text, "media")]

    def _agent_spoke_last(self) -> bool:
        heard, said = self._ear.audible_until, self._mouth.audible_until
        return heard is not None and (said is None or said < heard)

    def _ear_at(self, at: float, heard: bytes) -> Ear:
        assert self.opened_at is not None, "asked only while frames are sent"
        opened_at, ear = self.opened_at, self._ear
        began_at, until = ear.began_at, ear.audible_until
        return Ear(
            (at - opened_at) * 1000,
            ear.is_speaking,
            None if began_at is None else (began_at - opened_at) * 1000,
            None if until is None else (until - opened_at) * 1000,
            heard,
        )

    def _listen(self, at: float) -> bytes:
        """What reached the caller's ear during the last 20 ms."""
        start = at - FRAME_MS / 1000
        ear = self._ear
        heard = self.playback.heard_between(start, at)
        has_turned = ear.hear(heard, start, at)
        if ear.audible_until == at:
            self.sounds.add(start, at, self._source(at))
        if has_turned:
            if ear.is_speaking:
                self._tell(AgentAudioStarted(start))
            else:
                assert ear.audible_until is not None, "an utterance that ends was heard"
                self._tell(AgentAudioStopped(ear.audible_until))
        if self.interruptions and not ear.is_speaking and ear.audible_until is not None:
            self._end_interruption(ear.audible_until, was_cleared=False)
        return heard

    def _source(self, at: float) -> str:
        """Whose sound the caller heard until `at`."""
        return CLIP if self.settings.clips and self.playback.is_clip_at(at) else AGENT

    def _speak(self, frame: bytes, at: float) -> None:
        """The caller's mouth during the last 20 ms; a frame is sent when it was spoken."""
        start = at - FRAME_MS / 1000
        mouth = self._mouth
        has_turned = mouth.hear(frame, start, at)
        if mouth.audible_until == at:
            self.sounds.add(start, at, CALLER)
        if has_turned:
            if mouth.is_speaking:
                self._begin_speech(start)
            else:
                assert mouth.audible_until is not None, "an utterance that ends was heard"
                self._tell(CallerSilent(mouth.audible_until))
        # Both windows end at `at`: who was audible in them was so until then.
        if at in (mouth.audible_until, self._ear.audible_until):
            self._last_sound_at = at
        else:
            self.longest_silence_s = max(self.longest_silence_s, at - self._last_sound_at)

    def _begin_speech(self, at: float) -> None:
        # Silence that a bridge keeps sending cannot be interrupted.
        is_interrupting = self._ear.is_speaking and is_audible(self.playback.unheard(at))
        if is_interrupting:
            self.interruptions.append(Interruption(at))
        self._tell(CallerSpeaking(at, is_interrupting))

    # --- The agent ------------------------------------------------------------------------

    def _take_audio(self, audio: bytes, now: float) -> None:
        payload = self.playback.add(audio, now)
        if payload.dropped_bytes:
            lost_ms = milliseconds(payload.dropped_bytes)
            self.complain(31931, f"{lost_ms} ms did not fit into the buffer", now)

    def _clear(self, now: float) -> None:
        clear = self.playback.clear(now)
        if clear.discarded_bytes:
            self._end_interruption(now, was_cleared=True)
        self._tell(Cleared(now, milliseconds(clear.discarded_bytes)))

    def _end_interruption(self, at: float, *, was_cleared: bool) -> None:
        if not self.interruptions or self.interruptions[-1].agent_silent_at is not None:
            return
        latest = self.interruptions[-1]
        latest.agent_silent_at = max(at, latest.caller_started_at)
        latest.was_cleared = was_cleared

    def _echo_marks(self, now: float, until: float | None = None) -> list[Output]:
        return [
            Send(messages.mark(self.identity, self._next_sequence(), mark.name), "mark")
            for mark in self.playback.due_marks(now, until)
        ]

    # --- Bookkeeping ----------------------------------------------------------------------

    def _break(self, code: int, detail: str, by_whom: str, now: float, close_code: int | None = None) -> None:
        self.complain(code, detail, now)
        self._finish(StreamEnd(now, close_code, detail, by_whom, fault=(code, detail)))

    def _finish(self, end: StreamEnd) -> None:
        """End the stream. What is still in the buffer is lost, as on a real line."""
        self.deadline = None
        self._hear_the_rest(end.at)
        self.end = replace(end, unheard_bytes=self.playback.cut(end.at))
        self._tell(StreamEnded(end.at, end.code, end.by_whom))

    def _hear_the_rest(self, at: float) -> None:
        """What was heard after the last frame: it is no window of its own, but it is no silence either."""
        if self.opened_at is None:
            return
        start = self._next_frame_at - FRAME_MS / 1000
        if start < at and is_audible(self.playback.heard_between(start, at)):
            self.sounds.add(start, at, self._source(at))

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def _tell(self, event: PhoneEvent) -> None:
        self._events.append(event)


def _arriving(act: Act, speech: bytes) -> bytes:
    """What Twilio gets of 20 ms of the caller: nothing of a lost frame."""
    if act.arrives is not None:
        return act.arrives
    return mixed(speech, act.around)[:FRAME_BYTES] if act.around else speech


def _whole_frame(audio: bytes) -> bytes:
    """20 ms of audio, filled up with silence."""
    if not audio:
        return SILENT_FRAME
    return audio[:FRAME_BYTES].ljust(FRAME_BYTES, SILENT_FRAME[:1])
