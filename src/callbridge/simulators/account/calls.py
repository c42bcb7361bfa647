"""`Calls`: to make, change and look at.

Source: twilio.com/docs/voice/api/call-resource. A change is answered before anything of it is heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.simulators.account import alerts
from callbridge.simulators.account.call_form import CREATE_PARAMETERS, document, new_leg
from callbridge.simulators.account.effects import OnTheLine
from callbridge.simulators.account.formats import API, for_people, read_moment, rfc2822
from callbridge.simulators.account.pages import PAGING, page_2010
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found
from callbridge.simulators.account.telephone import LIVE

if TYPE_CHECKING:
    from datetime import datetime

    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.form import Form
    from callbridge.simulators.account.ledger import Ledger
    from callbridge.simulators.account.telephone import Exchange, Leg

UPDATE_PARAMETERS: Final = frozenset(
    {
        *("Url", "Method", "Status", "FallbackUrl", "FallbackMethod", "StatusCallback"),
        *("StatusCallbackMethod", "Twiml", "TimeLimit"),
    }
)
LIST_PARAMETERS: Final = PAGING | {
    *("To", "From", "ParentCallSid", "Status", "StartTime", "StartTime<", "StartTime>"),
    *("EndTime", "EndTime<", "EndTime>"),
}
OF_CALL: Final = {
    "notifications": "Notifications",
    "recordings": "Recordings",
    "payments": "Payments",
    "events": "Events",
    "siprec": "Siprec",
    "streams": "Streams",
    "transcriptions": "Transcriptions",
    "user_defined_message_subscriptions": "UserDefinedMessageSubscriptions",
    "user_defined_messages": "UserDefinedMessages",
}

__all__ = ["CREATE_PARAMETERS", "LIST_PARAMETERS", "UPDATE_PARAMETERS", "Calls"]


class Calls:
    """The calls of an account, which its exchange carries."""

    def __init__(self, ledger: Ledger, exchange: Exchange) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._regions: dict[str, str] = {}
        """Of calls that were made at another region's host."""
        self._deleted: set[str] = set()
        self.forgets_ended_s = float("inf")
        """How long after its end a change of a call is refused with 21220; with 20404 from then on."""

    # --- To look at -----------------------------------------------------------------------

    def find(self, sid: str, asked: Asked) -> Leg:
        """The call, if it is one of the region that was asked.

        Raises:
            Refusal: 20404.
        """
        leg = self._exchange.legs.get(sid)
        if leg is None or sid in self._deleted or self._region(sid) != asked.region:
            raise not_found(asked.path)
        return leg

    def _region(self, sid: str) -> str:
        return self._regions.get(sid, self._ledger.settings.region)

    def fetched(self, asked: Asked) -> RestAnswer:
        """GET of one."""
        return RestAnswer(200, self._resource(self.find(asked.sid, asked)))

    def listed(self, asked: Asked) -> RestAnswer:
        """GET of the list, the newest first."""
        found = [
            self._resource(leg)
            for leg in reversed(list(self._exchange.legs.values()))
            if leg.sid not in self._deleted
            and self._region(leg.sid) == asked.region
            and _fits(leg, asked.form)
        ]
        return page_2010(asked, "calls", found)

    def notifications(self, asked: Asked) -> RestAnswer:
        """GET of what Twilio has noticed about one."""
        self.find(asked.sid, asked)
        return alerts.notifications_of_call(self._ledger, asked)

    # --- To make and change ---------------------------------------------------------------

    def created(self, asked: Asked) -> RestAnswer:
        """POST to the list: the call is queued."""
        callers = {
            leg.sid: leg.from_address
            for leg in self._exchange.legs.values()
            if leg.direction == "inbound" and leg.status in LIVE
        }
        leg = self._exchange.call_out(new_leg(self._ledger, asked.form, callers))
        if asked.region != self._ledger.settings.region:
            self._regions[leg.sid] = asked.region
        # Whatever it has come to since: it is told as it was when it was asked for.
        return RestAnswer(201, self._resource(leg) | {"status": "queued", "start_time": None})

    def updated(self, asked: Asked) -> RestAnswer:
        """POST to one."""
        leg, form = self.find(asked.sid, asked), asked.form
        self._check_is_known(leg, asked)
        form.number("TimeLimit", (1, 14_400), 14_400, 20422)
        form.refuse({"TimeLimit", "FallbackUrl"})
        if "Status" in form:
            self._end(leg, form.get("Status"))
        elif form.get("Url") or form.get("Twiml"):
            self._redirect(leg, form)
        return RestAnswer(200, self._resource(leg))

    def deleted(self, asked: Asked) -> RestAnswer:
        """DELETE: of a call that is over; its recordings stay."""
        leg = self.find(asked.sid, asked)
        if leg.status in LIVE:
            raise Refusal(20009, leg.sid)
        self._deleted.add(leg.sid)
        return RestAnswer(204)

    def _check_is_known(self, leg: Leg, asked: Asked) -> None:
        ended_at = leg.ended_at
        if leg.status in LIVE or ended_at is None:
            return
        if self._ledger.clock() - ended_at.timestamp() >= self.forgets_ended_s:
            raise not_found(asked.path)

    def _end(self, leg: Leg, status: str) -> None:
        """`completed` ends what is live, `canceled` only what is not answered yet."""
        if status == "completed" and leg.status in LIVE:
            self._ledger.do(OnTheLine(leg.hang_up))
        elif status == "canceled" and leg.status in {"queued", "ringing"}:
            self._ledger.do(OnTheLine(leg.cancel))
        elif status in {"completed", "canceled"}:
            raise Refusal(21220)
        else:
            raise Refusal(20422, f"Status {status}")

    def _redirect(self, leg: Leg, form: Form) -> None:
        """A `StatusCallback` is read together with `Url` only."""
        url, twiml = document(self._ledger, form, leg.sid)
        method = form.method("Method")
        callback = form.url("StatusCallback", 21609) if url else ""
        callback_method = form.method("StatusCallbackMethod")
        if leg.status != "in-progress":
            raise Refusal(21220)
        if callback:
            leg.report_to(callback, callback_method)
        if url:
            self._ledger.do(OnTheLine(lambda: leg.redirect(url, method)))
        else:
            self._ledger.do(OnTheLine(lambda: leg.redirect_to(twiml)))

    # --- As the API has it ----------------------------------------------------------------

    def _resource(self, leg: Leg) -> dict[str, object]:
        account = self._ledger.settings.account_sid
        uri = f"/{API}/Accounts/{account}/Calls/{leg.sid}"
        answered_at, ended_at = leg.answered_at, leg.ended_at
        waited_until = leg.left_queue_at or leg.created_at
        ours = self._ledger.number(leg.to_address if leg.direction == "inbound" else leg.from_address)
        return {
            "sid": leg.sid,
            "account_sid": account,
            "parent_call_sid": leg.parent_sid,
            "date_created": _date(leg.created_at),
            "date_updated": _date(ended_at or answered_at or leg.created_at),
            "start_time": _date(answered_at),
            "end_time": _date(ended_at),
            "duration": None if leg.duration_s is None else str(leg.duration_s),
            "price": None,
            "price_unit": "USD",
            "status": leg.status,
            "direction": leg.direction,
            "to": leg.to_address,
            "to_formatted": for_people(leg.to_address),
            "from": leg.from_address,
            "from_formatted": for_people(leg.from_address),
            "phone_number_sid": ours.sid if ours is not None else None,
            "answered_by": leg.answered_by,
            "forwarded_from": None,
            "caller_name": None,
            "group_sid": None,
            "queue_time": str(round((waited_until - leg.created_at).total_seconds() * 1000)),
            "trunk_sid": None,
            "api_version": API,
            "uri": f"{uri}.json",
            "subresource_uris": {name: f"{uri}/{path}.json" for name, path in OF_CALL.items()},
        }


def _fits(leg: Leg, form: Form) -> bool:
    return (
        form.get("To") in {"", leg.to_address}
        and form.get("From") in {"", leg.from_address}
        and form.get("Status") in {"", leg.status}
        and form.get("ParentCallSid") in {"", leg.parent_sid}
        and _is_within(leg.answered_at or leg.created_at, "StartTime", form)
        and _is_within(leg.ended_at, "EndTime", form)
    )


def _date(moment: datetime | None) -> str | None:
    return rfc2822(None if moment is None else moment.timestamp())


def _is_within(moment: datetime | None, name: str, form: Form) -> bool:
    """A day alone, or with `<` and `>` in the name, from or up to a moment."""
    on, until, since = form.get(name), form.get(f"{name}<"), form.get(f"{name}>")
    if moment is None:
        return not (on or until or since)
    before, after = read_moment(until), read_moment(since)
    return (
        on[:10] in {"", moment.date().isoformat()}
        and (before is None or moment <= before)
        and (after is None or moment >= after)
    )
