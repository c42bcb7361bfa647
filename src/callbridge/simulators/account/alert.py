"""One alert of an account, as the Monitor API, a call's notifications and the debugger's webhook tell it.

Sources: twilio.com/docs/usage/monitor-alert, /docs/usage/troubleshooting/debugging-event-webhooks. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from callbridge.simulators.account.formats import API, iso8601, rfc2822

if TYPE_CHECKING:
    from callbridge.simulators.phone.carrier_codes import Level


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that Twilio has noticed."""

    sid: str
    """`NO…`."""
    code: int
    level: Level
    detail: str
    about: str
    """Sid of what it happened to; empty when that is nothing in particular."""
    url: str
    """The webhook that was asked; empty when none was."""
    at: float
    """Seconds since 1970."""

    @property
    def more_info(self) -> str:
        """Where Twilio explains the code."""
        return f"https://www.twilio.com/docs/errors/{self.code}"

    @property
    def text(self) -> str:
        """URL-encoded pairs, as Twilio has it."""
        level = "WARN" if self.level == "warning" else "ERROR"
        return urlencode({"Msg": self.detail, "ErrorCode": self.code, "LogLevel": level, "url": self.url})

    def resource(self, account_sid: str, origin: str, *, is_whole: bool) -> dict[str, object]:
        """As the Monitor API has it; the request and the answer only when it is fetched by its sid."""
        told: dict[str, object] = {
            "sid": self.sid,
            "account_sid": account_sid,
            "error_code": str(self.code),
            "log_level": self.level.value,
            "alert_text": self.text,
            "more_info": self.more_info,
            "resource_sid": self.about or None,
            "service_sid": None,
            "request_url": self.url or None,
            "request_method": "POST" if self.url else None,
            "date_generated": iso8601(self.at),
            "date_created": iso8601(self.at),
            "date_updated": iso8601(self.at),
            "api_version": API,
            "url": f"{origin}/v1/Alerts/{self.sid}",
        }
        whole = ("request_variables", "request_headers", "response_body", "response_headers")
        return told | (dict.fromkeys(whole, "") if is_whole else {})

    def notification(self, account_sid: str) -> dict[str, object]:
        """As a notification of its call."""
        call = f"/{API}/Accounts/{account_sid}/Calls/{self.about}"
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "api_version": API,
            "call_sid": self.about,
            "date_created": rfc2822(self.at),
            "date_updated": rfc2822(self.at),
            "error_code": str(self.code),
            "log": "1" if self.level == "warning" else "0",
            "message_date": rfc2822(self.at),
            "message_text": self.text,
            "more_info": self.more_info,
            "request_method": "POST" if self.url else None,
            "request_url": self.url,
            "uri": f"{call}/Notifications/{self.sid}.json",
        }

    def debugger_form(self, account_sid: str) -> dict[str, str]:
        """What the debugger's webhook is told: there is no `CallSid` in it."""
        payload = {
            "resource_sid": self.about or None,
            "service_sid": None,
            "error_code": str(self.code),
            "more_info": {
                "Msg": self.detail,
                "ErrorCode": str(self.code),
                "LogLevel": "WARN" if self.level == "warning" else "ERROR",
                "url": self.url,
            },
            "webhook": {
                "type": "application/json",
                "request": {"url": self.url, "method": "POST", "headers": {}, "parameters": {}},
                "response": {"status_code": None, "headers": {}, "body": ""},
            },
        }
        return {
            "Sid": self.sid,
            "AccountSid": account_sid,
            "ParentAccountSid": "",
            "Timestamp": iso8601(self.at),
            "Level": self.level.value.upper(),
            "PayloadType": "application/json",
            "Payload": json.dumps(payload),
        }
