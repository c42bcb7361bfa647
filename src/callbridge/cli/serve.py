"""`callbridge serve`: the service itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import structlog
import typer

from callbridge.cli.check import show
from callbridge.observe.logs import configure_logging, log_crashes
from callbridge.server.config.check_addresses import cannot_listen
from callbridge.server.config.check_control import control_port_taken
from callbridge.server.config.check_descriptors import check_descriptors
from callbridge.server.config.descriptors import Room, per_call
from callbridge.server.config.findings import Finding, Level, as_findings, as_warnings
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.settings import Settings, find_variables, settings_of
from callbridge.server.http.control import control_app
from callbridge.server.preparing import StartError, prepare
from callbridge.server.process.descriptors import raise_limit
from callbridge.server.process.listening import (
    CallServer,
    Control,
    control_config,
    tcp_listener,
    tcp_listeners,
    uvicorn_config,
)
from callbridge.server.process.memory import keep_large_blocks_apart, spare_what_is_loaded

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from callbridge.server.config.setting_problems import Problem
    from callbridge.server.config.variables import Variables
    from callbridge.server.process.desk import Desk

BROKEN_EXIT_STATUS: Final = 70
"""EX_SOFTWARE of sysexits.h: whoever runs the process starts another one."""

_log = structlog.get_logger()


def serve(
    host: Annotated[str | None, typer.Option(help="In place of CALLBRIDGE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="In place of PORT.")] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="In place of CALLBRIDGE_AGENT.")
    ] = None,
) -> None:
    """Answer calls until told to stop. Settings come from the environment and a .env file.

    The first SIGTERM, SIGHUP or Ctrl-C lets live calls end, for CALLBRIDGE_DRAIN_SECONDS at most; the second
    has them handed over at once; the third stops at once.
    """
    named = {"CALLBRIDGE_HOST": host, "PORT": port, "CALLBRIDGE_AGENT": agent}
    variables = find_variables(
        options={name: str(value) for name, value in named.items() if value is not None}
    )
    settings = settings_or_refusal(variables)
    configure_logging(
        settings.log_level,
        settings.log_format,
        secrets=settings.secrets,
        with_words=settings.log_transcripts,
    )
    log_crashes()
    _tell(variables.doubts)
    room = _room(settings)
    settings = settings.model_copy(update={"calls_max": room.calls_max})
    with contextlib.ExitStack() as opened:
        # Before the state is opened, which may be that of a service that runs here already.
        listeners = [opened.enter_context(listener) for listener in _listeners(settings)]
        _run(settings, room, listeners)


def _run(settings: Settings, room: Room, listeners: list[socket.socket]) -> None:
    """From the first thing that a start needs to the end."""
    try:
        prepared = prepare(settings)
    except StartError as error:
        _refuse(error.findings)
    keep_large_blocks_apart()
    spare_what_is_loaded()
    server = CallServer(
        uvicorn_config(prepared.app, settings, room),
        settings,
        prepared.drain,
        loop_watch=prepared.loop_watch,
        control=_control(prepared.app.state.desk),
        agents=prepared.roster.agents,
    )
    # Ctrl-C before the signals are the server's own.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(listeners)
    if prepared.drain.is_broken:
        raise typer.Exit(BROKEN_EXIT_STATUS)


def settings_or_refusal(variables: Variables | None = None) -> Settings:
    """The settings of this process; when they cannot be used, says why and ends with status 1."""
    variables = variables or find_variables()
    try:
        return settings_of(variables)
    except SettingsError as error:
        _refuse([*as_findings(error.problems), *as_warnings(variables.doubts)])


def _room(settings: Settings) -> Room:
    """What the limit of open files allows, which is raised as far as it goes."""
    descriptors = raise_limit()
    for finding in check_descriptors(settings, descriptors):
        if finding.level is Level.ERROR:
            _refuse([finding])
        if finding.level is Level.WARNING:
            _log.warning("few_descriptors", reason=finding.what, remedy=finding.remedy)
    each = per_call(is_recorded=settings.recordings is not None)
    return Room.of(descriptors, settings.calls_max, each)


def _listeners(settings: Settings) -> list[socket.socket]:
    try:
        return tcp_listeners(settings.host, settings.port)
    except OSError as error:
        _refuse([cannot_listen(settings, error)])


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


def _tell(doubts: Iterable[Problem]) -> None:
    for doubt in doubts:
        _log.warning("setting_in_doubt", name=doubt.subject, why=doubt.what, remedy=doubt.remedy)


def _refuse(findings: Iterable[Finding]) -> NoReturn:
    show(findings)
    raise typer.Exit(1)
