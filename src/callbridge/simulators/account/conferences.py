"""`Conferences`: the rooms of the account, to look at and to end.

Source: twilio.com/docs/voice/api/conference-resource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.simulators.account.formats import API, rfc2822
from callbridge.simulators.account.pages import PAGING, page_2010
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found

if TYPE_CHECKING:
    from datetime import datetime

    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.form import Form
    from callbridge.simulators.account.ledger import Ledger
    from callbridge.simulators.account.telephone import Exchange
    from callbridge.simulators.phone.conferences import Conference

UPDATE_PARAMETERS: Final = frozenset({"Status", "AnnounceUrl", "AnnounceMethod"})
LIST_PARAMETERS: Final = PAGING | {
    *("DateCreated", "DateCreated<", "DateCreated>", "DateUpdated", "DateUpdated<", "DateUpdated>"),
    *("FriendlyName", "Status"),
}


class Rooms:
    """The conferences of an account, which take place at its exchange."""

    def __init__(self, ledger: Ledger, exchange: Exchange) -> None:
        self._ledger = ledger
        self._exchange = exchange

    def find(self, sid: str, asked: Asked) -> Conference:
        """One by its sid.

        Raises:
            Refusal: 20404.
        """
        room = self._exchange.conferences.all.get(sid)
        if room is None:
            raise not_found(asked.path)
        return room

    def fetched(self, asked: Asked) -> RestAnswer:
        """GET of one."""
        return RestAnswer(200, self._resource(self.find(asked.sid, asked)))

    def listed(self, asked: Asked) -> RestAnswer:
        """GET of the list, the newest first; dates are days."""
        form = asked.form
        found = [
            self._resource(room)
            for room in reversed(list(self._exchange.conferences.all.values()))
            if form.get("FriendlyName") in {"", room.name}
            and form.get("Status") in {"", room.status}
            and _is_of_day(room.created_at, "DateCreated", form)
            and _is_of_day(room.updated_at, "DateUpdated", form)
        ]
        return page_2010(asked, "conferences", found)

    def updated(self, asked: Asked) -> RestAnswer:
        """POST to one: `Status=completed` ends it, and every leg goes on with its own document.

        Raises:
            Refusal: 20404 it is over already, 20422 what is not to be had.
        """
        room = self.find(asked.sid, asked)
        if room.is_over:
            raise not_found(asked.path)
        asked.form.refuse({"AnnounceUrl"})
        if "Status" in asked.form and asked.form.get("Status") != "completed":
            raise Refusal(20422, f"Status {asked.form.get('Status')}")
        if "Status" in asked.form:
            room.end()
        return RestAnswer(200, self._resource(room))

    def _resource(self, room: Conference) -> dict[str, object]:
        account = self._ledger.settings.account_sid
        uri = f"/{API}/Accounts/{account}/Conferences/{room.sid}"
        return {
            "sid": room.sid,
            "account_sid": account,
            "api_version": API,
            "date_created": rfc2822(room.created_at.timestamp()),
            "date_updated": rfc2822(room.updated_at.timestamp()),
            "friendly_name": room.name,
            "region": self._ledger.settings.region,
            "status": room.status,
            "reason_conference_ended": room.reason_ended,
            "call_sid_ending_conference": room.ended_by,
            "uri": f"{uri}.json",
            "subresource_uris": {
                "participants": f"{uri}/Participants.json",
                "recordings": f"{uri}/Recordings.json",
            },
        }


def _is_of_day(moment: datetime, name: str, form: Form) -> bool:
    day = moment.date().isoformat()
    on, until, since = form.get(name), form.get(f"{name}<"), form.get(f"{name}>")
    return on in {"", day} and (not until or day <= until) and (not since or day >= since)
