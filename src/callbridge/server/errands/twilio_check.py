"""Asks Twilio what a call would meet: account, numbers, the way to the webhook, the clock, the latest alerts.

Nothing is changed, and nothing costs anything. Geographic permissions are not asked for: a Dial that is not
allowed shows as 13227 among the alerts.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
from typing import TYPE_CHECKING, Final

import httpx

from callbridge.server.config import check_twilio as judge
from callbridge.server.config.setting_values import is_loopback
from callbridge.server.errands.webhook_probe import Found, probe_webhook
from callbridge.telephony.rest.client import Patience, open_rest
from callbridge.telephony.rest.fault import RestFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.server.config.findings import Finding
    from callbridge.server.config.settings import Settings
    from callbridge.telephony.rest.client import TwilioRest
    from callbridge.telephony.rest.records import OwnedNumber

ALERTS_OF: Final = dt.timedelta(days=1)
PROBES_MAX: Final = 3
CLOCK_S: Final = 5.0
_PATIENCE: Final = Patience()

_UNKNOWN_NUMBER: Final = "+15005550006"
"""Said to be called where no number leads here: one that Twilio keeps for tests."""

_NOT_THERE_YET: Final = frozenset({Found.NO_CONNECTION, Found.NOBODY_BEHIND, Found.TUNNEL_IS_DOWN})


async def ask_twilio(
    settings: Settings, *, sends_texts: bool, patience: Patience = _PATIENCE
) -> list[Finding]:
    """What there is to say of the account and its numbers.

    Args:
        settings: whose service is to be reached.
        sends_texts: whether an agent may send text messages.
        patience: how long Twilio is waited for.
    """
    async with open_rest(settings.rest_credentials, patience) as rest, asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(_told(settings, part, "about " + name), name=f"check {name}")
            for name, part in {
                "the account": lambda: _account(rest),
                "its numbers": lambda: _numbers(rest, settings, sends_texts=sends_texts),
                "its alerts": lambda: _alerts(rest, settings),
                "the time": lambda: _clock(settings),
            }.items()
        ]
    findings = [finding for task in asked for finding in task.result()]
    # Wrong credentials are wrong for every question, and are told once.
    return list(dict.fromkeys(findings))


async def _told(
    settings: Settings, part: Callable[[], Awaitable[list[Finding]]], asked_for: str
) -> list[Finding]:
    try:
        return await part()
    except RestFault as fault:
        return [judge.of_fault(fault, asked_for, settings)]


async def _account(rest: TwilioRest) -> list[Finding]:
    return list(judge.account(await rest.account()))


async def _numbers(rest: TwilioRest, settings: Settings, *, sends_texts: bool) -> list[Finding]:
    try:
        found = await rest.numbers()
        said = list(judge.numbers(found, settings, sends_texts=sends_texts))
    except RestFault as fault:
        found, said = [], [judge.of_fault(fault, "about its numbers", settings)]
    return said + await _probes(settings, judge.pointing_here(found, settings))


async def _probes(settings: Settings, here: list[OwnedNumber]) -> list[Finding]:
    """The addresses of numbers that lead here, or else that to which one may be pointed."""
    urls = {one.voice_url: (one.number, one.voice_method or "POST") for one in here}
    asked = list((urls or {settings.voice_url: (_UNKNOWN_NUMBER, "POST")}).items())[:PROBES_MAX]
    probed = await asyncio.gather(
        *(probe_webhook(settings, url, number, method=method) for url, (number, method) in asked)
    )
    return [
        judge.before_a_start(one.finding) if one.found in _NOT_THERE_YET else one.finding for one in probed
    ]


async def _alerts(rest: TwilioRest, settings: Settings) -> list[Finding]:
    since = dt.datetime.now(tz=dt.UTC) - ALERTS_OF
    return list(judge.alerts(await rest.alerts(since), settings))


async def _clock(settings: Settings) -> list[Finding]:
    """By the `Date` of any answer of Twilio's. Nothing where none comes: the others tell why."""
    address = settings.rest_credentials.api_url or "https://api.twilio.com"
    is_here = is_loopback(httpx.URL(address).host)
    try:
        async with httpx.AsyncClient(timeout=CLOCK_S, trust_env=not is_here) as client:
            asked_at = dt.datetime.now(tz=dt.UTC)
            response = await client.head(f"{address}/2010-04-01")
            now = asked_at + (dt.datetime.now(tz=dt.UTC) - asked_at) / 2
        told = email.utils.parsedate_to_datetime(response.headers["Date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return []
    # It is told in whole seconds.
    return [judge.clock((now - told).total_seconds() - 0.5)]
