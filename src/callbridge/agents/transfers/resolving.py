"""Finds out who is to be rung for a destination in one call. No word of a model leads to an address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from callbridge.agents.texts import NoAnswer, asked_about
from callbridge.agents.tools.tool import ToolRefused
from callbridge.agents.transfers.addresses import AddressFault, checked_address, is_within
from callbridge.agents.transfers.briefing import ASKED_S, bounded, briefing_of, without_number
from callbridge.agents.transfers.destination import By
from callbridge.call import wishes
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.transfer_words import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.agents.context import Call
    from callbridge.agents.transfers.destination import Destination

REASON_MAX: Final = 300
SUMMARY_MAX: Final = 600
"""Characters of what the model writes."""

_NOBODY: Final = (
    "the transfer to {name} is not possible now: it could not be found out who is there. Nobody was rung. "
    "Say so in one sentence, and offer what else you can do."
)


class Closed(ToolRefused):
    """It is outside of their hours. Nobody is rung."""


async def resolved(
    destination: Destination, call: Call[Any], values: Mapping[str, Any], reason: str, summary: str
) -> wishes.Transfer:
    """The wish to put the caller through, with all that is needed for it.

    Args:
        destination: to whom.
        call: the call.
        values: what a rule or a briefing may name, by name.
        reason: why, in the words of the model or of the agent's code.
        summary: what the call was about, in the same.

    Raises:
        ToolRefused: nobody is to be rung. The text is for the model.
    """
    _refuse_closed(destination, call)
    address = await _address_of(destination, call, values)
    if address == call.called:
        _warn(destination, "its address is the number that was called: it would lead to this agent again")
        raise ToolRefused(_NOBODY.format(name=destination.name))
    own = call.caller.number
    reason = bounded(without_number(reason, own), REASON_MAX)
    summary = bounded(without_number(summary, own), SUMMARY_MAX)
    return wishes.Transfer(
        name=destination.name,
        address=address,
        ring_s=destination.ring_s,
        extension=destination.extension,
        shows=destination.shows,
        is_asked=destination.asks,
        is_warm=destination.warm,
        briefing=await briefing_of(destination, call, values, reason, summary),
        language=destination.language or call.language,
        reason=reason,
    )


def _refuse_closed(destination: Destination, call: Call[Any]) -> None:
    hours, local = destination.hours, call.local_time
    if hours is None or hours.are_open(local):
        return
    text = words_of(destination.name, TransferOutcome.CLOSED).strip("[]")
    if (opening := hours.next_opening(local)) is not None:
        is_soon = (opening.date() - local.date()).days < 7
        day = f"{opening:%A}" if is_soon else f"{opening:%A, %d %B}"
        text += f" They are there again on {day} at {opening:%H:%M}."
    raise Closed(text)


async def _address_of(destination: Destination, call: Call[Any], values: Mapping[str, Any]) -> str:
    match destination.to:
        case str():
            return destination.to
        case By(value=name) as rule:
            value = values.get(name)
            if address := rule.address(value):
                return address
            missing = value is None or not str(value).strip()
            why = f"ask the caller for {name} first" if missing else f"nobody is there for this {name}"
            raise ToolRefused(f"the transfer to {destination.name} is not possible: {why}")
        case _:
            return await _answered_address(destination, call)


async def _answered_address(destination: Destination, call: Call[Any]) -> str:
    """What the user's function answers, if it is within its bounds."""
    try:
        address = checked_address(await asked_about(call, destination.to, ASKED_S))  # type: ignore[arg-type]  # A function.
        if is_within(address, destination.within):
            return address
        why = "its function has answered with an address that is not within its bounds"
    except NoAnswer as none:
        why = f"its function has not answered: {none.why}"
    except AddressFault as fault:
        why = f"its function has answered with what cannot be rung: {fault}"
    _warn(destination, why)
    raise ToolRefused(_NOBODY.format(name=destination.name))


def _warn(destination: Destination, why: str) -> None:
    structlog.get_logger().warning("destination_not_found", destination=destination.name, reason=why)
