"""`callbridge serve`: the service itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NoReturn

import structlog
import typer

from callbridge.agents.loading import AgentError
from callbridge.cli.check import show
from callbridge.observe.logs import configure_logging
from callbridge.observe.loop_watch import LoopWatch
from callbridge.server.config.check import AGENT_REMEDY, cannot_listen
from callbridge.server.config.check_control import control_port_taken
from callbridge.server.config.check_descriptors import check_descriptors
from callbridge.server.config.clip import ClipError
from callbridge.server.config.descriptors import Room
from callbridge.server.config.findings import Finding, Level, as_findings
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.settings import Settings, read_settings
from callbridge.server.http.app import create_app
from callbridge.server.http.control import control_app
from callbridge.server.process.descriptors import raise_limit
from callbridge.server.process.drain import Drain
from callbridge.server.process.listening import (
    CallServer,
    Control,
    control_config,
    tcp_listener,
    tcp_listeners,
    uvicorn_config,
)
from callbridge.server.process.live_calls import LiveCalls
from callbridge.server.process.memory import keep_large_blocks_apart
from callbridge.state.opening import open_state
from callbridge.state.state import StateError

_log = structlog.get_logger()
if TYPE_CHECKING:
    from callbridge.server.process.desk import Desk

BROKEN_EXIT_STATUS: Final = 70
"""EX_SOFTWARE of sysexits.h: whoever runs the process starts another one."""


def serve() -> None:
    """Answer calls until told to stop. Settings come from the environment and a .env file.

    The first SIGTERM, SIGHUP or Ctrl-C lets live calls end, for CALLBRIDGE_DRAIN_SECONDS at most; the second
    has them handed over at once; the third stops at once.
    """
    settings = settings_or_refusal()
    configure_logging(settings.log_level, settings.log_format, secrets=settings.secrets)
    room = _room(settings)
    settings = settings.model_copy(update={"calls_max": room.calls_max})
    try:
        listeners = tcp_listeners(settings.host, settings.port)
    except OSError as error:
        _refuse([cannot_listen(settings, error)])
    live_calls = LiveCalls()
    drain = Drain(live_calls, settings.drain_seconds)
    loop_watch = LoopWatch()
    try:
        state = open_state(settings.state_path)
        app = create_app(settings, state=state, drain=drain, live_calls=live_calls, loop_watch=loop_watch)
    except AgentError as error:
        _refuse([Finding(Level.ERROR, str(error), AGENT_REMEDY, error.where)])
    except (ClipError, StateError) as error:
        _refuse([Finding(Level.ERROR, str(error).removesuffix("."))])
    keep_large_blocks_apart()
    control = _control(app.state.desk)
    server = CallServer(
        uvicorn_config(app, settings, room), settings, drain, loop_watch=loop_watch, control=control
    )
    # Ctrl-C before the signals are the server's own.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(listeners)
    if drain.is_broken:
        raise typer.Exit(BROKEN_EXIT_STATUS)


def settings_or_refusal() -> Settings:
    """The settings of this process; when they cannot be used, says why and ends with status 1."""
    try:
        return read_settings()
    except SettingsError as error:
        _refuse(as_findings(error.problems))


def _room(settings: Settings) -> Room:
    """What the limit of open files allows, which is raised as far as it goes."""
    descriptors = raise_limit()
    for finding in check_descriptors(settings, descriptors):
        if finding.level is Level.ERROR:
            _refuse([finding])
        if finding.level is Level.WARNING:
            _log.warning("few_descriptors", reason=finding.what, remedy=finding.remedy)
    return Room.of(descriptors, settings.calls_max)


def _control(desk: Desk) -> Control | None:
    """Where operators ask; nothing where that is switched off."""
    settings = desk.settings
    if settings.control_port == 0:
        return None
    try:
        listener = tcp_listener(settings.control_host, settings.control_port)
    except OSError as error:
        _refuse([control_port_taken(settings, error)])
    return control_config(control_app(desk), settings), listener


def _refuse(findings: list[Finding]) -> NoReturn:
    show(findings)
    raise typer.Exit(1)
