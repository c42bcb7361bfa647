"""The requests that the service and its commands make to Twilio's REST API.

Each takes 8 s at most and raises `RestFault`. One that changes something is asked again only where it is
certain that nothing was done: two calls to a person, or two texts, are worse than none.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from callbridge.telephony.rest.attempt import Attempt
from callbridge.telephony.rest.fault import RestFault, lost
from callbridge.telephony.rest.records import (
    AccountFacts,
    Alert,
    AvailableNumber,
    OwnedNumber,
    SentMessage,
    UsageOfDay,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from callbridge.telephony.rest.credentials import Credentials
    from callbridge.telephony.rest.library import Library
    from callbridge.telephony.rest.records import NewCall, Pointing

NUMBERS_MAX: Final = 1000
"""Of one list. Twilio's longest page."""

_STATUS_EVENTS: Final = ("initiated", "ringing", "answered", "completed")
"""One parameter each: joined by spaces they are honoured in part."""

NumberKind = Literal["local", "mobile", "toll_free"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request is waited for, and when it is made again."""

    timeout_s: float = 8.0
    """All of it, with what is asked again. The library itself waits without end."""
    pauses_s: tuple[float, ...] = (0.25, 0.5, 1.0)
    """Before it is asked again, up to half as long again by chance: many processes may wait."""


def load() -> None:
    """Loads the library, which takes half a second: in a thread of its own, before calls are served."""
    from callbridge.telephony.rest.library import load_parts  # noqa: PLC0415 - as below

    load_parts()


def open_rest(credentials: Credentials, patience: Patience = Patience()) -> TwilioRest:
    """The client of a process. Made inside the event loop; use it as a context manager, or close it."""
    from callbridge.telephony.rest.library import Library  # noqa: PLC0415 - half a second, for who needs it

    return TwilioRest(Library(credentials), patience)


class TwilioRest:
    """Twilio's REST API, as far as it is needed. One for a process, with one pool of connections.

    Every method raises `RestFault` and nothing else, except that a cancellation passes through.
    """

    def __init__(self, library: Library, patience: Patience = Patience()) -> None:
        self._library, self._patience = library, patience
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections. Whoever asks later is told so."""
        self._is_closed = True
        await self._library.close()

    # --- Calls ---

    async def create_call(self, call: NewCall) -> str:
        """Rings somebody; the SID of the new call. Of several in a second Twilio lets all but one wait."""
        fields = _given(
            timeout=call.ring_s,
            time_limit=call.time_limit_s,
            send_digits=call.send_digits or None,
            call_token=call.call_token or None,
        )
        if call.status_url:
            fields |= {"status_callback": call.status_url, "status_callback_event": list(_STATUS_EVENTS)}
        made = await self._ask(
            lambda api: api.calls.create_async(to=call.to, from_=call.from_, url=call.url, **fields)
        )
        return _sid(made)

    async def end_call(self, sid: str) -> bool:
        """Hangs up, whether it rings or is answered. False: it was over."""
        return await self._done(lambda api: api.calls(sid).update_async(status="completed"))

    async def redirect_call(self, sid: str, url: str) -> bool:
        """Lets an answered call go on with the document at `url`. False: it is over, or still rings."""
        return await self._done(lambda api: api.calls(sid).update_async(url=url, method="POST"))

    # --- Texts ---

    async def send_message(
        self, to: str, from_: str, words: str, status_url: str = "", validity_s: int | None = None
    ) -> SentMessage:
        """Sends a text.

        Args:
            to: a number with its country code.
            from_: a number of the account, or the SID of a messaging service (`MG…`).
            words: at most 1600 characters. Typographic signs become plain ones where that saves money.
            status_url: where Twilio reports what becomes of it.
            validity_s: how long it may wait to be sent; none: 10 hours.
        """
        sender = {"messaging_service_sid" if from_.startswith("MG") else "from_": from_}
        fields = _given(status_callback=status_url or None, validity_period=validity_s)
        made = await self._ask(
            lambda api: api.messages.create_async(to=to, body=words, smart_encoded=True, **sender, **fields)
        )
        return SentMessage(_sid(made), _text(made.status), _count(made.num_segments))

    # --- The account and its numbers ---

    async def account(self) -> AccountFacts:
        """What kind of account it is. Nothing else of the answer is kept: the auth token stands in it."""
        found = await self._ask(lambda api: api.api.v2010.accounts(api.account_sid).fetch_async(), reads=True)
        return AccountFacts(_text(found.type), _text(found.status))

    async def numbers(self, matching: str = "") -> list[OwnedNumber]:
        """The numbers of the account: all, or those that match (a part of the digits; `*` for any digit)."""
        fields = _given(phone_number=matching or None)
        found = await self._ask(
            lambda api: api.incoming_phone_numbers.list_async(
                limit=NUMBERS_MAX, page_size=NUMBERS_MAX, **fields
            ),
            reads=True,
        )
        return [_owned(number) for number in found]

    async def update_number(self, sid: str, pointing: Pointing) -> OwnedNumber:
        """Points a number to other addresses. To do so twice does no harm."""
        fields = _pointed(pointing)
        return _owned(await self._ask(lambda api: api.incoming_phone_numbers(sid).update_async(**fields)))

    async def available_numbers(
        self,
        country: str,
        kind: NumberKind = "local",
        area_code: str = "",
        contains: str = "",
        limit: int = 10,
    ) -> list[AvailableNumber]:
        """Numbers for calls that can be bought.

        Args:
            country: as ISO 3166 spells it: US, DE, …
            kind: what not every country has (20404).
            area_code: in the USA and Canada only.
            contains: digits in it; `*` for any.
            limit: how many, 1000 at most.
        """
        fields = _given(area_code=area_code or None, contains=contains or None)
        found = await self._ask(
            lambda api: getattr(api.available_phone_numbers(country), kind).list_async(
                voice_enabled=True, limit=limit, **fields
            ),
            reads=True,
        )
        return [_available(number) for number in found]

    async def buy_number(self, number: str, pointing: Pointing) -> OwnedNumber:
        """Buys a number, which costs money each month, and points it. After UNKNOWN look in `numbers`."""
        fields = _pointed(pointing)
        return _owned(
            await self._ask(
                lambda api: api.incoming_phone_numbers.create_async(phone_number=number, **fields)
            )
        )

    async def usage(self, day: dt.date, category: str = "") -> list[UsageOfDay]:
        """What was used on a day in UTC, by category, or of one alone. It is some hours behind."""
        fields = _given(category=category or None)
        found = await self._ask(
            lambda api: api.usage.records.daily.list_async(
                start_date=day,
                end_date=day,
                include_subaccounts=False,
                limit=NUMBERS_MAX,
                page_size=NUMBERS_MAX,
                **fields,
            ),
            reads=True,
        )
        return [_used(record) for record in found]

    # --- What Twilio thinks of us ---

    async def alerts(self, since: dt.datetime, limit: int = 100) -> list[Alert]:
        """What Twilio's debugger has since then, 30 days ago at most; the newest first."""
        found = await self._ask(
            lambda api: api.monitor.v1.alerts.list_async(start_date=since, limit=limit), reads=True
        )
        return [_alert(alert) for alert in found]

    # --- Asking ---

    async def _done(self, request: Callable[[Any], Awaitable[Any]]) -> bool:
        """Whether it was done; not, where there is nothing any more that it could be done to."""
        try:
            await self._ask(request)
        except RestFault as fault:
            if fault.is_of_nothing:
                return False
            raise
        return True

    async def _ask(self, request: Callable[[Any], Awaitable[Any]], *, reads: bool = False) -> Any:
        if self._is_closed:
            raise lost("The client of Twilio's API is closed: the process stops", may_be_done=False)
        attempt = Attempt()
        timeout_s = self._patience.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await self._until_settled(request, attempt, reads=reads)
        except TimeoutError:
            words = f"Twilio has not answered within {timeout_s:g} s"
            raise lost(words, may_be_done=attempt.is_sent and not reads) from None

    async def _until_settled(
        self, request: Callable[[Any], Awaitable[Any]], attempt: Attempt, *, reads: bool
    ) -> Any:
        for pause_s in self._patience.pauses_s:
            try:
                return await self._library.ask(request, attempt, reads=reads)
            except RestFault as fault:
                if not fault.may_pass:
                    raise
            attempt.is_sent = False
            await asyncio.sleep(pause_s * random.uniform(1, 1.5))  # noqa: S311 - it guards nothing
        return await self._library.ask(request, attempt, reads=reads)


# --- Reading what the library has ---------------------------------------------------------------------


def _given(**fields: object) -> dict[str, Any]:
    """Those that are set: the library would send None as no parameter at all, but not for all of them."""
    return {name: value for name, value in fields.items() if value is not None}


def _pointed(pointing: Pointing) -> dict[str, Any]:
    return _given(
        voice_url=pointing.voice_url,
        voice_method=pointing.voice_method,
        voice_fallback_url=pointing.fallback_url,
        voice_fallback_method=pointing.fallback_method,
        status_callback=pointing.status_url,
        status_callback_method=pointing.status_method,
        sms_url=pointing.sms_url,
        sms_method=pointing.sms_method,
        voice_application_sid=pointing.application_sid,
        trunk_sid=pointing.trunk_sid,
        sms_application_sid=pointing.sms_application_sid,
    )


def _sid(made: Any) -> str:
    """The name of what was made. Without one nobody can know what Twilio has done."""
    if not made.sid:
        raise lost("Twilio's answer has no SID", may_be_done=True)
    return str(made.sid)


def _owned(number: Any) -> OwnedNumber:
    return OwnedNumber(
        sid=_text(number.sid),
        number=_text(number.phone_number),
        name=_text(number.friendly_name),
        voice_url=_text(number.voice_url),
        voice_method=_text(number.voice_method),
        fallback_url=_text(number.voice_fallback_url),
        fallback_method=_text(number.voice_fallback_method),
        status_url=_text(number.status_callback),
        status_method=_text(number.status_callback_method),
        sms_url=_text(number.sms_url),
        sms_method=_text(number.sms_method),
        application_sid=_text(number.voice_application_sid),
        trunk_sid=_text(number.trunk_sid),
        sms_application_sid=_text(number.sms_application_sid),
        has_voice=_can(number, "voice"),
        has_sms=_can(number, "sms"),
    )


def _available(number: Any) -> AvailableNumber:
    return AvailableNumber(
        number=_text(number.phone_number),
        name=_text(number.friendly_name),
        locality=_text(number.locality),
        region=_text(number.region),
        country=_text(number.iso_country),
        address_requirements=_text(number.address_requirements),
        has_voice=_can(number, "voice"),
        has_sms=_can(number, "sms"),
    )


def _alert(alert: Any) -> Alert:
    return Alert(
        sid=_text(alert.sid),
        code=_text(alert.error_code),
        level=_text(alert.log_level),
        text=_text(alert.alert_text),
        resource_sid=_text(alert.resource_sid),
        request_url=_text(alert.request_url),
        at=alert.date_generated if isinstance(alert.date_generated, dt.datetime) else None,
    )


def _used(record: Any) -> UsageOfDay:
    return UsageOfDay(
        category=_text(record.category),
        price=_amount(record.price),
        price_unit=_text(record.price_unit).lower(),
        usage=_amount(record.usage),
        usage_unit=_text(record.usage_unit),
    )


def _can(number: Any, ability: str) -> bool:
    """Old pages spell abilities in capitals: `SMS`."""
    abilities = number.capabilities if isinstance(number.capabilities, dict) else {}
    return any(str(name).lower() == ability and bool(able) for name, able in abilities.items())


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _amount(value: object) -> float:
    """A number that may come as text; 0 for what is none."""
    try:
        amount = float(_text(value))
    except ValueError:
        return 0.0
    return amount if math.isfinite(amount) else 0.0


def _count(value: object) -> int:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() else 0
