"""The bridges that are compared: how each is started, and what it wants of its callers."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import callbridge
from bench.calls import ACCOUNT_SID, AUTH_TOKEN
from bench.toolchain import BASELINES
from callbridge.telephony.signatures import sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.toolchain import Toolchain

MEDIA_PATH = "/media-stream"
WITH_AGENT: Final = "with-agent"
WITH_RECORDS: Final = "with-records"
WITH_RECORDING: Final = "with-recording"
WITH_WORKERS: Final = "with-workers"
SOURCE, ROOT = Path(callbridge.__file__).parents[1], Path(__file__).parents[1]
"""Where the service and this benchmark are imported from."""


WORKERS: Final = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a bridge under test listens, and where its model is."""

    port: int
    model_port: int
    certificate: Path | None
    """What the model side's TLS is to be trusted by; nothing for a plain model leg."""
    folder: Path
    """Where it may keep what it keeps. It is gone after the run."""

    @property
    def base_url(self) -> str:
        """Where the bridge is reached."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def model_url(self) -> str:
        """The Realtime API, as the generator plays it."""
        return f"{'wss' if self.certificate else 'ws'}://127.0.0.1:{self.model_port}/v1/realtime"


@dataclass(frozen=True, slots=True)
class Launch:
    """One process."""

    command: tuple[str, ...]
    environment: dict[str, str]
    """Beside PATH and HOME, all that it gets."""


@dataclass(frozen=True, slots=True)
class BridgeKind:
    """One way to bridge calls."""

    name: str
    what: str
    """One line for the reader of the table."""
    launch: Callable[[Toolchain, Setting], Launch]
    tools: tuple[Literal["node", "node_relay", "relay"], ...] = ()
    """What of the toolchain it is made of."""
    processes: int = 1
    """How many of them carry calls; one that starts the others is not among them."""
    voice_path: str | None = None
    """Its webhook, where calls must be announced and bring a token; nothing where they need not."""

    def signature(self, setting: Setting) -> str:
        """What Twilio would sign its upgrade with."""
        return sign(AUTH_TOKEN, f"ws://127.0.0.1:{setting.port}{MEDIA_PATH}")


_OUT_OF_THE_WAY: Final = {
    "CALLBRIDGE_CALLS_MAX": "5000",
    "CALLBRIDGE_CALL_STARTS_PER_SECOND": "1000",
    "CALLBRIDGE_CALLS_PER_CALLER": "0",
    "CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "0",
    "CALLBRIDGE_CALLS_PER_CALLER_DAY": "0",
    "CALLBRIDGE_ANONYMOUS_CALLS_MAX": "0",
    "CALLBRIDGE_ANONYMOUS_CALLS_DAY": "0",
    "CALLBRIDGE_PREDIAL": "false",
}
"""What can be carried is measured here, not what is admitted, and all calls come from one number. Without
dialling ahead, so that the set-up of a call has the same steps as in the other bridges."""


def _callbridge(_toolchain: Toolchain, setting: Setting) -> Launch:
    environment = {
        "CALLBRIDGE_CONTROL_PORT": "0",
        "PYTHONPATH": str(SOURCE),
        "OPENAI_API_KEY": "sk-bench",
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "PUBLIC_BASE_URL": setting.base_url,
        "CALLBRIDGE_HOST": "127.0.0.1",
        "PORT": str(setting.port),
        "CALLBRIDGE_REALTIME_URL": setting.model_url,
        **_OUT_OF_THE_WAY,
    }
    if setting.certificate:
        environment["SSL_CERT_FILE"] = str(setting.certificate)
    serve = "from callbridge.cli import main; main()"
    return Launch((sys.executable, "-c", serve, "serve"), environment)


def _callbridge_with_agent(toolchain: Toolchain, setting: Setting) -> Launch:
    plain = _callbridge(toolchain, setting)
    path = os.pathsep.join((str(SOURCE), str(ROOT)))
    agent = {"CALLBRIDGE_AGENT": "bench.ordinary:agent", "PYTHONPATH": path}
    return Launch(plain.command, plain.environment | agent)


def _callbridge_with_records(toolchain: Toolchain, setting: Setting) -> Launch:
    plain = _callbridge(toolchain, setting)
    kept = {
        "CALLBRIDGE_STATE_PATH": str(setting.folder / "state.db"),
        "CALLBRIDGE_KEEP_WORDS": "true",
        "CALLBRIDGE_KEEP_NUMBERS": "true",
    }
    return Launch(plain.command, plain.environment | kept)


def _callbridge_with_recording(toolchain: Toolchain, setting: Setting) -> Launch:
    kept = _callbridge_with_records(toolchain, setting)
    recorded = {
        "CALLBRIDGE_AGENT": "bench.recorded:agent",
        "CALLBRIDGE_RECORDINGS": str(setting.folder / "recordings"),
        "PYTHONPATH": os.pathsep.join((str(SOURCE), str(ROOT))),
    }
    return Launch(kept.command, kept.environment | recorded)


def _callbridge_with_workers(toolchain: Toolchain, setting: Setting) -> Launch:
    kept = _callbridge_with_records(toolchain, setting)
    return Launch(kept.command, kept.environment | {"CALLBRIDGE_WORKERS": str(WORKERS)})


def _baseline_environment(setting: Setting) -> dict[str, str]:
    environment = {"PORT": str(setting.port), "REALTIME_URL": setting.model_url, "OPENAI_API_KEY": "sk-bench"}
    if setting.certificate:
        environment |= {
            "SSL_CERT_FILE": str(setting.certificate),
            "NODE_EXTRA_CA_CERTS": str(setting.certificate),
        }
    return environment


def _node(toolchain: Toolchain, setting: Setting) -> Launch:
    environment = _baseline_environment(setting) | {"NODE_ENV": "production"}
    return Launch((toolchain.node, str(toolchain.node_relay)), environment)


def _sample(_toolchain: Toolchain, setting: Setting) -> Launch:
    return Launch((sys.executable, str(BASELINES / "sample_relay.py")), _baseline_environment(setting))


def _bare(_toolchain: Toolchain, setting: Setting) -> Launch:
    return Launch((sys.executable, str(BASELINES / "bare_relay.py")), _baseline_environment(setting))


def _relay(toolchain: Toolchain, setting: Setting) -> Launch:
    command = [str(toolchain.relay), "--port", str(setting.port), "--model-port", str(setting.model_port)]
    if setting.certificate:
        command += ["--trust", str(setting.certificate)]
    return Launch(tuple(command), {})


BRIDGES: Final = {
    kind.name: kind
    for kind in (
        BridgeKind("callbridge", "this service, all of it", _callbridge, (), 1, "/twilio/voice"),
        BridgeKind(
            WITH_AGENT,
            "the same with an ordinary agent: texts made for the call, five tools, a form, a key",
            _callbridge_with_agent,
            (),
            1,
            "/twilio/voice",
        ),
        BridgeKind(
            WITH_RECORDS,
            "the same as the first, with the state and the records of all calls on disk, words included",
            _callbridge_with_records,
            (),
            1,
            "/twilio/voice",
        ),
        BridgeKind(
            WITH_RECORDING,
            "the same with the audio of all calls recorded",
            _callbridge_with_recording,
            (),
            1,
            "/twilio/voice",
        ),
        BridgeKind(
            WITH_WORKERS,
            f"the one with records as {WORKERS} workers behind one port",
            _callbridge_with_workers,
            (),
            WORKERS,
            "/twilio/voice",
        ),
        BridgeKind(
            "node", "a Node.js relay on `ws`, JSON.parse and JSON.stringify", _node, ("node", "node_relay")
        ),
        BridgeKind("sample", "a FastAPI relay in the style of Twilio's Python sample", _sample),
        BridgeKind("bare", "callbridge's two sockets and nothing else: no check, no bound, no ledger", _bare),
        BridgeKind("relay", "a relay in C that only copies: the limit of the machine", _relay, ("relay",)),
    )
}
"""By name. `callbridge` is what the others are compared with."""
