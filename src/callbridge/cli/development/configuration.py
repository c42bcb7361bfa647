"""What `callbridge dev` serves with: what the user has told, and what a laptop needs for the rest.

Everything that can be known is not asked. What is made up is nobody's, and works on this machine alone.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from callbridge.cli.around_call import API_URL
from callbridge.cli.development.folder import KEPT_DAYS
from callbridge.observe.logs import LogFormat
from callbridge.server.config.setting_values import is_loopback
from callbridge.server.config.settings import Settings, find_variables, settings_of
from callbridge.server.process.listening.listening import tcp_listeners
from callbridge.simulators.phone import ACCOUNT_SID, AUTH_TOKEN

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

    from callbridge.server.config.variables import Variables

LOOPBACK: Final = "127.0.0.1"
MADE_UP_KEY: Final = "sk-nobodys-for-the-simulated-model"

SPEND_HOUR_DOLLARS: Final = 2.0
SPEND_DAY_DOLLARS: Final = 5.0
RECORDS: Final = "records.db"
RECORDINGS: Final = "recordings"

DRAIN_S: Final = 10
"""How long a call goes on after the first Ctrl-C. Who develops does not wait for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the environment, the `.env` file and the command line tell, before anything runs."""

    values: Mapping[str, str]
    is_simulated: bool = False
    """The simulated model is wanted in spite of a key."""
    script: Path | None = None
    """What the simulated model says; the built-in bakery's lines when None."""

    @property
    def simulates_model(self) -> bool:
        """Whether a simulated model is started here: without a key, unless some endpoint is named."""
        if self.is_simulated or self.script is not None:
            return True
        return "OPENAI_API_KEY" not in self.values and "CALLBRIDGE_REALTIME_URL" not in self.values

    @property
    def has_account(self) -> bool:
        """Whether there is a Twilio account, or part of one."""
        return not {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"}.isdisjoint(self.values)

    @property
    def public_url(self) -> str:
        """The PUBLIC_BASE_URL that was told, if other machines reach it; else nothing."""
        url = self.values.get("PUBLIC_BASE_URL", "")
        return "" if is_loopback(urlsplit(url).hostname or LOOPBACK) else url.rstrip("/")


def what_is_told(
    agent: str = "", port: int | None = None, *, is_simulated: bool = False, script: Path | None = None
) -> Told:
    """What is known of this process. The command line counts first."""
    named = {"CALLBRIDGE_AGENT": agent, "PORT": "" if port is None else str(port)}
    return Told(values={**find_variables().values, **_given(named)}, is_simulated=is_simulated, script=script)


def listeners_for(told: Told) -> list[socket.socket]:
    """Listens on loopback: at the port that was told; else at the usual one, or any that is free.

    Raises:
        OSError: the port that was told is taken.
    """
    if port := told.values.get("PORT"):
        return tcp_listeners(LOOPBACK, int(port) if port.isascii() and port.isdigit() else 0)
    with suppress(OSError):
        return tcp_listeners(LOOPBACK, usual_port())
    return tcp_listeners(LOOPBACK, 0)


def usual_port() -> int:
    """Where the service listens when it is told nothing."""
    return int(Settings.model_fields["port"].default)


def development_settings(
    told: Told, *, port: int, base_url: str, model_url: str = "", folder: Path | None = None
) -> Settings:
    """The settings of a laptop.

    Args:
        told: what was told.
        port: where it listens.
        base_url: where Twilio, or the simulated phone, reaches it.
        model_url: of the simulated model; empty where another one answers.
        folder: where calls are kept; None where nothing is.

    Raises:
        SettingsError: something that was told is wrong.
    """
    settings = settings_of(_variables(told, port, base_url, model_url))
    caps = {"spend_per_hour_max": SPEND_HOUR_DOLLARS, "spend_per_day_max": SPEND_DAY_DOLLARS}
    changed: dict[str, Any] = {
        name: most if (set_to := getattr(settings, name)) is None else min(set_to, most)
        for name, most in caps.items()
    }
    # One caller makes all calls here, and what they say is to be read.
    unlimited = dict.fromkeys(("calls_per_caller", "calls_per_caller_10_minutes", "calls_per_caller_day"), 0)
    return settings.model_copy(
        update={
            **changed,
            **unlimited,
            "state_path": None,
            "redis_url": None,
            **_kept(folder),
            "control_port": 0,
            "drain_seconds": min(settings.drain_seconds, DRAIN_S),
            "log_transcripts": True,
            "log_format": LogFormat.CONSOLE,
        }
    )


def may_open_browser(variables: Mapping[str, str]) -> bool:
    """Whether somebody sits before this process, with a screen that shows windows. In CI nobody does."""
    if "CI" in variables or not sys.stdout.isatty():
        return False
    has_windows = sys.platform in {"darwin", "win32"}
    return has_windows or bool({"DISPLAY", "WAYLAND_DISPLAY"} & variables.keys())


def _kept(folder: Path | None) -> dict[str, Any]:
    """What is kept of calls, whatever was told: those of a laptop go into no deployment's database, are told
    to nobody, and are looked at by no model that costs.
    """
    names = ("webhooks", "webhook_url", "webhook_secret", "nats_url", "analysis_model", "database_url")
    nobody = dict.fromkeys(names) | {"traces": False}
    if folder is None:
        return nobody | {"recordings": None, "replay_share": 0.0}
    return nobody | {
        "database_url": SecretStr(f"sqlite:///{folder.absolute() / RECORDS}"),
        "recordings": str(folder.absolute() / RECORDINGS),
        "records_kept_days": KEPT_DAYS,
        "recordings_kept_days": KEPT_DAYS,
        "words_kept_days": None,
        "keep_words": True,
        "replay_share": 1.0,
        "records_key": None,
    }


def _variables(told: Told, port: int, base_url: str, model_url: str) -> Variables:
    needed = {"CALLBRIDGE_HOST": LOOPBACK, "PORT": str(port), "PUBLIC_BASE_URL": base_url}
    needed["CALLBRIDGE_WORKERS"] = "1"
    if model_url:
        needed |= {"OPENAI_API_KEY": MADE_UP_KEY, "CALLBRIDGE_REALTIME_URL": model_url}
    elif "OPENAI_API_KEY" not in told.values and _is_on_this_machine(told):
        needed |= {"OPENAI_API_KEY": MADE_UP_KEY}
    if not told.has_account:
        needed |= {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": AUTH_TOKEN}
        # Twilio knows nothing of it. A simulated call does, and serves it beside itself.
        needed |= {"CALLBRIDGE_TWILIO_API_URL": told.values.get("CALLBRIDGE_TWILIO_API_URL", API_URL)}
    agent = {"CALLBRIDGE_AGENT": told.values.get("CALLBRIDGE_AGENT", "")}
    return find_variables(options={**_given(agent), **needed})


def _is_on_this_machine(told: Told) -> bool:
    return is_loopback(urlsplit(told.values.get("CALLBRIDGE_REALTIME_URL", "")).hostname or "")


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
