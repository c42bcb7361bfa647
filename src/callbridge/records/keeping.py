"""What of a fact may be kept: words and numbers only where they are switched on. Pure.

`HOLDS` says of every field that may hold a text what stands in it. A test finds fields without one, which
are taken for words. Figures, times and outcomes are always kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from callbridge.call import (
    agent_facts,
    bill_facts,
    facts,
    lived,
    memory,
    rating,
    record_facts,
    recording_facts,
    telephone_facts,
    usage,
    wishes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callbridge.call.facts import Fact
    from callbridge.observe.redaction import Redaction

PEER_CHARACTERS_MAX: Final = 300
"""Of free text of a peer: an error of the model with its advice."""

_SAYS_SO: Final = 40
"""Room for how much there was before it was cut."""

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class Holds(Enum):
    """What stands in a field."""

    NAME = "name"
    """Something of a closed list, of the operator's own making, or a vendor's id: kept."""
    WORDS = "words"
    """What somebody said, wrote, pressed or found: kept with words alone, without the numbers of cards."""
    NUMBER = "number"
    """A telephone, an address or the name of a person who is called: masked, unless numbers are kept."""
    PEER = "peer"
    """Free text of a peer, an error as a rule: bounded and redacted, whatever is switched on."""
    PARTS = "parts"
    """Structures, whose fields are looked at one by one."""


SHEDDABLE: Final = frozenset(
    {
        *("noted", "caller_words_rated", "item_heard", "said", "session_amended", "clip_played"),
        *("interrupted", "caller_spoke", "keys_pressed", "billed", "tool_used", "caller_words_came"),
        *("turn_ended", "attempt_failed"),
    }
)
"""Kinds that are lost first when room runs out: without them it is still known who called, when and why it
ended, what was consented to and what was done."""


def _nobodys(caller: str) -> str:
    del caller
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What may be kept."""

    words: bool = False
    """What callers and agents said, arguments and results of tools, captured values, keys."""
    numbers: bool = False
    """Telephone numbers as they are, instead of their last two digits."""
    redaction: Redaction
    """Masks numbers, and what stands in texts of peers."""
    key_of: Callable[[str], str] = _nobodys
    """The key of a caller by their number."""


_N, _W, _T, _P = Holds.NAME, Holds.WORDS, Holds.NUMBER, Holds.PEER
_PLACE: Final = {"call_sid": _N, "source": _N}

HOLDS: Final[Mapping[type[msgspec.Struct], Mapping[str, Holds]]] = {
    # The core.
    facts.StreamStarted: {"caller": _T, "called": _T, "agent": _N, "caller_key": _N},
    facts.AgentReady: {"model": _N},
    facts.ModelTrouble: {"doing": _N, "why": _P, "code": _P, "model": _N},
    facts.SessionReplaced: {"cause": _N, "model": _N},
    facts.ClipPlayed: {"why": _N},
    facts.Remembered: {"entry": Holds.PARTS},
    memory.ToolStarted: {"call_id": _N, "name": _P, "arguments": _W},
    memory.ToolAnswered: {"call_id": _N, "name": _P, "arguments": _W, "output": _W},
    memory.Told: {"text": _W},
    facts.Interrupted: {"truncated": _N, "deleted": _N},
    facts.GuardrailTripped: {"guardrail": _N, "item_id": _N},
    facts.CallerSpoke: {"speech": Holds.PARTS},
    lived.Speech: {},
    facts.KeysPressed: {"keys": _W},
    facts.ItemHeard: {"item_id": _N},
    facts.Said: {"say_id": _N},
    facts.SessionAmended: {"amendment_id": _N},
    facts.ToolUsed: {"name": _P, "call_id": _N},
    facts.TurnEnded: {
        "caller": _W,
        "agent": _W,
        "awaits": _N,
        "speech": Holds.PARTS,
        "items": Holds.PARTS,
        "answer": Holds.PARTS,
    },
    lived.SaidItem: {"item_id": _N, "words": _W, "heard": _W},
    lived.Answer: {},
    facts.CallerWordsCame: {"caller": _W, "item_id": _N},
    rating.CallerWordsRated: {"item_id": _N},
    bill_facts.Billed: {
        "usage": Holds.PARTS,
        "what": _N,
        "priced_as": _N,
        "billed_id": _N,
        "used": Holds.PARTS,
    },
    usage.Usage: {},
    facts.StreamEnded: {"detail": _P, "follows": Holds.PARTS, "usage": Holds.PARTS},
    wishes.HangUp: {},
    wishes.SayGoodbye: {},
    wishes.Resume: {},
    wishes.FallBack: {},
    wishes.PutThrough: {"transfer_id": _N, "name": _N},
    facts.CallClosed: {},
    record_facts.NotKept: {"what": _P},
    record_facts.ProcessLost: {"stream_sid": _N, "process": _N},
    record_facts.CallAnalysed: {"result": _W, "model": _N},
    facts.Noted: {"event": _N, "fields": _P},
    # Webhooks.
    facts.CallOffered: {
        "caller": _T,
        "called": _T,
        "declined": _N,
        "agent": _N,
        "promise": Holds.PARTS,
        "caller_key": _N,
        "priced_as": _N,
    },
    facts.Promise: {"agent": _N, "nonce": _N},
    facts.StreamAsked: {"follows": _N, "transfer": _N, "promise": Holds.PARTS},
    facts.CallDescribed: {"caller_name": _T, "attestation": _N, "parameters": _W},
    facts.StreamReported: {"status": _N, "error": _P, "stream_sid": _N},
    facts.CallReported: {"status": _N, "duration_s": _N},
    facts.MenuAnswered: {"round": _N, "keys": _W},
    facts.FallbackDialed: {"status": _N, "bridged": _N, "duration_s": _N, "priced_as": _N},
    facts.VoicemailLeft: {"recording_sid": _N, "duration_s": _N, "status": _N},
    facts.CallOver: {},
    # Agents.
    agent_facts.ValuesSet: {"values": _W},
    agent_facts.StepEntered: {"step": _N, "because": _N},
    agent_facts.GuestChanged: {"agent": _N, "because": _N},
    agent_facts.AgentChanged: {"agent": _N, "was": _N, "because": _N},
    agent_facts.AttemptFailed: {"step": _N, "tool": _N},
    agent_facts.FieldKept: {"form": _N, "field": _N, "value": _W},
    agent_facts.FieldRefused: {"form": _N, "field": _N},
    agent_facts.Captured: {"form": _N, "data": _W},
    agent_facts.CaptureDelivered: {"form": _N, "outcome": _N},
    agent_facts.CalledBefore: {"summary": _W, "values": _W},
    agent_facts.CallerTexted: {"words": _W},
    agent_facts.McpToolsChanged: {"server": _N},
    # Recordings. What the caller was told is the agent's own text, and the proof of their consent.
    recording_facts.ConsentGiven: {"how": _N, "announcement": _N},
    recording_facts.ConsentRefused: {},
    recording_facts.RecordingBegan: {"name": _N},
    recording_facts.RecordingPaused: {"step": _N},
    recording_facts.RecordingResumed: {"step": _N},
    recording_facts.RecordingEnded: {"name": _N, "reason": _N},
    recording_facts.RecordingStored: {"name": _N, "format": _N},
    # Transfers, texts, the carrier.
    telephone_facts.TransferAsked: {"transfer_id": _N, "transfer": Holds.PARTS},
    wishes.Transfer: {
        "name": _N,
        "address": _T,
        "extension": _T,
        "shows": _N,
        "briefing": _W,
        "language": _N,
        "reason": _W,
    },
    telephone_facts.PersonRung: {"transfer_id": _N, "person_sid": _N},
    telephone_facts.PersonAnswered: {"transfer_id": _N},
    telephone_facts.PersonDecided: {"transfer_id": _N, "keys": _W},
    telephone_facts.PersonReported: {
        "transfer_id": _N,
        "status": _N,
        "sip_code": _N,
        "duration_s": _N,
        "priced_as": _N,
    },
    telephone_facts.CallerJoined: {"transfer_id": _N},
    telephone_facts.PersonJoined: {"transfer_id": _N},
    telephone_facts.CallerLedBack: {"transfer_id": _N},
    telephone_facts.RoomReported: {"transfer_id": _N, "event": _N, "room_sid": _N, "who": _N},
    telephone_facts.TransferEnded: {"transfer_id": _N, "name": _N, "detail": _P},
    telephone_facts.TextAsked: {"text_id": _N, "template": _N},
    telephone_facts.TextTold: {"text_id": _N, "message_sid": _N, "code": _N, "priced_as": _N},
    telephone_facts.CarrierAlert: {"alert_sid": _N, "code": _N, "level": _N, "text": _P},
}
"""What every text of a fact, and of what stands in one, is."""


def kept(fact: Fact, keeping: Keeping) -> Fact:
    """The fact as it may be kept. What is kept already stays as it is, so a second time changes nothing."""
    if isinstance(fact, facts.StreamStarted | facts.CallOffered) and not fact.caller_key:
        fact = msgspec.structs.replace(fact, caller_key=keeping.key_of(fact.caller))
    return _kept_struct(fact, keeping)


def _kept_struct(struct: _Struct, keeping: Keeping) -> _Struct:
    holds = HOLDS.get(type(struct), {})
    changed: dict[str, Any] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if name not in _PLACE and _may_hold_text(value):
            told = _kept(value, holds.get(name, Holds.WORDS), keeping)
            if told != value:
                changed[name] = told
    return msgspec.structs.replace(struct, **changed) if changed else struct


def _may_hold_text(value: object) -> bool:
    return isinstance(value, str | tuple | dict | msgspec.Struct)


def _kept(value: Any, holds: Holds, keeping: Keeping) -> Any:
    match value:
        case msgspec.Struct() if type(value) in HOLDS or holds is Holds.PARTS:
            return _kept_struct(value, keeping)
        case tuple() if holds is Holds.PEER:
            return tuple((name, _kept_note(name, one, keeping)) for name, one in value)
        case tuple():
            return tuple(_kept_one(one, holds, keeping) for one in value)
        case dict():
            return {name: _kept(one, holds, keeping) for name, one in value.items()}
        case str():
            return _kept_text(value, holds, keeping)
        case _:
            return value


def _kept_one(one: Any, holds: Holds, keeping: Keeping) -> Any:
    """Of a name and a value the name stays."""
    match one:
        case (str() as name, value):
            return name, _kept(value, holds, keeping)
        case _:
            return _kept(one, holds, keeping)


def _kept_note(name: str, value: Any, keeping: Keeping) -> Any:
    """What stands in a note under a name of ours, as it would in a line of the log."""
    bounded = _kept_text(value, Holds.PEER, keeping) if isinstance(value, str) else value
    return keeping.redaction.entry(name, bounded)


def _kept_text(text: str, holds: Holds, keeping: Keeping) -> str:
    match holds:
        case Holds.WORDS:
            return keeping.redaction.without_cards(text) if keeping.words else ""
        case Holds.NUMBER:
            return text if keeping.numbers else keeping.redaction.number(text)
        case Holds.PEER:
            # What was cut before, and says so, is no longer: it is not cut a second time.
            is_cut = len(text) <= PEER_CHARACTERS_MAX + _SAYS_SO
            return keeping.redaction.text(text, PEER_CHARACTERS_MAX + (_SAYS_SO if is_cut else 0))
        case _:
            return text
