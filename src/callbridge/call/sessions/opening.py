"""One session from its socket to its readiness: configured, and told what was said before.

`Opening` takes the server's events and writes commands. Who dials, and what becomes of a call without a
session, is decided in `sessions`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from callbridge.call.codes import HARMLESS_CODES, UNKNOWN_MODEL_CODES
from callbridge.call.facts import noted, warned
from callbridge.call.sessions.trouble import Trouble
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.call.events import Leg
    from callbridge.call.outbox import Outbox
    from callbridge.call.plan import CallPlan
    from callbridge.wire import realtime_events


_OF_LOGPROBS: Final = re.compile(r"\binclude\b|logprobs")
"""How they are named, by their field or themselves. Mistaken, it costs one more update."""


class Step(Enum):
    """How far an opening has come."""

    DIALLED = "dialled"
    CONFIGURING = "configuring"
    CONFIGURED = "configured"
    """Confirmed, and silent: it waits to be told what was said before."""
    RETELLING = "retelling"
    READY = "ready"


@dataclass(slots=True)
class Opening:
    """One session from its socket to its readiness.

    A session that must be told something first is configured to answer nobody until it was: otherwise old
    audio would be answered without the memory (Realtime guide, "Keep VAD, but disable automatic responses").
    """

    plan: CallPlan
    out: Outbox
    leg: Leg
    is_retold: bool
    """Whether it is told what was said before."""
    is_protecting: bool = False
    """Whether the agent may not be interrupted in it at first: the caller has not been greeted."""
    step: Step = Step.DIALLED
    retold: Sequence[commands.AnyItem] = ()
    """The items that it was told."""
    refusal: str = ""
    """An error that named neither its kind nor a command of ours. If it was a refusal, a close follows and
    says of what."""
    ends_at: float | None = None
    """When the server says that the session ends, in unix seconds."""
    _update_id: str = ""

    def created(self, event: realtime_events.SessionCreated) -> None:
        """The server has greeted us."""
        self.ends_at = event.session.ends_at
        self.begin()

    def begin(self) -> None:
        """The server is told what the session is to be; a warm session never says `session.created` again.

        It is the first event of a connection (Realtime reference, session.created).
        """
        if self.step is Step.DIALLED:
            self.step = Step.CONFIGURING
            self._update()

    def updated(self, event: realtime_events.SessionUpdated) -> Trouble | None:
        """The whole update was taken. With anything but µ-law the caller would hear loud static.

        Until it is told otherwise a session speaks PCM (Realtime reference, session.audio.output.format).
        """
        if not event.session.speaks_mulaw:
            return Trouble("the model did not confirm audio/pcmu both ways", is_our_fault=True)
        if event.session.ends_at is not None:
            self.ends_at = event.session.ends_at
        match self.step:
            case Step.CONFIGURING if self.is_retold:
                self.step = Step.CONFIGURED
            case Step.CONFIGURING | Step.RETELLING:
                self.step = Step.READY
            case _:
                pass
        return None

    def retell(self, items: Sequence[commands.AnyItem]) -> None:
        """Tells what was said before; from then on it may answer. Its next confirmation makes it ready.

        Nothing waits for each item: the server takes commands in their order, so that what confirms the last
        confirms all.
        """
        assert self.step is Step.CONFIGURED, f"told in step {self.step.value}"
        self.step = Step.RETELLING
        self.retold = items
        for item in items:
            self.out.tell_model(commands.CreateItem(item=item), self.leg)
        self._update()

    def error(self, error: realtime_events.ErrorDetail) -> Trouble | None:
        """An error before the session is ready."""
        if error.code in HARMLESS_CODES:
            # A parked session answers now what the stream before has told it at its end: a truncation, a
            # cancel.
            self.out.note(noted("model_error", code=error.code, message=error.message, param=error.param))
            return None
        if self.step is Step.RETELLING and error.event_id not in {None, self._update_id}:
            # An item that the server does not take costs the agent one thing that was said, not the caller
            # their agent.
            self.out.note(warned("not_retold", code=error.code, message=error.message))
            return None
        if (lesser := self._less(error)) is not None:
            # One bad field rejects the whole update (Realtime reference, session.update).
            what, self.plan = lesser
            self.out.note(warned(what, code=error.code, message=error.message))
            self._update()
            return None
        if error.event_id is None and not error.code and error.type != "server_error":
            self.out.note(warned("model_error", code=None, message=error.message, param=error.param))
            self.refusal = error.message or "an error without a word"
            return None
        # It names the command that it answers (Realtime reference, error.event_id).
        is_ours = error.type == "invalid_request_error" and error.event_id is not None
        why = f"{error.code or 'error'}: {error.message}"
        return Trouble(why, code=error.code, is_our_fault=is_ours)

    def _less(self, error: realtime_events.ErrorDetail) -> tuple[str, CallPlan] | None:
        """The plan without what this error refuses, with the name of the warning.

        A call can go on without the transcription of what the caller says, or without how sure that is, and
        without nothing else of its session.
        """
        names = error.param or ""
        if error.event_id is not None or error.code not in UNKNOWN_MODEL_CODES:
            names += error.message
        # Otherwise the connection itself is refused, and the text may say what else such a model is good for.
        if self.plan.has_logprobs and _OF_LOGPROBS.search(names):
            return "logprobs_refused", self.plan.without_logprobs()
        if self.plan.has_transcription and "transcription" in names:
            return "transcription_refused", self.plan.without_transcription()
        return None

    def _update(self) -> None:
        session = self.plan.session
        if self.is_retold and self.step is Step.CONFIGURING:
            session = self.plan.silent_session
        elif self.is_protecting:
            session = self.plan.protected_session
        self._update_id = self.out.tell_model(commands.UpdateSession(session=session), self.leg)

    def __repr__(self) -> str:
        return f"<Opening {self.plan.model} {self.step.value}>"
