"""What a person hears of a caller before they take the call, and the values of a call that it may name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import structlog
from pydantic import BaseModel

from callbridge.agents.fields.spelling.letters import grouped
from callbridge.agents.languages.texts import language_texts
from callbridge.agents.sendable import sendable
from callbridge.agents.texts import NoAnswer, asked_about
from callbridge.agents.transfers.templates import Template
from callbridge.call import agent_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.agents.context import Call
    from callbridge.agents.transfers.destination import Destination
    from callbridge.call.facts import Fact

BRIEFING_MAX: Final = 600
"""Characters: half a minute, in which somebody waits at both ends."""

ASKED_S: Final = 2.0
"""What a function of the user's has. The caller waits meanwhile."""

_VALUE_MAX: Final = 200
_NUMBER: Final = re.compile(r"\+?\d(?:[\s().\-/]{0,3}\d){5,}")
_TAIL: Final = 6
"""So many last digits tell a number, with and without the code of its country."""


class KeptValues:
    """What the caller has given for the agent's forms, by field, folded from facts."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def apply(self, fact: Fact) -> None:
        """One of these facts, in order."""
        match fact:
            case agent_facts.FieldKept(_, field, value):
                self._values[field] = _read(value)
            case agent_facts.FieldRefused(_, field):
                self._values.pop(field, None)
            case agent_facts.Captured(_, data) if isinstance(read := _read(data), dict):
                self._values |= read
            case _:
                pass

    def with_those_of(self, call: Call[Any]) -> dict[str, Any]:
        """The same, and what stands in `call.values` beside it."""
        own = call.values
        if isinstance(own, BaseModel):
            own = {name: getattr(own, name) for name in type(own).model_fields}
        given = {name: value for name, value in self._values.items() if value is not None}
        return {**own, **given}


async def briefing_of(
    destination: Destination, call: Call[Any], values: Mapping[str, Any], reason: str, summary: str
) -> str:
    """What the person hears. Somebody who is not asked hears nothing.

    Args:
        destination: who they are.
        call: the call.
        values: of the call, by name.
        reason: why the caller wants them, in the model's words.
        summary: what the call was about, in the same.
    """
    if not destination.asks:
        return ""
    told = ""
    if isinstance(destination.briefing, Template):
        caller = call.caller.number
        known = {
            **{name: _spoken(value) for name, value in values.items()},
            "caller": grouped(caller.removeprefix("+")) if caller.startswith("+") else "",
            "reason": reason,
            "summary": summary,
        }
        told = destination.briefing.filled(known)
    elif destination.briefing is not None:
        told = await _asked(destination, call)
    language = destination.language or call.language
    return bounded(told or summary or reason or language_texts(language).a_caller_waits, BRIEFING_MAX)


async def _asked(destination: Destination, call: Call[Any]) -> str:
    try:
        found = await asked_about(call, destination.briefing, ASKED_S)  # type: ignore[arg-type]  # It is a function.
        if isinstance(found, str):
            return found
        why = f"it gave a {type(found).__name__}, and no text"
    except NoAnswer as none:
        why = none.why
    structlog.get_logger().warning("briefing_failed", destination=destination.name, reason=why)
    return ""


# --- Words ----------------------------------------------------------------------------------------------


def bounded(text: str, length: int) -> str:
    """One line of at most so many characters, which can be sent and spoken."""
    clean = " ".join("".join(one if one.isprintable() else " " for one in sendable(text)).split())
    if len(clean) <= length:
        return clean
    cut = clean[: length - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[length // 2 :] else cut}…"


def without_number(text: str, number: str) -> str:
    """`text` without the caller's own number, however it is grouped, and with or without its country."""
    own = re.sub(r"\D", "", number)
    if len(own) < _TAIL:
        return text

    def kept(found: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", found[0])
        return "…" if digits.endswith(own[-_TAIL:]) or own[-_TAIL:] in digits else found[0]

    return _NUMBER.sub(kept, text)


def _spoken(value: Any) -> str:
    """A value as words; nothing where it is none."""
    match value:
        case None:
            return ""
        case dict():
            return bounded(", ".join(filter(None, map(_spoken, value.values()))), _VALUE_MAX)
        case list() | tuple() | set():
            return bounded(", ".join(filter(None, map(_spoken, value))), _VALUE_MAX)
        case _:
            return bounded(str(value), _VALUE_MAX)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
