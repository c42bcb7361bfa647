"""The numbers of the account: finds one, points it here, puts it back, buys one: once, if the answer is lost.

Who asks the user stands in `cli`. Everything here may raise `RestFault`, which says what to do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.server.config.addresses import CALL_STATUS_PATH, TEXT_PATH, VOICE_PATH
from callbridge.server.errands.kept_pointings import Kept
from callbridge.telephony.pointing import (
    as_it_is,
    changes,
    given_back,
    is_demo,
    is_within,
    needed,
    of_others,
    over,
    overridden_by,
    pointing_to,
    taking_over,
    texts_overridden_by,
)
from callbridge.telephony.rest.fault import RestFault

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.server.config.settings import Settings
    from callbridge.server.errands.kept_pointings import KeptPointings
    from callbridge.telephony.pointing import Change
    from callbridge.telephony.rest.client import NumberKind, TwilioRest
    from callbridge.telephony.rest.records import AvailableNumber, OwnedNumber, Pointing

_BETWEEN_DIGITS: Final = str.maketrans("", "", " -().")

LOOKS: Final = 3
"""How often a number is looked for of which nobody knows whether it was bought."""
LOOK_EVERY_S: Final = 2.0


class NumberError(Exception):
    """It cannot be done. The message says why, and what to do."""


def written_in_full(number: str) -> str:
    """A number as Twilio writes it: +14155550100.

    Raises:
        NumberError: this is none.
    """
    digits = number.translate(_BETWEEN_DIGITS)
    if not (digits.startswith("+") and digits[1:].isascii() and digits[1:].isdigit()):
        raise NumberError(f"{number!r} is no number with a country code: write it as +14155550100.")
    return digits


async def find_number(rest: TwilioRest, number: str) -> OwnedNumber:
    """The number of the account.

    Raises:
        NumberError: it is none, or not one of this account and region.
    """
    wanted = written_in_full(number)
    found = await _owned(rest, wanted)
    if found is None:
        raise NumberError(
            f"{wanted} is no number of this account and region. `callbridge number list` shows those that "
            "are; TWILIO_REGION says where to look."
        )
    return found


async def _owned(rest: TwilioRest, number: str) -> OwnedNumber | None:
    return next((one for one in await rest.numbers(number) if one.number == number), None)


def told_of(
    number: OwnedNumber, settings: Settings, kept: KeptPointings, *, overriding_alone: bool = False
) -> str:
    """What a call to this number leads to, in words.

    Args:
        number: as it is.
        settings: whose service is meant by this one.
        kept: where earlier pointings of ours are.
        overriding_alone: only what makes Twilio ignore the voice URL; empty where it counts.
    """
    if overridden := overridden_by(number):
        return f"is answered by {overridden}, not by its voice URL"
    if overriding_alone:
        return ""
    if not number.voice_url:
        return "leads nowhere: it has no voice URL"
    if is_demo(number.voice_url):
        return "plays Twilio's demo"
    told = f"{number.voice_url} ({number.voice_method or 'POST'})"
    if is_within(number.voice_url, [settings.voice_url]):
        return f"{told}: this service"
    if is_within(number.voice_url, _addresses(kept.find(number.sid))):
        return f"{told}: an earlier address of this service"
    return f"{told}: not this service"


# --- Pointing ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to a number, before anybody has agreed."""

    number: OwnedNumber
    pointing: Pointing
    changes: list[Change]
    of_others: list[Change]
    """Those that overwrite what is neither ours nor Twilio's demo."""
    overridden_by: str
    """What makes Twilio ignore an address that is to be set; it is taken away only by force."""
    kept: Kept | None
    """What is kept of an earlier pointing of ours."""


def plan_pointing(
    number: OwnedNumber,
    settings: Settings,
    kept: KeptPointings,
    *,
    base_url: str = "",
    fallback_url: str | None = None,
    takes_texts: bool = False,
    by_force: bool = False,
) -> Plan:
    """What changes when a number is pointed here.

    Args:
        number: as it is.
        settings: whose service is to answer.
        kept: where earlier pointings of ours are.
        base_url: in place of PUBLIC_BASE_URL: that of a tunnel.
        fallback_url: what Twilio asks when the service fails; nothing leaves what is there.
        takes_texts: whether texts to it come here, too.
        by_force: also takes away applications and a trunk.
    """
    base = (base_url or settings.public_base_url).rstrip("/")
    pointing = pointing_to(
        base + VOICE_PATH,
        base + CALL_STATUS_PATH,
        fallback_url=fallback_url,
        sms_url=base + TEXT_PATH if takes_texts else None,
    )
    pointing = taking_over(pointing) if by_force else pointing
    before = kept.find(number.sid)
    found = changes(number, pointing)
    own = (f"{base}/twilio", f"{settings.public_base_url}/twilio", *_addresses(before))
    overriding = overridden_by(number) or (texts_overridden_by(number) if takes_texts else "")
    return Plan(number, pointing, found, of_others(found, own), overriding, before)


def _addresses(kept: Kept | None) -> tuple[str, ...]:
    """What we have put there ourselves: the names of tunnels change."""
    if kept is None:
        return ()
    after = kept.after
    return tuple(filter(None, (after.voice_url, after.status_url, after.fallback_url, after.sms_url)))


async def point(rest: TwilioRest, plan: Plan, kept: KeptPointings) -> Path:
    """Points the number as planned, and answers where what was there before is kept.

    Raises:
        KeptError: that cannot be kept, so nothing was changed.
    """
    number = plan.number
    before, after = as_it_is(number), plan.pointing
    if plan.kept is not None:
        # What still points where we have pointed it: there counts what was there before us.
        before = given_back(number, before, plan.kept.before, plan.kept.after)
        after = over(plan.kept.after, after)
    path = kept.keep(number.sid, Kept(number.number, before, after))
    try:
        await _update(rest, number, plan.pointing)
    except RestFault as fault:
        if not fault.may_be_done:
            kept.put_back(number.sid, plan.kept)
        raise
    return path


async def _update(rest: TwilioRest, number: OwnedNumber, pointing: Pointing) -> None:
    """Changes what differs. To do so twice does no harm, so a lost answer is looked after."""
    found = changes(number, pointing)
    if not found:
        return
    try:
        await rest.update_number(number.sid, needed(found))
    except RestFault as fault:
        if not fault.may_be_done:
            raise
        now = await _owned(rest, number.number)
        if now is None or changes(now, pointing):
            raise


def plan_restoring(number: OwnedNumber, kept: KeptPointings) -> Plan:
    """What changes when a number is put back to where it pointed before us.

    Raises:
        NumberError: nothing is kept of it.
    """
    before = kept.find(number.sid)
    if before is None:
        raise NumberError(
            f"Nothing is kept of {number.number} in {kept.folder}: it was not pointed from here, or is put "
            "back already."
        )
    found = changes(number, before.before)
    # What differs from what we have set was set by somebody else meanwhile.
    meanwhile = {change.field for change in changes(number, before.after)}
    others = [change for change in found if change.field in meanwhile]
    return Plan(number, before.before, found, others, overridden_by(number), before)


async def restore(rest: TwilioRest, plan: Plan, kept: KeptPointings) -> None:
    """Puts a number back as planned."""
    await _update(rest, plan.number, plan.pointing)
    kept.forget(plan.number.sid)


# --- Buying -----------------------------------------------------------------------------------------


async def search(
    rest: TwilioRest, country: str, kind: NumberKind, area_code: str, contains: str, limit: int
) -> list[AvailableNumber]:
    """Numbers that can be bought; none where the country has none of the kind."""
    try:
        return await rest.available_numbers(country.upper(), kind, area_code, contains, limit)
    except RestFault as fault:
        if not fault.is_of_nothing:
            raise
        return []


async def buy(
    rest: TwilioRest, number: str, pointing: Pointing, *, look_every_s: float = LOOK_EVERY_S
) -> OwnedNumber:
    """Buys a number. When the answer is lost it looks whether it was bought, and never buys again.

    Raises:
        NumberError: whether it was bought is not known.
    """
    try:
        return await rest.buy_number(number, pointing)
    except RestFault as fault:
        if not fault.may_be_done:
            raise
    for _ in range(LOOKS):
        if (found := await _owned(rest, number)) is not None:
            await _update(rest, found, pointing)
            return found
        await asyncio.sleep(look_every_s)
    raise NumberError(
        f"Twilio's answer was lost, and {number} is not among your numbers yet. Before you buy another, look "
        "in a minute: callbridge number list."
    )
