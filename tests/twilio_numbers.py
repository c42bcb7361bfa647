"""A number as Twilio sells it."""

from __future__ import annotations

from callbridge.telephony.rest.records import OwnedNumber

NUMBER = OwnedNumber(
    sid="PN" + "1" * 32,
    number="+14155550199",
    name="(415) 555-0199",
    voice_url="https://demo.twilio.com/welcome/voice/",
    voice_method="POST",
    fallback_url="",
    fallback_method="POST",
    status_url="",
    status_method="POST",
    sms_url="https://shop.example/sms",
    sms_method="GET",
    application_sid="",
    trunk_sid="",
    sms_application_sid="",
    has_voice=True,
    has_sms=True,
)
"""As Twilio sells it, with an SMS URL of a user's."""
