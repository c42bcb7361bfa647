"""What was asked of a simulated account, for JSON and screens: requests, texts, and what Twilio minds.

Numbers of people are masked in requests; texts are whole, as they would be on a telephone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from callbridge.observe.redaction import masked_number

if TYPE_CHECKING:
    from callbridge.simulators.account import Seen, SimulatedAccount

ADDRESSES: Final = ("From", "To", "PhoneNumber")
"""Parameters that are shown, masked; nothing else of what is sent is."""


class TextReport(msgspec.Struct, frozen=True):
    """A text message that the account was asked to send."""

    from_address: str
    to_address: str
    body: str
    status: str
    """Twilio's message status at the end."""
    error_code: int | None


class RequestReport(msgspec.Struct, frozen=True):
    """A request to the REST API."""

    method: str
    path: str
    status: int
    """Of HTTP."""
    code: int | None
    """Twilio's, of a refusal."""
    parameters: dict[str, str]
    """Who is called from where, masked; no others."""

    def __str__(self) -> str:
        """On one line."""
        code = "" if self.code is None else f" {self.code}"
        shown = [f"{name}={value}" for name, value in self.parameters.items()]
        return " ".join([f"{self.status}{code}", self.method, self.path, *shown])


class AccountWarning(msgspec.Struct, frozen=True):
    """What Twilio would have told the account's debugger, other than of a call."""

    code: int
    detail: str


class AccountReport(msgspec.Struct, frozen=True):
    """What has happened at an account."""

    asked: list[RequestReport] = []
    texts: list[TextReport] = []
    warnings: list[AccountWarning] = []


def account_report(account: SimulatedAccount) -> AccountReport:
    """What has happened so far."""
    calls = account.exchange.legs
    return AccountReport(
        [request_report(seen) for seen in account.seen],
        [
            TextReport(text.from_address, text.to_address, text.body, text.status, text.error_code)
            for text in account.messages
            if text.direction != "inbound"
        ],
        [
            AccountWarning(alert.code, alert.detail)
            for alert in account.ledger.alerts.values()
            if alert.about not in calls
        ],
    )


def request_report(seen: Seen) -> RequestReport:
    """One request."""
    shown = {name: masked_number(value) for name, value in seen.parameters if name in ADDRESSES}
    return RequestReport(seen.method, seen.path, seen.status, seen.code, shown)
