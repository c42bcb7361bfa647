"""What the facts of calls tell the rest of the process: state is written, the model judged, money counted.

Observers, each a function of call and fact. They decide nothing: what follows is asked of the parts later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakSet

import msgspec

from callbridge.call import memory
from callbridge.call.codes import UNKNOWN_MODEL_CODES
from callbridge.call.facts import (
    AgentReady,
    CallEnded,
    CallStarted,
    EndReason,
    Fact,
    ModelTrouble,
    Remembered,
    SessionReplaced,
    TurnEnded,
)
from callbridge.server.continuation import EndedBody, StartedBody

if TYPE_CHECKING:
    from callbridge.call.machine import Call
    from callbridge.call.price import Price
    from callbridge.server.desk import Desk

UNWRITTEN: Final = frozenset({EndReason.REJECTED_AUTH, EndReason.REJECTED_PROTOCOL})
"""Ends that say nothing of the call: whoever broke the protocol, its next stream may be a good one."""

_encode: Final = msgspec.json.Encoder().encode


def _is_unknown_model(trouble: ModelTrouble) -> bool:
    return trouble.status == 404 or trouble.code in UNKNOWN_MODEL_CODES


class Journal:
    """Writes down what another process would need to go on with a call."""

    def __init__(self, desk: Desk) -> None:
        self._state = desk.state
        # Until its token was honoured, a socket may have claimed somebody else's CallSid.
        self._proven: WeakSet[Call] = WeakSet()

    def __call__(self, call: Call, fact: Fact) -> None:
        """One fact, in the order in which it happened."""
        match fact:
            case CallStarted(caller=caller, called=called):
                self._proven.add(call)
                self._append(call, "started", StartedBody(caller, called, call.stream_sid))
            case TurnEnded(number, caller, agent) if caller or agent:
                self._append(call, "memory", memory.TurnSaid(number, caller, agent))
            case Remembered(entry):
                self._append(call, "memory", entry)
            case CallEnded(reason=reason) if call in self._proven and reason not in UNWRITTEN:
                self._append(call, "ended", EndedBody(reason, call.stream_sid))
            case _:
                pass

    def _append(self, call: Call, kind: str, body: msgspec.Struct) -> None:
        self._state.append(call.call_sid, kind, _encode(body))


class ModelHealth:
    """Tells circuit and admission how the sessions of all calls went."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, _call: Call, fact: Fact) -> None:
        """One fact."""
        desk, now = self._desk, self._desk.now()
        match fact:
            case AgentReady() | SessionReplaced():
                desk.circuit.succeeded(now)
            case ModelTrouble(is_rate_limit=True):
                desk.admission.rate_limited(now)
            case ModelTrouble() if fact.is_fatal or fact.stage != "call":
                # A model that does not exist any more may have a second one: that counts as one failure.
                desk.circuit.failed(now, is_fatal=fact.is_fatal and not _is_unknown_model(fact))
                if desk.circuit.is_open(now):
                    desk.circuit_opened.set()
            case _:
                pass


class SpendMeter:
    """Adds up what calls cost while they go on: a cap that is told at their end would be told too late."""

    def __init__(self, desk: Desk, price: Price | None) -> None:
        self._desk, self._price = desk, price
        self._counted: WeakKeyDictionary[Call, int] = WeakKeyDictionary()

    def __call__(self, call: Call, _fact: Fact) -> None:
        """Looks at the bill of a call with each of its facts; a fact follows every response."""
        if self._price is None:
            return
        cost = self._price.cost_microdollars(call.turns.usage)
        more = cost - self._counted.get(call, 0)
        if more > 0:
            self._counted[call] = cost
            self._desk.spending.add(self._desk.now(), more)
            self._desk.state.note_spend(self._desk.wall_now(), more)
