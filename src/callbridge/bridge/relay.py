"""The audio path: phone message to model command, model delta to phone message.

The data plane. What comes as audio leaves as audio, unchanged, without a task, a queue or a decision of its
own: the gate says what may pass, the ledger notes what went. All else is an event for the machine.
No logging here, no metric call with a frame, nothing that could be done once per call.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, TypeAlias

from callbridge.call.ear.gate import Uplink
from callbridge.call.ear.playout import CLIP, Playout
from callbridge.call.events import (
    AnswerRanAway,
    BadMessage,
    CallerIsLoud,
    CallerWasLoud,
    Event,
    Leg,
    SpareSaid,
)
from callbridge.call.flood import FRAMES_EACH
from callbridge.wire import media_streams, realtime_events
from callbridge.wire.audio import BYTES_PER_MS, FRAME_BYTES, FRAME_MS
from callbridge.wire.errors import UNREADABLE, ProtocolError
from callbridge.wire.media_streams import Media, SendMark, encode_audio
from callbridge.wire.media_streams import decode as decode_from_phone
from callbridge.wire.realtime_commands import encode_append
from callbridge.wire.realtime_events import AnswerDelta, AudioDelta, CallerDelta
from callbridge.wire.realtime_events import decode as decode_from_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.tally import Tally
    from callbridge.call.ear.tape import Entry
    from callbridge.call.machine import CallMachine
    from callbridge.call.passing import Ledger, Words

_UNSTARTED, _HELD, _OPEN = Uplink.UNSTARTED, Uplink.HELD, Uplink.OPEN
"""Read for every frame: by their class's name they would cost as much as all else that is looked at."""

LOUD_FRAMES = 75
"""1.5 s of loudness that the model does not take for speech: the machine is told, and again each 1.5 s."""

KEPT_FRAMES_MAX = 400
"""8 s of what a model may not have heard: whom nobody answers does not speak for longer."""

KEPT_FOR_FRAMES = 100
"""2 s after the caller was loud: a session that has not heard them is known to be dead after 1.5 s."""

FRAME_BYTES_MAX = 2000 * BYTES_PER_MS
"""Two seconds in one uplink frame: Twilio sends 20 ms, so anything near this is not a telephone."""


HearWords: TypeAlias = "Callable[[Literal['agent', 'caller'], str, str], None]"
"""Gets pieces of both sides' words as they come: who speaks, in which item, and the piece."""


Direction: TypeAlias = Literal["uplink", "downlink"]

HearPassing: TypeAlias = "Callable[[Direction, float], None]"
"""Is told that a frame has passed, one of many, and when that turn of the event loop began."""


def nobody_counts(_frames: float) -> None:
    """Then nothing is a flood."""


def nobody_times(_direction: Direction, _woken_at: float) -> None:
    """Then it is not measured how long a frame is on its way."""


def nobody_hears(_by: str, _item_id: str, _words: str) -> None:
    """Then the caller's words are what the whole transcript says."""


class Relay:
    """Moves the audio of one call between two `send` functions.

    Args:
        gate: says what may pass. It stands before there is a call.
        tally: counts what passed.
        send_to_phone: takes the text of one frame.
        flood_of_frames: is told of so many more frames of 20 ms, and says when a caller cannot speak so fast.
    """

    __slots__ = (
        "_adds",
        "_audio_head",
        "_flood_of_frames",
        "_gate",
        "_hear",
        "_heard",
        "_held",
        "_held_bytes",
        "_is_unheard",
        "_kept",
        "_kept_at",
        "_kept_bytes",
        "_loudness",
        "_playout",
        "_stream_sid",
        "_tally",
        "_tap",
        "_told_at",
        "_transcript",
        "_unheard_ms_max",
        "_was_loud",
        "passed",
        "send_to_model",
        "send_to_phone",
    )

    _transcript: Words
    _heard: Playout
    """The ledger itself, for who records: also where what is written into it is taped."""
    _tap: Callable[[Entry], None]
    """Who is told what passes; there is one while somebody records (`taps`)."""

    def __init__(
        self,
        gate: Gate,
        tally: Tally,
        send_to_phone: Callable[[bytes], None],
        flood_of_frames: Callable[[float], BadMessage | None] = nobody_counts,
    ) -> None:
        self._gate, self._tally, self._flood_of_frames = gate, tally, flood_of_frames
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._loudness = tally.loudness
        self._kept: deque[bytes] = deque(maxlen=KEPT_FRAMES_MAX)
        """What the caller has said since they became loud, as long as the model hears no speech."""
        self._is_unheard = False
        """Since they became loud it has heard nothing of them."""
        self._kept_at = 0
        """The frame at which they had fallen quiet, and it had not."""
        self._kept_bytes = 0
        """What was taken over from there, on top of what may be held."""
        self._told_at = LOUD_FRAMES
        self._playout: Ledger = Playout()  # Of nobody: nothing is sent before there is a call.
        self._stream_sid = ""
        self._audio_head = b""
        self._unheard_ms_max = 0
        self._was_loud = False
        self._hear: HearWords = nobody_hears
        self._adds = self._add_silently
        self.passed: HearPassing = nobody_times
        """May be told of the way up, one frame in so many, and of the way down with each mark."""
        self.send_to_phone = send_to_phone
        self.send_to_model: Callable[[bytes], None] | None = None
        """Known once the model leg is open; audio is held until then."""

    def serve(self, call: CallMachine) -> None:
        """There is a call now: its ledger and its transcript are filled from here on."""
        self._playout, self._transcript = call.written_past
        self._heard = call.playout
        self._stream_sid, self._unheard_ms_max = call.stream_sid, call.limits.unheard_ms_max
        self._audio_head = media_streams.audio_head(call.stream_sid)

    def hear_words(self, hear: HearWords | None) -> None:
        """Somebody follows the words of both sides from now on, or nobody does any more.

        The function itself is changed: no piece is looked at for nobody.
        """
        self._hear = hear or nobody_hears
        self._adds = self._add_silently if hear is None else self._add_aloud

    def tapped(self, tap: Callable[[Entry], None], cut: Callable[[Entry], None] | None) -> None:
        """Who is told from here on what passes, and of what the phone is cleared."""
        self._tap, self._heard.on_cut = tap, cut

    def from_phone(self, text: str | bytes) -> Event | None:
        """One message of Twilio. Answers what the machine must know, for audio nothing."""
        message: Event
        try:
            message = decode_from_phone(text)
        except UNREADABLE:
            message = _rare(Leg.PHONE, media_streams.parse, text)
        uplink = self._gate.uplink
        if type(message) is not Media or uplink is _UNSTARTED:
            return message
        payload = message.media.payload
        if len(payload) != FRAME_BYTES and (told := self._look_at_size(len(payload))) is not None:
            return told
        self._tally.frames_from_phone = count = self._tally.frames_from_phone + 1
        if uplink is _OPEN:
            self._append(payload)
            if count & 1:
                return self._listen(payload)
            if self._kept:
                self._kept.append(payload)
        elif uplink is _HELD:
            self._hold(payload)
        else:
            self._tally.frames_dropped += 1
        return None if count % FRAMES_EACH else self._flood_of_frames(FRAMES_EACH)

    def from_model(self, text: str | bytes, now: float) -> Event | None:
        """One event of the model. Answers what the machine must know, for audio nothing."""
        self._tally.from_model_at = now
        event: Event
        try:
            event = decode_from_model(text)
        except UNREADABLE:
            event = _rare(Leg.MODEL, realtime_events.parse, text)
        if type(event) is AudioDelta:
            return self._play(event, now)
        if type(event) is AnswerDelta:
            self._adds(event)
            return None
        if type(event) is CallerDelta:
            self._hear("caller", event.item_id, event.delta)
            return None
        return event

    def echoed(self, name: str, now: float) -> bool:
        """Takes a mark's echo, unless the machine must know of it.

        An echo within an answer proves only that so much was heard: more of it is on its way to the caller,
        and nothing can be due. Five a second of every agent who speaks.
        """
        return self._playout.echoed_on_the_way(name, now)

    def from_spare(self, text: str | bytes) -> Event:
        """One event of the second session, which has no say in the call yet."""
        try:
            return SpareSaid(realtime_events.parse(text))
        except ProtocolError as error:
            return BadMessage(Leg.SPARE, str(error))

    def open_uplink(self) -> None:
        """Sends what was held, in order. From now on the gate decides."""
        if self._kept:
            self._hold_kept()
        while self._held:
            self._append(self._held.popleft())
        self._held_bytes = self._kept_bytes = 0
        # Whoever was loud meanwhile: this session has as much time to notice as any other.
        loud_for = self._loudness.loud_for
        if self._was_loud is not (loud_for > 0):
            self._loudness_changed(is_loud=loud_for > 0)
        self._told_at = loud_for + LOUD_FRAMES

    def play_clip(self, clip: bytes, now: float, name: str = CLIP) -> None:
        """Lets the caller hear audio of ours, behind what is queued already. `name`: in the ledger."""
        self.send_to_phone(encode_audio(self._audio_head, clip))
        self._playout.clip_sent(len(clip), now, name)
        self._send_mark(self._playout.mark(now))

    def _add_silently(self, piece: AnswerDelta) -> None:
        self._transcript.agent_adds(piece.item_id, piece.delta)

    def _add_aloud(self, piece: AnswerDelta) -> None:
        self._transcript.agent_adds(piece.item_id, piece.delta)
        # As with audio: what may not be heard is not said.
        if piece.response_id == self._gate.audible_response_id:
            self._hear("agent", piece.item_id, piece.delta)

    def _look_at_size(self, size: int) -> BadMessage | None:
        """A frame that is not as long as Twilio's: what it has beyond that counts as further frames."""
        if not 0 < size <= FRAME_BYTES_MAX:
            return BadMessage(Leg.PHONE, f"a frame of {size} bytes of audio")
        return self._flood_of_frames(size / FRAME_BYTES - 1) if size > FRAME_BYTES else None

    def _append(self, payload: bytes) -> None:
        send = self.send_to_model
        assert send is not None, "the gate opens after the model leg"
        send(encode_append(payload))
        tally = self._tally
        tally.frames_to_model += 1
        tally.uplink_bytes += len(payload)

    def _listen(self, payload: bytes) -> Event | None:
        """How loud the caller is: of every second frame, which is soon enough."""
        loudness = self._loudness
        loudness.hears(payload)
        loud_for = loudness.loud_for
        if not loud_for:
            if self._kept:
                self._keep_on(payload)
            return self._fell_quiet() if self._was_loud else None
        if not self._was_loud:
            self._kept.clear()
            self._is_unheard = True
            self._loudness_changed(is_loud=True)
        if self._gate.model_hears:
            self._kept.clear()
            self._is_unheard, self._told_at = False, loud_for + LOUD_FRAMES
            return None
        self._kept.append(payload)
        if loud_for < self._told_at:
            return None
        self._told_at += LOUD_FRAMES
        return CallerIsLoud()

    def _keep_on(self, payload: bytes) -> None:
        """The caller is quiet again: whether the model has heard them is known soon."""
        is_over = not self._was_loud and self._tally.frames_from_phone - self._kept_at > KEPT_FOR_FRAMES
        if is_over or self._gate.model_hears:
            self._kept.clear()
        else:
            self._kept.append(payload)

    def _fell_quiet(self) -> Event | None:
        is_short = self._is_unheard and self._told_at == LOUD_FRAMES
        if self._is_unheard:
            self._kept_at = self._tally.frames_from_phone
        else:
            self._kept.clear()
        self._loudness_changed(is_loud=False)
        return CallerWasLoud(self._loudness.loud_before * FRAME_MS) if is_short else None

    def _loudness_changed(self, *, is_loud: bool) -> None:
        self._was_loud, self._told_at = is_loud, LOUD_FRAMES

    def _hold(self, payload: bytes) -> None:
        if self._kept:
            self._hold_kept()
        if self._tally.frames_from_phone & 1:
            self._loudness.hears(payload)
        self._held.append(payload)
        self._held_bytes += len(payload)
        while self._held_bytes > self._gate.held_ms_max * BYTES_PER_MS + self._kept_bytes:
            self._held_bytes -= len(self._held.popleft())
            self._tally.frames_dropped += 1

    def _hold_kept(self) -> None:
        """The session is lost, and may not have heard what the caller was saying: that comes first."""
        if self._gate.resends:
            self._held.extend(self._kept)
            self._kept_bytes = sum(map(len, self._kept))
            self._held_bytes += self._kept_bytes
        self._kept.clear()

    def _play(self, delta: AudioDelta, now: float) -> Event | None:
        audio = delta.delta
        if delta.response_id != self._gate.audible_response_id:
            self._tally.deltas_dropped += 1
            self._playout.withheld(delta.item_id, len(audio))
            return None
        if not audio:
            return None
        send = self.send_to_phone
        send(encode_audio(self._audio_head, audio))
        tally = self._tally
        tally.frames_to_phone += 1
        tally.downlink_bytes += len(audio)
        if delta.content_index:  # A rare item begins with something else than its audio.
            self._playout.is_part(delta.item_id, delta.content_index)
        mark = self._playout.sent(delta.item_id, len(audio), now)
        if mark is None:
            return None
        self._send_mark(mark)
        self.passed("downlink", now)
        # Looked at with every mark: an answer that has run away is a few frames longer by then.
        return AnswerRanAway() if self._playout.unheard_ms(now) > self._unheard_ms_max else None

    def _send_mark(self, mark: str | None) -> None:
        if mark is not None:
            name = media_streams.MarkName(mark)
            self.send_to_phone(media_streams.encode(SendMark(self._stream_sid, name)))


def _rare(leg: Leg, parse: Callable[[str | bytes], Event], text: str | bytes) -> Event:
    """What is not what we know: a newer message, one with something odd in it, or a broken one."""
    try:
        return parse(text)
    except ProtocolError as error:
        return BadMessage(leg, str(error))
