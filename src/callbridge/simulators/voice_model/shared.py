"""What the parts of a session share: its settings and state, its outputs, its agenda and its journal.

Listening, speaking and the session itself write here and nowhere else. No protocol decisions.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import msgspec

from callbridge.simulators.voice_model.conversation import Conversation
from callbridge.simulators.voice_model.faults import (
    NO_HANDSHAKE_CODES,
    QUOTA_CODE,
    QUOTA_MESSAGE,
    Fault,
)
from callbridge.simulators.voice_model.ids import Ids
from callbridge.simulators.voice_model.journal import Journal, Note, NoteKind, Refusal
from callbridge.simulators.voice_model.oddities import Oddities
from callbridge.simulators.voice_model.outputs import (
    Abort,
    Close,
    Mute,
    Output,
    Send,
    SendBinary,
    Stall,
)
from callbridge.simulators.voice_model.script import Prompter, Script
from callbridge.simulators.voice_model.session_config import (
    TRANSCRIPTION_MODELS,
    SessionConfig,
)
from callbridge.simulators.voice_model.session_schema import SessionKind
from callbridge.simulators.voice_model.usage import Meter

if TYPE_CHECKING:
    from callbridge.simulators.voice_model.conversation import Item
    from callbridge.simulators.voice_model.schema import ClientError, Json

Action = Callable[[], None]

OBFUSCATED = frozenset(
    {
        "conversation.item.input_audio_transcription.delta",
        "response.function_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.output_audio_transcript.delta",
        "response.output_text.delta",
    }
)
"""Deltas of words carry `obfuscation`: letters that hide how long the words are. Those of audio do not."""

OBFUSCATED_LENGTH = 16
"""Words and letters together are a multiple of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """One session, as its server has set it up."""

    model: str = "gpt-realtime-2.1"
    kind: SessionKind = "realtime"
    """`transcription` when the client asks with `?intent=transcription`: it hears and writes down, and says
    nothing."""
    seed: int = 0
    connection: int = 1
    """Number of the connection, counted from 1: part of the seed, and what connect faults go by."""
    opened_unix_s: int = 0
    """Wall clock at the opening, for `session.expires_at` alone."""
    pace: float | None = None
    """Times real time, for answers that do not say; the script's or the model's when absent."""
    latency_ms: int = 0
    """Added to the time to think before each answer."""
    handshake_ms: int = 0
    """What the server takes to answer an upgrade; for sessions on sockets alone."""
    max_duration_s: float = 3600.0
    """60 minutes since general availability."""
    transcription_models: tuple[str, ...] = TRANSCRIPTION_MODELS
    takes_include: bool = True
    """Whether it knows the field at all. A gateway, or an older server, may not."""
    keep_audio: bool = False
    """Whether the journal keeps every appended byte, and when audio came and went."""


class Shared:
    """Shared state of one session."""

    def __init__(self, script: Script, settings: SessionSettings, prompter: Prompter | None = None) -> None:
        self.script = script
        self.faults = script.faults_on(settings.connection)
        """The faults of the script, not of its answers, that are for this session."""
        self.settings = settings
        self.config = SessionConfig(settings.model, settings.kind)
        self.conversation = Conversation()
        self.prompter = prompter or Prompter(script)
        self.meter = Meter()
        seed = f"{settings.seed}/{settings.connection}"
        self.ids = Ids(f"ids {seed}")
        self.random = Random(f"deltas {seed}")  # noqa: S311 - delta sizes of a simulator
        self.conversation_id = self.ids.make("conv")
        self.journal = Journal(settings.model, conversation=self.conversation)
        self.now = 0.0
        self.is_over = False
        self.stalled_until = -math.inf
        self.when_vad_fails: Callable[[Fault], None] = lambda _fault: None
        """Who wants to know that a fault of turn detection begins."""
        odd = script.oddities_on(settings.connection)
        self._oddities = Oddities(odd) if odd else None
        self._outputs: list[Output] = []
        self._agenda: list[tuple[float, int, Action]] = []
        self._planned = 0

    @property
    def is_talking(self) -> bool:
        """Whether anything may still be said now."""
        return not self.is_over and self.stalled_until <= self.now

    @property
    def has_spoken(self) -> bool:
        """Whether assistant audio is present in the conversation."""
        return any(item.is_spoken and item.sent_bytes for item in self.conversation.items())

    # --- Outputs ------------------------------------------------------------------------------

    def send(self, event: Json) -> None:
        """Send a server event. Every one has a `type` and an `event_id`."""
        whole = {"type": event["type"], "event_id": self.ids.make("event"), **event}
        if event["type"] in OBFUSCATED:
            whole["obfuscation"] = self.ids.letters(
                OBFUSCATED_LENGTH - len(event["delta"]) % OBFUSCATED_LENGTH
            )
        if self._oddities is not None:
            whole = self._spoilt(self._oddities, whole)
            if not whole:
                return
        self._outputs.append(Send(msgspec.json.encode(whole).decode()))

    def send_item(self, item: Item, previous_item_id: str | None) -> None:
        """Tell of an item that is whole from its beginning."""
        for kind in ("conversation.item.added", "conversation.item.done"):
            self.send({"type": kind, "previous_item_id": previous_item_id, "item": item.as_json()})

    def _spoilt(self, oddities: Oddities, event: Json) -> Json:
        spoilt, missing = oddities.spoilt(event)
        if spoilt is not event:
            self.note("fault", f"odd {event['type']}")
        for place in missing:
            self.note("left_out", f"{event['type']} has no {place} that could be odd")
        return spoilt

    def refuse(self, error: ClientError, event_type: str = "", event_id: str | None = None) -> None:
        """Answer with an `error` event. The session goes on: most errors are recoverable."""
        self.send_error("invalid_request_error", error.code, error.message, error.param, event_id)
        refusal = Refusal(self.now, error.code, error.message, error.param, event_type, event_id)
        self.journal.refusals.append(refusal)
        self.note("refused", f"{event_type or 'turn'}: {error.message}")

    def send_error(
        self,
        kind: str,
        code: str | None,
        message: str,
        param: str | None = None,
        event_id: str | None = None,
    ) -> None:
        """Send an `error` event."""
        error = {
            "type": kind,
            "code": code,
            "message": message,
            "param": param,
            "event_id": event_id,
        }
        self.send({"type": "error", "error": error})

    def close(self, code: int, reason: str = "") -> None:
        """Close, or cut the connection when the code is one that no close frame carries."""
        is_cut = code in NO_HANDSHAKE_CODES
        self._outputs.append(Abort() if is_cut else Close(code, reason))
        self.end("connection cut" if is_cut else f"closed with {code} {reason}".rstrip())

    def end(self, how: str) -> None:
        """The session is over."""
        if not self.is_over:
            self.is_over = True
            self.journal.ended = how
            self.note("ended", how)

    def expire(self) -> None:
        """The session is as old as one may get."""
        minutes = self.settings.max_duration_s / 60
        message = f"Your session hit the maximum duration of {minutes:g} minutes."
        self.send_error("invalid_request_error", "session_expired", message)
        self.close(1001)

    def take_outputs(self) -> list[Output]:
        """What was put out since the last time."""
        taken, self._outputs = self._outputs, []
        return taken

    def note(self, kind: NoteKind, text: str) -> None:
        """Write down something worth showing."""
        self.journal.notes.append(Note(self.now, kind, text))

    # --- Agenda -------------------------------------------------------------------------------

    @property
    def next_due(self) -> float | None:
        """When the next planned action is due."""
        return self._agenda[0][0] if self._agenda else None

    def plan(self, delay_s: float, action: Action) -> None:
        """Do this later. It is not taken back: the action looks whether it still makes sense."""
        self._planned += 1
        heapq.heappush(self._agenda, (self.now + delay_s, self._planned, action))

    def do_next(self) -> None:
        """Do the next planned action."""
        heapq.heappop(self._agenda)[2]()

    # --- Faults -------------------------------------------------------------------------------

    def commit(self, fault: Fault) -> None:
        """Carry out a fault that needs no response."""
        self.note("fault", fault.kind)
        match fault.kind:
            case "close":
                self.close(fault.code, fault.reason)
            case "abort":
                self.close(1006)
            case "stall":
                seconds = math.inf if fault.seconds is None else fault.seconds
                self.stalled_until = self.now + seconds
                if not fault.pongs:
                    self._outputs.append(Mute())
            case "deaf":
                self.stalled_until = math.inf
                self._outputs.append(Stall())
            case "expire":
                self.expire()
            case "vad_deaf" | "vad_stuck" | "vad_noise":
                # Not from within the response that has the fault: noise interrupts it.
                self.plan(0, partial(self.when_vad_fails, fault))
            case _:
                self._misspeak(fault)

    def _misspeak(self, fault: Fault) -> None:
        """Say what a client does not expect, and go on."""
        match fault.kind:
            case "garbage":
                self._outputs.append(Send('{"type": "response.output_au'))
            case "binary":
                self._outputs.append(SendBinary(bytes(range(256))))
            case "oversized":
                self.send({"type": "simulator.oversized", "padding": "x" * fault.size_bytes})
            case "unknown_event":
                self.send({"type": "response.output_scent.delta", "delta": "bread"})
            case "wrong_type":
                self.send({"type": "response.output_audio.delta", "item_id": 7, "delta": ["bread"]})
            case "error":
                self.send_error(fault.error_type, fault.error_code, fault.message)
            case "quota":
                self.send_error(QUOTA_CODE, QUOTA_CODE, QUOTA_MESSAGE)
            case _:
                # `duplicate` is the response's to do; `ignore` is done by doing nothing.
                pass
