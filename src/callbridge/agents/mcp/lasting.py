"""Keeps a connection up: whenever it is lost it is opened again, after a rest that grows.

With it, what the log says alike of servers of ours and of those that an SDK agent brings along.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, TypeVar

import structlog

from callbridge.agents.mcp.listing import NAMED_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

REST_S: Final = 1.0
REST_S_MAX: Final = 60.0
"""Before it is opened again: twice as long each time."""

_log = structlog.get_logger()


class Named(Protocol):
    """A tool, as far as its name goes."""

    @property
    def name(self) -> str:
        """What it is called."""


class Link(Protocol):
    """One connection with an MCP server."""

    @property
    def name(self) -> str:
        """The server's, as logs have it."""

    @property
    def tools(self) -> Sequence[Named]:
        """What the server has at the moment; nothing while it is not there."""

    @property
    def left_out(self) -> Sequence[str]:
        """Those of its tools that no model would take, each with the reason."""

    @property
    def trouble(self) -> str:
        """Why it is not there; empty while it is."""

    @property
    def tried(self) -> asyncio.Event:
        """It has said which tools it has, or could not be opened, once at least."""

    async def live_once(self) -> None:
        """From its first word to its last one. `trouble` says afterwards why that was."""


Opened_co = TypeVar("Opened_co", bound=Link, covariant=True)


class Server(Protocol[Opened_co]):
    """An MCP server of somebody else's agent. Two that are equal share a connection."""

    @property
    def name(self) -> str:
        """As logs have it."""

    def link(self) -> Opened_co:
        """A connection with it, not opened yet. Nobody is told when its tools are others."""


async def lasting(link: Link) -> NoReturn:
    """Opens it, and opens it again whenever it is lost."""
    now, rest_s = asyncio.get_running_loop().time, REST_S
    while True:
        began_at = now()
        await link.live_once()
        if now() - began_at > REST_S_MAX:
            rest_s = REST_S
        _log.warning("mcp_server_lost", server=link.name, reason=link.trouble, again_in_s=rest_s)
        await asyncio.sleep(rest_s)
        rest_s = min(2 * rest_s, REST_S_MAX)


def log_left_out(server: str, left_out: Sequence[str]) -> None:
    """Which tools of a server no model gets, each with the reason, in one line of the log."""
    named = list(left_out[:NAMED_MAX])
    _log.warning("mcp_tools_left_out", server=server, tools=named, count=len(left_out))


def innermost(error: BaseException) -> BaseException:
    """What a library's groups of tasks have wrapped, the first of several."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def system_in_words(error: OSError, otherwise: str) -> str:
    """Why a server cannot be had, where the machine or the network says so. `otherwise`: for what is rare."""
    match error:
        case TimeoutError():
            return "it has not answered in time"
        case FileNotFoundError():
            return f"there is no such program or folder{f': {error.filename}' if error.filename else ''}"
        case _:
            return otherwise


def heed_cancellation(error: BaseException) -> None:
    """Where a library has put a fault in the place of our own end, this is the end all the same.

    Its groups of tasks do when both come at once: then nobody could end this connection any more.

    Raises:
        CancelledError: this task is to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error
