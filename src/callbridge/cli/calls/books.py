"""What the accounts that pay for calls have in their own books for a day; or why that cannot be told."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from callbridge.telephony.rest.client import open_rest
from callbridge.telephony.rest.fault import RestFault

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings
    from callbridge.telephony.rest.records import UsageOfDay

COSTS_PATH: Final = "/v1/organization/costs"
"""https://platform.openai.com/docs/api-reference/usage/costs"""

_ANSWER_S: Final = 20.0
_KEYS_PAGE: Final = "https://platform.openai.com/settings/organization/admin-keys"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class _Amount(msgspec.Struct):
    value: float | str = 0.0
    currency: str = "usd"


class _Result(msgspec.Struct):
    amount: _Amount | None = None


class _Bucket(msgspec.Struct):
    results: list[_Result] = []


class _Page(msgspec.Struct):
    data: list[_Bucket]


async def twilio_books(settings: Settings, day: dt.date) -> dict[str, UsageOfDay] | str:
    """The usage records of a day in UTC, by category."""
    if not settings.twilio_rest:
        return "Twilio was not asked: CALLBRIDGE_TWILIO_REST is off."
    try:
        async with open_rest(settings.rest_credentials) as rest:
            return {record.category: record for record in await rest.usage(day)}
    except RestFault as fault:
        return f"Twilio's usage records cannot be had: {fault}"


async def openai_books(settings: Settings, day: dt.date) -> float | str:
    """US dollars that the organization was billed on a day in UTC."""
    address = urlsplit(settings.realtime_url)
    host = address.hostname or ""
    if settings.openai_admin_key is None:
        return f"OpenAI was not asked: OPENAI_ADMIN_KEY is not set. Keys are made at {_KEYS_PAGE}."
    if not host.endswith(".openai.com") and host not in _LOOPBACK:
        return f"What {host} bills cannot be asked: only OpenAI's own API tells it."
    scheme = "https" if address.scheme == "wss" else "http"
    start = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
    asked: dict[str, str | int] = {
        "start_time": start,
        "end_time": start + 86_400,
        "bucket_width": "1d",
        "limit": 1,
    }
    headers = {"Authorization": f"Bearer {settings.openai_admin_key.get_secret_value()}"}
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_S) as client:
            answer = await client.get(
                f"{scheme}://{address.netloc}{COSTS_PATH}", params=asked, headers=headers
            )
    except httpx.HTTPError as error:
        return f"OpenAI's costs cannot be had: {type(error).__name__}."
    return _sum_in(answer)


def _sum_in(answer: httpx.Response) -> float | str:
    if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return f"OpenAI does not let OPENAI_ADMIN_KEY look at costs. Keys that may are made at {_KEYS_PAGE}."
    if answer.status_code != httpx.codes.OK:
        return f"OpenAI's costs cannot be had: its answer was HTTP {answer.status_code}."
    try:
        page = msgspec.json.decode(answer.content, type=_Page)
        amounts = [result.amount for bucket in page.data for result in bucket.results if result.amount]
        if any(amount.currency.lower() != "usd" for amount in amounts):
            return "OpenAI bills this organization in another currency than US dollars."
        return sum(float(amount.value) for amount in amounts)
    except (msgspec.DecodeError, ValueError):
        return "OpenAI's costs cannot be had: its answer cannot be read."
