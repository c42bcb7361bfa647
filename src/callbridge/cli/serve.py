"""`callbridge serve`: the service itself."""

from __future__ import annotations

import contextlib
import sys
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
from callbridge.server.process.listening.descriptors import raise_limit
from callbridge.server.process.listening.listening import (
    CallServer,
    Control,
    control_config,
    tcp_listener,
    tcp_listeners,
    uvicorn_config,
)
from callbridge.server.process.listening.memory import keep_large_blocks_apart, spare_what_is_loaded
from callbridge.server.process.listening.seat import Seat
from callbridge.server.process.listening.supervising import Supervisor
from callbridge.server.process.listening.working import WorkerServer
from callbridge.switchboard.workers import Workers

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from callbridge.server.config.setting_problems import Problem
    from callbridge.server.config.variables import Variables
    from callbridge.server.preparing import Prepared
    from callbridge.server.process.desk import Desk
    from callbridge.server.process.drain import Drain

BROKEN_EXIT_STATUS: Final = 70
"""EX_SOFTWARE of sysexits.h: whoever runs the process starts another one."""

_log = structlog.get_logger()


def serve(
    host: Annotated[str | None, typer.Option(help="In place of CALLBRIDGE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="In place of PORT.")] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="In place of CALLBRIDGE_AGENT.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="In place of CALLBRIDGE_WORKERS.")] = None,
    seat: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Answer calls until told to stop. Settings come from the environment and a .env file.

    The first SIGTERM, SIGHUP or Ctrl-C lets live calls end, for CALLBRIDGE_DRAIN_SECONDS at most; the second
    has them handed over at once; the third stops at once. With several workers SIGHUP replaces them, one
    after the other, and drops no call.
    """
    named = {
        "CALLBRIDGE_HOST": host,
        "PORT": port,
        "CALLBRIDGE_AGENT": agent,
        "CALLBRIDGE_WORKERS": workers,
    }
    variables = find_variables(
        options={name: str(value) for name, value in named.items() if value is not None}
    )
    settings = settings_or_refusal(variables)
    place = None if seat is None else Seat.read(seat)
    configure_logging(
        settings.log_level,
        settings.log_format,
        secrets=settings.secrets,
        with_words=settings.log_transcripts,
        worker=None if place is None else place.number,
    )
    log_crashes()
    if place is not None:
        _work(settings.model_copy(update={"workers": place.of}), place)
        return
    _tell(variables.doubts)
    room = _room(settings)
    with contextlib.ExitStack() as opened:
        # Before the state is opened, which may be that of a service that runs here already.
        listeners = [opened.enter_context(listener) for listener in _listeners(settings)]
        if settings.workers > 1:
            _supervise(settings, listeners, opened)
        else:
            _serve_alone(settings.model_copy(update={"calls_max": room.calls_max}), room, listeners)


def _serve_alone(settings: Settings, room: Room, listeners: list[socket.socket]) -> None:
    """From the first thing that a start needs to the end."""
    prepared = _prepared(settings)
    server = CallServer(
        uvicorn_config(prepared.app, settings, room),
        settings,
        prepared.drain,
        loop_watch=prepared.loop_watch,
        control=_control(prepared.app.state.desk),
        agents=prepared.roster.agents,
    )
    _run(server, listeners, prepared.drain)


def _work(settings: Settings, seat: Seat) -> None:
    """The same for one of several. What is to be said of the settings, the supervisor has said."""
    seat.keep_to_ourselves()
    descriptors = raise_limit()
    room = Room.of(descriptors, settings.calls_max, _per_call(settings))
    settings = settings.model_copy(update={"calls_max": room.calls_max})
    prepared = _prepared(settings)
    desk: Desk = prepared.app.state.desk
    control = seat.open_control()
    server = WorkerServer(
        uvicorn_config(prepared.app, settings, room),
        settings,
        prepared.drain,
        seat=seat,
        live_calls=desk.live_calls,
        loop_watch=prepared.loop_watch,
        control=None if control is None else (control_config(control_app(desk), settings), control),
        control_elsewhere=lambda: _control_of_who_leaves(desk),
        agents=prepared.roster.agents,
    )
    _run(server, seat.open_public(), prepared.drain)


def _run(server: CallServer, listeners: list[socket.socket], drain: Drain) -> None:
    # Ctrl-C before the signals are the server's own.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(listeners)
    if drain.is_broken:
        raise typer.Exit(BROKEN_EXIT_STATUS)


def _prepared(settings: Settings) -> Prepared:
    """All that a start needs, or why there is none."""
    try:
        prepared = prepare(settings)
    except StartError as error:
        _refuse(error.findings)
    keep_large_blocks_apart()
    spare_what_is_loaded()
    return prepared


def _supervise(settings: Settings, public: list[socket.socket], opened: contextlib.ExitStack) -> None:
    """Runs the workers, each of which begins anew with this very command line."""
    control = [
        opened.enter_context(_control_listener(settings, port))
        for port in settings.control_ports[: settings.workers]
    ]
    command = (sys.executable, *sys.orig_argv[1:], "--seat")
    workers = Workers(settings.workers, float(settings.drain_seconds))
    status = Supervisor(command, public, control, workers).run()
    if status:
        raise typer.Exit(status)


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
    return Room.of(descriptors, settings.calls_max, _per_call(settings))


def _per_call(settings: Settings) -> int:
    return per_call(is_recorded=settings.recordings is not None)


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
    listener = _control_listener(settings, settings.control_port)
    return control_config(control_app(desk), settings), listener


def _control_listener(settings: Settings, port: int) -> socket.socket:
    try:
        return tcp_listener(settings.control_host, port)
    except OSError as error:
        _refuse([control_port_taken(settings, port, error)])


def _control_of_who_leaves(desk: Desk) -> Control | None:
    """Where operators ask a worker whose place another one has taken; nothing where that port is in use."""
    settings = desk.settings
    if settings.control_port == 0:
        return None
    port = settings.control_ports[-1]
    try:
        listener = tcp_listener(settings.control_host, port)
    except OSError as error:
        _log.warning("control_port_taken", port=port, reason=error.strerror or str(error))
        return None
    return control_config(control_app(desk), settings), listener


def _tell(doubts: Iterable[Problem]) -> None:
    for doubt in doubts:
        _log.warning("setting_in_doubt", name=doubt.subject, why=doubt.what, remedy=doubt.remedy)


def _refuse(findings: Iterable[Finding]) -> NoReturn:
    show(findings)
    raise typer.Exit(1)
