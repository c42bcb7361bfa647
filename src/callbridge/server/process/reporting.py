"""What the facts of calls tell the rest of the process: state is written, the model judged, money counted.

Observers, each a function of a fact. They decide nothing: the parts do that are told, or asked later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from callbridge.call import agent_facts, facts
from callbridge.call.bill_facts import Billed
from callbridge.call.codes import UNKNOWN_MODEL_CODES
from callbridge.call.facts import EndReason, Fact
from callbridge.call.recording_facts import OF_RECORDINGS
from callbridge.call.telephone_facts import OF_TRANSFERS
from callbridge.server.process.tellings import CIRCUIT_OPENED
from callbridge.switchboard.spending import SpendLevel

if TYPE_CHECKING:
    from callbridge.server.process.desk import Desk

_log = structlog.get_logger()

UNWRITTEN: Final = frozenset({EndReason.REJECTED_AUTH, EndReason.REJECTED_PROTOCOL})
"""Ends that are not written down. The socket may have named somebody else's call; and if it was the call's
own, what Twilio asks next is answered as after a crash: with another stream."""


class Journal:
    """Writes down what another process would need to go on with a call."""

    def __init__(self, desk: Desk) -> None:
        self._state = desk.state

    def __call__(self, fact: Fact) -> None:
        """One fact, in the order in which it happened."""
        match fact:
            case facts.StreamStarted() | facts.Remembered() | facts.CallerWordsCame():
                self._keep(fact)
            case _ if isinstance(fact, (*agent_facts.OF_AGENTS, *OF_TRANSFERS, *OF_RECORDINGS)):
                self._keep(fact)
            case facts.GuardrailTripped():  # So many end the call, on whatever streams.
                self._keep(fact)
            case facts.TurnEnded(_, caller, agent, awaits=awaits) if caller or agent or awaits:
                self._keep(fact)
            # Until its token was honoured, a socket may have claimed somebody else's CallSid.
            case facts.StreamEnded(is_admitted=True, reason=reason) if reason not in UNWRITTEN:
                self._keep(fact)
            case _:
                pass

    def _keep(self, fact: Fact) -> None:
        self._state.append(fact.call_sid, fact.kind, facts.encode(facts.for_the_state(fact)))


class ModelHealth:
    """Tells circuits and admission how the sessions of all calls went."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, fact: Fact) -> None:
        """One fact."""
        desk, now = self._desk, self._desk.now()
        match fact:
            case facts.AgentReady(model) | facts.SessionReplaced(model=model):
                desk.circuits.succeeded(model, now)
            case facts.ModelTrouble(lacks_descriptors=True):
                desk.admission.descriptors_ran_out(now)
            case facts.ModelTrouble(is_rate_limit=True):
                desk.admission.rate_limited(now)
            case facts.ModelTrouble(is_configuration=True):
                pass  # What one agent asks for is refused: that closes no line of another.
            case facts.ModelTrouble() if _is_unknown_model(fact) and self._has_second(fact.model):
                pass  # The call goes on with the second one, and so may the next call.
            case facts.ModelTrouble() if fact.is_fatal or fact.doing != "call":
                # Where to a model is known may be a matter of seconds: that counts as one failure.
                self._failed(fact.model, is_fatal=fact.is_fatal and not _is_unknown_model(fact))
            case _:
                pass

    def _failed(self, model: str, *, is_fatal: bool) -> None:
        desk, now = self._desk, self._desk.now()
        was_open = desk.circuits.is_open(model, now)
        desk.circuits.failed(model, now, is_fatal=is_fatal)
        if desk.circuits.is_open(model, now):
            desk.circuit_opened.set()
            if not was_open:
                desk.told_down.add(model)
                desk.state.tell_all(CIRCUIT_OPENED, model.encode())

    def _has_second(self, model: str) -> bool:
        return self._desk.settings.realtime_second_model not in {"off", model}


def _is_unknown_model(trouble: facts.ModelTrouble) -> bool:
    return trouble.status == 404 or trouble.code in UNKNOWN_MODEL_CODES


class SpendMeter:
    """Adds up what calls cost while they go on: a cap that is told at their end would be told too late."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, fact: Fact) -> None:
        """One fact; a bill follows every response."""
        if not isinstance(fact, Billed) or fact.cost_microdollars <= 0:
            return
        self._desk.state.note_spend(self._desk.wall_now(), fact.cost_microdollars)
        money_was_spent(self._desk, fact.cost_microdollars)


def money_was_spent(desk: Desk, microdollars: int, age_s: float = 0.0) -> None:
    """By a call of this process, or by another process so long ago: at the caps the same follows."""
    now = desk.now()
    level = desk.spending.add(now, microdollars, age_s)
    if level is None:
        return
    _log.warning(
        "spend_cap_reached",
        follows="live calls end" if level is SpendLevel.CALLS_END else "new calls are declined",
        hour_dollars=round(desk.spending.hour_microdollars(now) / 1e6, 2),
        day_dollars=round(desk.spending.day_microdollars(now) / 1e6, 2),
        live_calls=len(desk.live_calls),
    )
    if level is SpendLevel.CALLS_END:
        desk.live_calls.end_for_spend()
