"""A recording of the account, as `<Record>` makes it."""

from __future__ import annotations

from dataclasses import dataclass

from callbridge.simulators.account.formats import API, rfc2822


@dataclass(slots=True)
class Recording:
    """What was recorded of a call."""

    sid: str
    """`RE…`."""
    call_sid: str
    created_at: float
    duration_s: int | None = None
    """None until it is completed."""
    status: str = "completed"
    source: str = "RecordVerb"
    channels: int = 1
    deleted_at: float | None = None
    conference_sid: str | None = None

    def resource(self, account_sid: str, origin: str) -> dict[str, object]:
        """As the API has it."""
        uri = f"/{API}/Accounts/{account_sid}/Recordings/{self.sid}"
        changed_at = self.created_at if self.deleted_at is None else self.deleted_at
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "api_version": API,
            "call_sid": self.call_sid,
            "conference_sid": self.conference_sid,
            "channels": self.channels,
            "date_created": rfc2822(self.created_at),
            "date_updated": rfc2822(changed_at),
            "start_time": rfc2822(self.created_at),
            "duration": None if self.duration_s is None else str(self.duration_s),
            "price": None,
            "price_unit": "USD",
            "source": self.source,
            "status": self.status if self.deleted_at is None else "deleted",
            "error_code": None,
            "encryption_details": None,
            "media_url": f"{origin}{uri}",
            "uri": f"{uri}.json",
            "subresource_uris": {
                "add_on_results": f"{uri}/AddOnResults.json",
                "transcriptions": f"{uri}/Transcriptions.json",
            },
        }
