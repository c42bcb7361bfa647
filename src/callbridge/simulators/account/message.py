"""A text message of the account, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from callbridge.simulators.account.account_codes import meaning_of
from callbridge.simulators.account.formats import API, rfc2822
from callbridge.simulators.account.segments import segments


@dataclass(frozen=True, slots=True)
class Delivery:
    """What becomes of messages to one number. As it stands, they arrive."""

    refused: int | None = None
    """Refused at the API with this code: 21612, 21614, 21408, 21635."""
    code: int | None = None
    """Not delivered, which a callback tells later, with this code: 30003 to 30034."""
    sent_after_s: float = 0.02
    delivered_after_s: float = 0.02
    """After it was sent."""
    is_confirmed: bool = True
    """Whether its carrier tells that it was delivered; not all do."""
    tells_twice: bool = False
    """Each status callback comes twice."""
    tells_backwards: bool = False
    """`delivered` before `sent`: no order is promised."""


NEVER_SENT = frozenset({30001, 30002, 30024, 30032, 30033, 30034, 30035, 30036})
"""Twilio itself stops these: the carrier never sees them."""

FAILED = frozenset({21703, 30001, 30002, 30036})
"""Their status is `failed`; of all others it is `undelivered`."""


@dataclass(slots=True)
class Message:
    """A message, as it stands now."""

    sid: str
    direction: str
    """`inbound`, `outbound-api`, `outbound-reply`."""
    from_address: str
    """Empty while a service has not chosen a sender."""
    to_address: str
    body: str
    status: str
    created_at: float
    updated_at: float = 0.0
    sent_at: float | None = None
    error_code: int | None = None
    service_sid: str | None = None
    media: tuple[str, ...] = ()
    status_callback: str = ""
    status_callback_method: str = "POST"
    statuses: list[str] = field(default_factory=list)
    """Every status that it had."""

    @property
    def is_finished(self) -> bool:
        """Whether its status is its last."""
        return self.status in {
            *("delivered", "undelivered", "failed", "canceled", "received", "read", "sent"),
        }

    def becomes(self, status: str, at: float) -> None:
        """Take another status."""
        self.status, self.updated_at = status, at
        self.statuses.append(status)

    def resource(self, account_sid: str) -> dict[str, object]:
        """As the API has it: counts are text, the error's code is a number."""
        uri = f"/{API}/Accounts/{account_sid}/Messages/{self.sid}"
        meaning = meaning_of(self.error_code) if self.error_code is not None else None
        has_sender = bool(self.from_address)
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "api_version": API,
            "body": self.body,
            "date_created": rfc2822(self.created_at),
            "date_sent": rfc2822(self.sent_at),
            "date_updated": rfc2822(self.updated_at or self.created_at),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": meaning.meaning if meaning is not None else None,
            "from": self.from_address or None,
            "messaging_service_sid": self.service_sid,
            "num_media": str(len(self.media)),
            "num_segments": str(segments(self.body)) if has_sender else "0",
            "price": None,
            "price_unit": "USD",
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to_address,
            "uri": f"{uri}.json",
        }
