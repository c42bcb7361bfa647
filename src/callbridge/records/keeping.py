"""What of a fact is kept: words and numbers only where somebody has switched that on.

Applied once, before a fact is written to the journal: what is dropped here is on no disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.call import agent_facts, facts, telephone_facts
from callbridge.call.memory import Told, ToolAnswered, ToolStarted

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

UNKEPT: Final = (facts.AudioSent, facts.CallerLoud)
"""What is noted for who plays a call again, some times a second: kept on its own tape or not at all."""

SHEDDABLE: Final = frozenset(
    {
        *("noted", "caller_words_rated", "item_heard", "said", "session_amended", "clip_played"),
        *("interrupted", "caller_spoke", "keys_pressed", "billed", "tool_used", "caller_words_came"),
        *("turn_ended", "attempt_failed"),
    }
)
"""Kinds that are lost first when room runs out: without them it is still known who called, when and why it
ended, what was consented to and what was done."""


SHORT_NUMBER_MAX: Final = 6
"""Characters. Of a shorter one two digits would say too much."""

_MASK: Final = "********"


def _nobodys(caller: str) -> str:
    del caller
    return ""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept."""

    words: bool = False
    """What callers and agents said, arguments and results of tools, captured values, keys."""
    numbers: bool = False
    """Telephone numbers as they are, instead of their last two digits."""
    key_of: Callable[[str], str] = _nobodys
    """The key of a caller by their number."""


def kept(fact: Fact, keeping: Keeping) -> Fact:
    """The fact as it may be written down."""
    fact = _with_numbers_of(fact, keeping)
    return fact if keeping.words else _without_words(fact)


def _with_numbers_of(fact: Fact, keeping: Keeping) -> Fact:
    shown = _as_it_is if keeping.numbers else masked
    match fact:
        case facts.StreamStarted() | facts.CallOffered():
            key, caller, called = keeping.key_of(fact.caller), shown(fact.caller), shown(fact.called)
            return msgspec.structs.replace(fact, caller=caller, called=called, caller_key=key)
        case telephone_facts.TransferAsked(transfer=transfer):
            told = msgspec.structs.replace(transfer, address=shown(transfer.address))
            return msgspec.structs.replace(fact, transfer=told)
        case _:
            return fact


def _as_it_is(number: str) -> str:
    return number


def masked(number: str) -> str:
    """Its last two digits behind stars: enough to tell two ends of a call apart."""
    if not number:
        return ""
    return _MASK + (number[-2:] if len(number) > SHORT_NUMBER_MAX and number[-2:].isdigit() else "")


_WORDS: Final[dict[type, dict[str, object]]] = {
    facts.CallerWordsCame: {"caller": ""},
    facts.KeysPressed: {"keys": ""},
    facts.CallDescribed: {"caller_name": "", "parameters": ()},
    facts.MenuAnswered: {"keys": ""},
    agent_facts.ValuesSet: {"values": ""},
    agent_facts.FieldKept: {"value": ""},
    agent_facts.Captured: {"data": ""},
    agent_facts.CalledBefore: {"summary": "", "values": ""},
    agent_facts.CallerTexted: {"words": ""},
    telephone_facts.PersonDecided: {"keys": ""},
}
"""What is left of the words of a fact where none are kept."""


def _without_words(fact: Fact) -> Fact:
    match fact:
        case facts.Remembered(entry):
            return msgspec.structs.replace(fact, entry=_entry_without_words(entry))
        case telephone_facts.TransferAsked(transfer=transfer):
            told = msgspec.structs.replace(transfer, extension="", briefing="", reason="")
            return msgspec.structs.replace(fact, transfer=told)
        case facts.TurnEnded(items=items):
            wordless = tuple(msgspec.structs.replace(item, words="", heard="") for item in items)
            return msgspec.structs.replace(fact, caller=None, agent="", items=wordless)
        case _:
            nothing = _WORDS.get(type(fact))
            return fact if nothing is None else msgspec.structs.replace(fact, **nothing)


def _entry_without_words(entry: ToolStarted | ToolAnswered | Told) -> ToolStarted | ToolAnswered | Told:
    match entry:
        case ToolStarted():
            return msgspec.structs.replace(entry, arguments="")
        case ToolAnswered():
            return msgspec.structs.replace(entry, arguments="", output="")
        case Told():
            return msgspec.structs.replace(entry, text="")
