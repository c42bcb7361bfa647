"""How calls come to a bridge: the signed webhook, the TwiML that answers it, the line for the generator.

Everything but `Caller.ring` is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from bench.errors import BenchError
from callbridge.telephony.signatures import SIGNATURE_HEADER, sign

if TYPE_CHECKING:
    import httpx

ACCOUNT_SID = "AC" + "be" * 16
AUTH_TOKEN = "bench" + "0" * 27
"""Made up, for loopback only."""
CALLER, CALLED = "+15550100001", "+15550100002"


@dataclass(frozen=True, slots=True)
class CallLine:
    """One call, as the generator reads it."""

    number: int
    token: str
    """The stream token; `-` for a bridge that knows none."""

    @property
    def call_sid(self) -> str:
        """Twilio's name of the call."""
        return call_sid(self.number)

    def encode(self) -> bytes:
        """CallSid, StreamSid and token on a line."""
        return f"{self.call_sid} MZ{self.number:032x} {self.token}\n".encode()


def call_sid(number: int) -> str:
    """The CallSid of the call with this number."""
    return f"CA{number:032x}"


def form(number: int) -> dict[str, str]:
    """What Twilio posts when a phone rings, as far as a bridge may look at it."""
    return {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "CallSid": call_sid(number),
        "CallStatus": "ringing",
        "Called": CALLED,
        "Caller": CALLER,
        "Direction": "inbound",
        "From": CALLER,
        "To": CALLED,
    }


def stream_token(twiml: str) -> str:
    """The token that `<Connect><Stream><Parameter name="token">` carries.

    Raises:
        BenchError: the bridge answered with something else, such as an apology.
    """
    try:
        document = ET.fromstring(twiml)  # noqa: S314 - from a process that we started ourselves
    except ET.ParseError as error:
        raise BenchError(f"the webhook did not answer with TwiML: {error}") from error
    parameter = document.find("./Connect/Stream/Parameter[@name='token']")
    token = None if parameter is None else parameter.get("value")
    if not token:
        raise BenchError(f"the webhook's TwiML has no stream token: {twiml}")
    return token


@dataclass(frozen=True, slots=True)
class Caller:
    """Rings at a bridge that wants each call announced by Twilio's webhook."""

    http: httpx.AsyncClient
    voice_url: str

    async def ring(self, number: int) -> CallLine:
        """Announces call `number`.

        Raises:
            BenchError: the bridge did not take the call.
            httpx.HTTPError: the bridge did not answer.
        """
        fields = form(number)
        signature = sign(AUTH_TOKEN, self.voice_url, fields.items())
        answer = await self.http.post(self.voice_url, data=fields, headers={SIGNATURE_HEADER: signature})
        if answer.status_code != 200:
            raise BenchError(f"the webhook answered {answer.status_code}: {answer.text[:200]}")
        return CallLine(number, stream_token(answer.text))
