"""What the attacks are carried out on: a service with the settings of a deployment, on this machine alone."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
import pytest

from callbridge.server.config.env_file import Entry, LineFault, decoded, read_lines
from callbridge.server.config.settings import VARIABLES
from callbridge.simulators.phone.signature import sign_form
from e2e.raw import CALLED, CALLER
from e2e.stack import ACCOUNT_SID, API_KEY, AUTH_TOKEN
from raw_peer import RawPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from callbridge.simulators.phone import SimulatedCall
    from callbridge.simulators.voice_model import ModelServer
    from e2e.processes import Service
    from e2e.stack import Stack

CONTROL_KEY: Final = "made-up-control-key-of-a-test"

DEFAULTS: Final = {
    "CALLBRIDGE_CALL_STARTS_PER_SECOND": "20",
    "CALLBRIDGE_FALLBACK_DIAL": "+15550107777",
    "CALLBRIDGE_STATE_PATH": "state.db",
}
"""Of a deployment that nobody has described: as the image has it, with a human behind it."""

REPLACED: Final = {
    "OPENAI_API_KEY": API_KEY,
    "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "CALLBRIDGE_CONTROL_KEY": CONTROL_KEY,
    "CALLBRIDGE_HOST": "127.0.0.1",
    "CALLBRIDGE_CONTROL_HOST": "127.0.0.1",
}
"""No secret of the user's is needed on loopback, so none is used."""

LEFT_OUT: Final = frozenset(
    # Places of the deployment, its other secrets, its own code.
    {"PORT", "CALLBRIDGE_CONTROL_PORT", "CALLBRIDGE_OTHER_AUTH_TOKENS", "CALLBRIDGE_SECRET_KEY"}
    | {"CALLBRIDGE_AGENT", "CALLBRIDGE_CLIP", "CALLBRIDGE_VALIDATE_SIGNATURES"}
    # What tells of it, and what would end the calls that stay live through all attacks.
    | {"CALLBRIDGE_LOG_LEVEL", "CALLBRIDGE_LOG_FORMAT", "CALLBRIDGE_LOG_TRANSCRIPTS"}
    | {"CALLBRIDGE_TRACES", "CALLBRIDGE_TRACE_WORDS"}
    | {"CALLBRIDGE_CALL_MINUTES_MAX", "CALLBRIDGE_CALLS_MAX", "CALLBRIDGE_SPEND_PER_CALL_MAX"}
    | {"CALLBRIDGE_SPEND_PER_HOUR_MAX", "CALLBRIDGE_SPEND_PER_DAY_MAX"}
)


def deployed(env_file: Path | None, public_url: str, model_url: str, folder: Path) -> dict[str, str]:
    """The settings of a deployment, with what loopback needs in place of its own.

    Args:
        env_file: where they stand; the environment counts before it, as for `serve`. None: the defaults.
        public_url: where it is reached here; empty for its own port.
        model_url: of the simulated model.
        folder: for its state, where it has one.
    """
    given = dict(DEFAULTS) if env_file is None else _described(env_file)
    if "CALLBRIDGE_STATE_PATH" in given:
        given["CALLBRIDGE_STATE_PATH"] = str(folder / "state.db")
    kept = {name: value for name, value in given.items() if name not in LEFT_OUT}
    places = {"PUBLIC_BASE_URL": public_url, "CALLBRIDGE_REALTIME_URL": model_url}
    return {"CALLBRIDGE_CALL_STARTS_PER_SECOND": "20"} | kept | REPLACED | places


def _described(env_file: Path) -> dict[str, str]:
    text, wrong = decoded(env_file.read_bytes())
    lines = list(read_lines(text))
    for fault in (*wrong, *(line for line in lines if isinstance(line, LineFault))):
        pytest.fail(f"{env_file}, line {fault.line} {fault.what}. {fault.remedy}.", pytrace=False)
    filed = {line.name.upper(): line.value for line in lines if isinstance(line, Entry)}
    found = filed | {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    return {name: value for name, value in found.items() if name in VARIABLES and value.strip()}


@dataclass
class Target:
    """A service under attack, with all that its operator and Twilio know of it."""

    service: Service
    line: Stack
    """For placing calls over its public address."""
    model: ModelServer
    client: httpx.AsyncClient
    live: list[SimulatedCall] = field(default_factory=list)
    """The calls that stay live through all attacks."""
    over: list[SimulatedCall] = field(default_factory=list)
    """Calls that came meanwhile and are over."""
    offered: set[str] = field(default_factory=set)
    """Calls of our account that were offered: for each there may be one session of the model."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(100_000))

    @property
    def public_port(self) -> int:
        """Where strangers come in: of the service, or of the proxy before it."""
        port = urlsplit(self.line.settings.public_base_url).port
        assert port is not None
        return port

    def new_sid(self) -> str:
        """Of a call that nobody has heard of."""
        return f"CA{next(self._numbers):032x}"

    def new_caller(self) -> str:
        """The number of somebody who has not called yet."""
        return f"+1555{next(self._numbers):07}"

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[RawPeer]:
        """A connection to the public port, on which nothing was said yet."""
        peer = await RawPeer.call(self.public_port)
        with contextlib.closing(peer):
            yield peer

    async def ask(self, path: str, fields: Mapping[str, str], *, token: str = AUTH_TOKEN) -> httpx.Response:
        """A webhook, signed with `token`."""
        url = f"{self.line.settings.public_base_url}{path}"
        form = {"AccountSid": ACCOUNT_SID, "From": CALLER, "To": CALLED, "CallStatus": "ringing", **fields}
        if path.startswith("/twilio/voice") and token == AUTH_TOKEN:
            self.offered.add(form["CallSid"])
        headers = {"X-Twilio-Signature": sign_form(url, form, token)}
        return await self.client.post(url, data=form, headers=headers)

    async def hung_up(self, sid: str) -> None:
        """Twilio reports that a call is over."""
        fields = {"CallSid": sid, "CallStatus": "completed", "CallDuration": "1"}
        answer = await self.ask("/twilio/call-status", fields)
        assert answer.status_code == 200, answer

    async def token(self, sid: str, caller: str) -> str:
        """The stream token of a new call."""
        answer = await self.ask("/twilio/voice", {"CallSid": sid, "From": caller})
        found = re.search(r'name="token" value="([^"]+)"', answer.text)
        assert found is not None, answer.text
        return found[1]


async def answer_of(peer: RawPeer) -> tuple[int, bytes]:
    """The next answer on a connection: its status and its body."""
    head = await peer.read_head()
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    return int(head.split(b" ")[1]), await peer.read_exactly(int(length[1]) if length else 0)


def form_post(path: str, body: bytes, *more: str) -> bytes:
    """A POST of a form as bytes; `more` are headers."""
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/x-www-form-urlencoded"]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", *more, "", ""]).encode("latin-1") + body
