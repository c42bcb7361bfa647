"""A Realtime session: client messages and time in, frames out. No socket, no clock, no task.

The door of the simulator's core. It tells the commands apart, answers errors, keeps the session's
configuration and lifetime, and commits the faults of the script. Turns are in `listening`, responses
in `speaking`.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from callbridge.simulators.voice_model import client_events
from callbridge.simulators.voice_model.faults import INVALID_KEY_CODE, INVALID_KEY_MESSAGE, REJECTIONS
from callbridge.simulators.voice_model.items import client_item, refuse_orphan
from callbridge.simulators.voice_model.journal import Journal, Received, Truncation
from callbridge.simulators.voice_model.listening import Listening
from callbridge.simulators.voice_model.schema import ClientError
from callbridge.simulators.voice_model.shared import SessionSettings, Shared
from callbridge.simulators.voice_model.speaking import Speaking

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.simulators.voice_model.faults import Fault
    from callbridge.simulators.voice_model.outputs import Output
    from callbridge.simulators.voice_model.schema import Json
    from callbridge.simulators.voice_model.script import Prompter, Script

HELD_MESSAGES_MAX = 10_000
"""Messages that wait for the end of a stall: more than three minutes of frames. Later ones are lost."""


class RealtimeSession:
    """One session with one client.

    Call `open` once, then `receive` for each message and `wake` at each `deadline`. Everything that they
    return must be carried out, in order, before the next call.

    Args:
        script: what the model says.
        settings: of this session.
        prompter: one that other sessions share or have used, to go on with their answers.
    """

    def __init__(
        self, script: Script, settings: SessionSettings | None = None, prompter: Prompter | None = None
    ) -> None:
        self._shared = Shared(script, settings or SessionSettings(), prompter)
        self._speaking = Speaking(self._shared)
        self._listening = Listening(self._shared, self._speaking)
        self._takes_appends_as_they_are = all(
            fault.on != "input_audio_buffer.append" for fault in self._shared.faults
        )
        self._held: list[str | bytes] = []
        self.deadline: float | None = None
        """When to call `wake`; None when only a message can make a difference."""
        self._seen: Counter[str] = Counter()
        self._commands: dict[str, Callable[[Json], None]] = {
            "session.update": self._update,
            "session.close": _refuse_translation,
            "session.input_audio_buffer.append": _refuse_translation,
            "input_audio_buffer.append": self._listening.append,
            "input_audio_buffer.commit": self._listening.commit,
            "input_audio_buffer.clear": self._listening.clear,
            "conversation.item.create": self._create_item,
            "conversation.item.truncate": self._truncate,
            "conversation.item.delete": self._delete,
            "conversation.item.retrieve": self._retrieve,
            "response.create": lambda event: self._speaking.create(event.get("response") or {}),
            "response.cancel": lambda event: self._speaking.cancel(event.get("response_id")),
        }

    def __repr__(self) -> str:
        """The session by what a reader of a log wants to know of it."""
        state = self.journal.ended or ("speaking" if self._speaking.active else "listening")
        return f"<RealtimeSession {self.journal.session_id} {self.journal.model}: {state}>"

    @property
    def journal(self) -> Journal:
        """What truly happened."""
        return self._shared.journal

    @property
    def is_over(self) -> bool:
        """Whether the session has ended. It answers nothing any more."""
        return self._shared.is_over

    def _set_deadline(self) -> None:
        """Worked out once after each thing that happens, because it is asked far more often."""
        shared = self._shared
        if shared.is_over or shared.stalled_until == math.inf:
            self.deadline = None
            return
        due = -math.inf if self._held else self._next_due
        self.deadline = None if due is None else max(shared.stalled_until, due)

    @property
    def _next_due(self) -> float | None:
        planned, speaking = self._shared.next_due, self._speaking.next_due
        if planned is None or speaking is None:
            return speaking if planned is None else planned
        return min(planned, speaking)

    # --- Doors --------------------------------------------------------------------------------

    def open(self, now: float) -> list[Output]:
        """The client has connected."""
        shared = self._shared
        shared.now = shared.journal.opened_at = now
        shared.journal.session_id = shared.ids.make("sess")
        if shared.settings.keep_audio:
            shared.journal.appended = bytearray()
        shared.note("connected", shared.settings.model)
        if not self._has_connect_fault():
            shared.send({"type": "session.created", "session": self._session()})
            shared.plan(shared.settings.max_duration_s, shared.expire)
            for fault in shared.faults:
                if fault.after_ms is not None:
                    shared.plan(fault.after_ms / 1000, partial(shared.commit, fault))
        self._set_deadline()
        return shared.take_outputs()

    def receive(self, message: str | bytes, now: float) -> list[Output]:
        """The client has sent a frame: text, or bytes when it was binary."""
        self._catch_up(now)
        if self._shared.is_talking:
            if self._takes_at_once(message):
                return self._shared.take_outputs()
            self._hear(message)
        elif self._shared.stalled_until < math.inf and len(self._held) < HELD_MESSAGES_MAX:
            self._held.append(message)
        self._set_deadline()
        return self._shared.take_outputs()

    def wake(self, now: float) -> list[Output]:
        """The deadline has come."""
        self._catch_up(now)
        return self._shared.take_outputs()

    def client_gone(self, how: str, now: float) -> None:
        """The client has closed or lost the connection."""
        self._shared.now = now
        self._shared.end(how)
        self.deadline = None

    # --- Time ---------------------------------------------------------------------------------

    def _catch_up(self, now: float) -> None:
        shared = self._shared
        shared.now = now
        if self.deadline is None or now < self.deadline:
            return
        # After a stall first comes what was due during it, then the answers to what was sent in it.
        while shared.is_talking and (due := self._next_due) is not None and due <= now:
            if shared.next_due is not None and shared.next_due <= due:
                shared.do_next()
            else:
                self._speaking.advance()
        while self._held and shared.is_talking:
            self._hear(self._held.pop(0))
        self._set_deadline()

    # --- Messages -----------------------------------------------------------------------------

    def _hear(self, message: str | bytes) -> None:
        event: Json = {}
        try:
            event = client_events.parse(message)
            self._carry_out(event)
        except ClientError as error:
            event_id = event.get("event_id")
            kind = str(event.get("type", "message"))
            self._shared.refuse(error, kind, event_id if isinstance(event_id, str) else None)

    def _takes_at_once(self, message: str | bytes) -> bool:
        """Take a faultless append in which no turn begins or ends, so that nothing can follow of it."""
        if not self._takes_appends_as_they_are:
            return False
        audio = client_events.appended(message)
        if audio is None:
            return False
        heard = self._listening.append_at_once(audio)
        if heard:
            self._set_deadline()
        return heard is not None

    def _carry_out(self, event: Json) -> None:
        kind = client_events.kind_of(event)
        if kind != "input_audio_buffer.append":
            self.journal.received.append(Received(kind, self._shared.now))
        self._seen[kind] += 1
        fault = self._fault_in_place_of(kind)
        if fault is not None:
            self._shared.commit(fault)
        else:
            self._commands[kind](client_events.check(event))

    def _fault_in_place_of(self, kind: str) -> Fault | None:
        faults = self._shared.faults
        wanted = (kind, self._seen[kind])
        return next((fault for fault in faults if (fault.on, fault.nth) == wanted), None)

    def _has_connect_fault(self) -> bool:
        shared = self._shared
        fault = shared.script.connect_fault(shared.settings.connection)
        if fault is None or fault.kind in {"refuse", "hang"}:
            return False
        shared.note("fault", fault.kind)
        if fault.kind == "silent":
            shared.stalled_until = math.inf
            return True
        reason = fault.reason
        if fault.kind == "reject":
            code, message = REJECTIONS.get(fault.code, (INVALID_KEY_CODE, INVALID_KEY_MESSAGE))
            code = code if fault.error_code is None else fault.error_code
            shared.send_error("invalid_request_error", code or None, fault.message or message)
            reason = reason or ".".join(filter(None, ("invalid_request_error", code)))
        shared.close(fault.code, reason)
        return True

    # --- Commands -----------------------------------------------------------------------------

    def _session(self) -> Json:
        shared = self._shared
        expires_at = shared.settings.opened_unix_s + int(shared.settings.max_duration_s)
        return shared.config.echo | {"id": self.journal.session_id, "expires_at": expires_at}

    def _update(self, event: Json) -> None:
        shared = self._shared
        shared.config = shared.config.updated(
            event["session"],
            has_spoken=shared.has_spoken,
            transcription_models=shared.settings.transcription_models,
            takes_include=shared.settings.takes_include,
        )
        self.journal.session = shared.config.values
        self._listening.configure()
        shared.send({"type": "session.updated", "session": self._session()})
        shared.note("configured", shared.config.summary())
        self._speaking.mcp.configured()

    def _create_item(self, event: Json) -> None:
        shared = self._shared
        item = client_item(event["item"], "item", shared.config.input_format, shared.ids)
        refuse_orphan(item, shared.conversation)
        if item.type == "mcp_approval_response":
            self._speaking.mcp.decided(item)
        previous_item_id = shared.conversation.add(item, event.get("previous_item_id"))
        shared.send_item(item, previous_item_id)

    def _truncate(self, event: Json) -> None:
        shared, item_id, end_ms = self._shared, event["item_id"], event["audio_end_ms"]
        refuses_zero = shared.script.truncate_at_zero == "refused"
        shared.conversation.truncate(item_id, event["content_index"], end_ms, refuses_zero=refuses_zero)
        shared.journal.truncations.append(Truncation(shared.now, item_id, end_ms))
        shared.note("truncated", f"{item_id} at {end_ms} ms")
        shared.send(
            {
                "type": "conversation.item.truncated",
                "item_id": item_id,
                "content_index": event["content_index"],
                "audio_end_ms": end_ms,
            }
        )

    def _delete(self, event: Json) -> None:
        self._shared.conversation.delete(event["item_id"])
        self._shared.note("deleted", event["item_id"])
        self._shared.send({"type": "conversation.item.deleted", "item_id": event["item_id"]})

    def _retrieve(self, event: Json) -> None:
        item = self._shared.conversation.retrieve(event["item_id"])
        shown = item.with_audio(self._shared.config.output_format)
        self._shared.send({"type": "conversation.item.retrieved", "item": shown})


def _refuse_translation(event: Json) -> None:
    raise ClientError("invalid_event", f"'{event['type']}' is for translation sessions.", "type")
