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
    host, port = settings.control_host, settings.control_port
    if port == 0:
        yield ok("operators cannot ask: CALLBRIDGE_CONTROL_PORT is 0")
        return
    if port == settings.port:
        yield error(
            f"CALLBRIDGE_CONTROL_PORT is {port}, as PORT is",
            "Set another one: what operators ask is not for those who reach the public port.",
        )
        return
    failure = try_to_listen(host, port)
    if failure is None:
        yield ok(f"operators ask at {host} port {port}")
    elif failure.errno == errno.EADDRINUSE:
        yield warning(
            f"something listens on {host} port {port} already, where operators are to ask",
            "Fine if it is this service; otherwise stop it, or set another CALLBRIDGE_CONTROL_PORT.",
        )
    else:
        yield control_port_taken(settings, failure)
    if not is_loopback(host):
        yield warning(
            f"CALLBRIDGE_CONTROL_HOST is {host}, so other machines reach what operators ask",
            "Let a firewall see to it that only yours do, and end TLS before it: the key travels along.",
        )


def control_port_taken(settings: Settings, failure: OSError) -> Finding:
    """The service cannot listen for operators."""
    return error(
        f"one cannot listen for operators on {settings.control_host} port {settings.control_port}: "
        f"{failure.strerror or failure}",
        "Set another CALLBRIDGE_CONTROL_PORT, or 0 to do without.",
    )
