"""A telephone number of the account, with where its calls and messages lead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from callbridge.simulators.account.formats import API, for_people, rfc2822

DEMO_VOICE_URL = "https://demo.twilio.com/welcome/voice/"
"""What a number that was just bought answers with: a voice that costs money per call."""

DEMO_SMS_URL = "https://demo.twilio.com/welcome/sms/reply/"


@dataclass(slots=True)
class PhoneNumber:
    """A number, as its settings are now."""

    sid: str
    """`PN…`."""
    address: str
    """`+14155550100`."""
    created_at: float
    updated_at: float = 0.0
    friendly_name: str = ""
    voice_url: str = DEMO_VOICE_URL
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    voice_application_sid: str = ""
    voice_receive_mode: Literal["voice", "fax"] = "voice"
    voice_caller_id_lookup: bool = False
    trunk_sid: str = ""
    status_callback: str = ""
    status_callback_method: str = "POST"
    sms_url: str = DEMO_SMS_URL
    sms_method: str = "POST"
    sms_fallback_url: str = ""
    sms_fallback_method: str = "POST"
    sms_application_sid: str = ""
    address_sid: str = ""
    identity_sid: str = ""
    bundle_sid: str = ""
    emergency_address_sid: str = ""
    emergency_status: str = "Active"
    address_requirements: Literal["none", "any", "local", "foreign"] = "none"
    type: Literal["local", "mobile", "toll-free"] = "local"
    capabilities: dict[str, bool] = field(
        default_factory=lambda: {"voice": True, "sms": True, "mms": True, "fax": False}
    )

    def resource(self, account_sid: str) -> dict[str, object]:
        """As the API has it: unset addresses are empty texts, unset sids of trunks and bundles null."""
        emergency = "registered" if self.emergency_address_sid else "unregistered"
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "phone_number": self.address,
            "friendly_name": self.friendly_name or for_people(self.address),
            "address_sid": self.address_sid or None,
            "address_requirements": self.address_requirements,
            "api_version": API,
            "beta": False,
            "capabilities": self.capabilities,
            "date_created": rfc2822(self.created_at),
            "date_updated": rfc2822(self.updated_at or self.created_at),
            "identity_sid": self.identity_sid or None,
            "origin": "twilio",
            "sms_application_sid": self.sms_application_sid,
            "sms_fallback_method": self.sms_fallback_method,
            "sms_fallback_url": self.sms_fallback_url,
            "sms_method": self.sms_method,
            "sms_url": self.sms_url,
            "status_callback": self.status_callback,
            "status_callback_method": self.status_callback_method,
            "trunk_sid": self.trunk_sid or None,
            "uri": f"/{API}/Accounts/{account_sid}/IncomingPhoneNumbers/{self.sid}.json",
            "voice_receive_mode": self.voice_receive_mode,
            "voice_application_sid": self.voice_application_sid,
            "voice_caller_id_lookup": self.voice_caller_id_lookup,
            "voice_fallback_method": self.voice_fallback_method,
            "voice_fallback_url": self.voice_fallback_url,
            "voice_method": self.voice_method,
            "voice_url": self.voice_url,
            "emergency_status": self.emergency_status,
            "emergency_address_sid": self.emergency_address_sid or None,
            "emergency_address_status": emergency,
            "bundle_sid": self.bundle_sid or None,
            "status": "in-use",
            "type": self.type,
        }
