"""What `callbridge check` finds about the control listener, where operators ask."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, error, ok, warning
from callbridge.server.config.setting_values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.server.config.settings import Settings


def control(settings: Settings, try_to_listen: Callable[[str, int], OSError | None]) -> Iterator[Finding]:
    """Who can ask, and whether one can listen there."""
    host = settings.control_host
    if not settings.control_ports:
        yield ok("operators cannot ask: CALLBRIDGE_CONTROL_PORT is 0")
        return
    if settings.control_port == settings.port:
        yield error(
            f"CALLBRIDGE_CONTROL_PORT is {settings.control_port}, as PORT is",
            "Set another one: what operators ask is not for those who reach the public port.",
        )
        return
    for port in settings.control_ports:
        yield _port(settings, port, try_to_listen(host, port))
    if not is_loopback(host):
        yield warning(
            f"CALLBRIDGE_CONTROL_HOST is {host}, so other machines reach what operators ask",
            "Let a firewall see to it that only yours do, and end TLS before it: the key travels along.",
        )


def _port(settings: Settings, port: int, failure: OSError | None) -> Finding:
    address = f"{settings.control_host} port {port}"
    if failure is None:
        is_spare = settings.workers > 1 and port == settings.control_ports[-1]
        return ok(f"operators ask at {address}" + (", a worker that leaves" if is_spare else ""))
    if failure.errno == errno.EADDRINUSE:
        return warning(
            f"something listens on {address} already, where operators are to ask",
            "Fine if it is this service; otherwise stop it, or set another CALLBRIDGE_CONTROL_PORT.",
        )
    return control_port_taken(settings, port, failure)


def control_port_taken(settings: Settings, port: int, failure: OSError) -> Finding:
    """The service cannot listen for operators."""
    return error(
        f"one cannot listen for operators on {settings.control_host} port {port}: "
        f"{failure.strerror or failure}",
        "Set another CALLBRIDGE_CONTROL_PORT, or 0 to do without.",
    )
