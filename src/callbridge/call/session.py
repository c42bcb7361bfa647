"""How a session with the model comes about: tried again or not, configured, told what was said before.

Pure: `Opening` takes the server's events and answers commands, `Redial` answers when to try again. Who dials,
and what becomes of a call without a session, is decided in `stages`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from callbridge.call.codes import (
    FATAL_CODES,
    FATAL_STATUSES,
    HARMLESS_CODES,
    RATE_LIMIT_CODES,
    UNKNOWN_MODEL_CODES,
)
from callbridge.call.facts import ModelTrouble, noted, warned
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.call.facts import Fact
    from callbridge.call.limits import Limits
    from callbridge.call.plan import CallPlan
    from callbridge.wire import realtime


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no session, or no longer one."""

    why: str
    status: int | None = None
    """The HTTP status that answered the dial, when one did."""
    code: str | None = None
    """The vendor's error code, when there was one."""
    retry_after_s: float | None = None
    """When the server asks to be tried again."""
    is_our_fault: bool = False
    """The server refused what our configuration asks for: it will again."""

    @property
    def is_fatal(self) -> bool:
        """Whether no second try can mend it."""
        return self.is_our_fault or self.code in FATAL_CODES or self.status in FATAL_STATUSES

    @property
    def is_unknown_model(self) -> bool:
        """Whether the model does not exist, or is gone."""
        return self.code in UNKNOWN_MODEL_CODES or self.status == 404

    @property
    def is_rate_limit(self) -> bool:
        """Whether the account has too much going on for another session."""
        is_limit = self.status == 429 or self.code in RATE_LIMIT_CODES
        return is_limit and not self.is_fatal

    def as_fact(self, stage: str) -> ModelTrouble:
        """The trouble for the record. `stage`: what it kept from happening."""
        return ModelTrouble(stage, self.why, self.status, self.code, self.is_fatal, self.is_rate_limit)


@dataclass(slots=True)
class Redial:
    """The tries for one session."""

    limits: Limits
    model: str
    """What is dialled next."""
    second_model: str | None
    spread: float
    """From 0 to 1, drawn for this call: calls that fail together must not try again together."""
    tries: int = 0

    def delay_s(self, trouble: Trouble) -> float | None:
        """How long to wait before the next try; nothing when there is to be none."""
        self.tries += 1
        if trouble.is_unknown_model:
            return self._second_model()
        if trouble.is_fatal or self.tries >= self.limits.dial_tries_max:
            return None
        delay_s = trouble.retry_after_s
        if delay_s is None:
            delay_s = self.limits.redial_delay_s + self.spread * self.limits.redial_spread_s
        return delay_s if delay_s <= self.limits.redial_delay_max_s else None

    def _second_model(self) -> float | None:
        if self.second_model is None or self.model == self.second_model:
            return None
        self.model = self.second_model
        self.tries = 0
        return 0.0


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
    audio would be answered without the memory.
    """

    plan: CallPlan
    send: Callable[[commands.AnyCommand], str]
    """Sends a command and answers the `event_id` that it was given."""
    record: Callable[[Fact], None]
    is_retold: bool
    """Whether it is told what was said before."""
    is_warm: bool = False
    """It was opened for an earlier stream of this call and remembers by itself."""
    step: Step = Step.DIALLED
    items: int = 0
    """How many items it was told."""
    _update_id: str = ""

    def begin(self) -> None:
        """The server has said `session.created`; a warm session never says it again."""
        if self.step is Step.DIALLED:
            self.step = Step.CONFIGURING
            self._update()

    def updated(self, event: realtime.SessionUpdated) -> Trouble | None:
        """The whole update was taken. With anything but µ-law the caller would hear loud static."""
        if not event.session.speaks_mulaw:
            return Trouble("the model did not confirm audio/pcmu both ways", is_our_fault=True)
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
        self.items = len(items)
        for item in items:
            self.send(commands.CreateItem(item=item))
        self._update()

    def error(self, error: realtime.ErrorDetail) -> Trouble | None:
        """An error before the session is ready."""
        if error.code in HARMLESS_CODES:
            # A warm session may still answer what the stream before has said to it at its end.
            self.record(noted("model_error", code=error.code, message=error.message, param=error.param))
            return None
        if self.step is Step.RETELLING and error.event_id not in {None, self._update_id}:
            # One item less to remember is no reason to have no session.
            self.record(warned("not_retold", code=error.code, message=error.message))
            return None
        names = f"{error.param} {error.message}"
        if self.plan.has_transcription and "transcription" in names:
            # An update is rejected whole. This is the one part that we can do without.
            self.record(warned("transcription_refused", code=error.code, message=error.message))
            self.plan = self.plan.without_transcription()
            self._update()
            return None
        is_ours = error.type == "invalid_request_error" and error.event_id is not None
        why = f"{error.code or 'error'}: {error.message}"
        return Trouble(why, code=error.code, is_our_fault=is_ours)

    def _update(self) -> None:
        is_silent = self.is_retold and self.step is Step.CONFIGURING
        session = self.plan.silent_session if is_silent else self.plan.session
        self._update_id = self.send(commands.UpdateSession(session=session))

    def __repr__(self) -> str:
        return f"<Opening {self.plan.model} {self.step.value}>"
