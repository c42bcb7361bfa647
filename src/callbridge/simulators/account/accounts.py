"""`Accounts/{AC}`: what kind of account it is. The answer holds its auth token: never to be logged.

Source: twilio.com/docs/iam/api/account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.simulators.account.formats import API, rfc2822
from callbridge.simulators.account.rest import RestAnswer

if TYPE_CHECKING:
    from callbridge.simulators.account.asked import Asked
    from callbridge.simulators.account.ledger import Ledger

_PARTS: Final = {
    "available_phone_numbers": "AvailablePhoneNumbers",
    "calls": "Calls",
    "conferences": "Conferences",
    "incoming_phone_numbers": "IncomingPhoneNumbers",
    "messages": "Messages",
    "recordings": "Recordings",
}


def fetched(ledger: Ledger, asked: Asked) -> RestAnswer:  # noqa: ARG001 - as every resource
    """GET of the account."""
    sid = ledger.settings.account_sid
    uri = f"/{API}/Accounts/{sid}"
    return RestAnswer(
        200,
        {
            "sid": sid,
            "auth_token": ledger.auth_token,
            "date_created": rfc2822(ledger.created_at),
            "date_updated": rfc2822(ledger.created_at),
            "friendly_name": ledger.settings.friendly_name,
            "owner_account_sid": sid,
            "status": ledger.status,
            "type": ledger.type,
            "subresource_uris": {name: f"{uri}/{part}.json" for name, part in _PARTS.items()},
            "uri": f"{uri}.json",
        },
    )
