"""`callbridge mcp`: for an assistant that is to know of calls."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import structlog
import typer

from callbridge.cli.calls.of_dev import OfDev, settings_for
from callbridge.cli.control_client import ServiceError, service_client
from callbridge.cli.mcp_server.tools import ALLOWED, offered
from callbridge.cli.records_database import records_database
from callbridge.observe.logs import configure_logging
from callbridge.server.config.setting_values import is_loopback
from callbridge.server.process.listening.listening import tcp_listener

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from callbridge.cli.mcp_server.phone import Phone
    from callbridge.cli.mcp_server.tools import PhoneTool
    from callbridge.server.config.settings import Settings

HOST: Final = "127.0.0.1"
PORT: Final = 8090

_HOST_NAME: Final = re.compile(r"[0-9A-Za-z._-]{1,253}")
_MAKE_ONE: Final = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
_MISSING: Final = "The library of the protocol is not installed. Run: pip install 'callbridge[mcp]'"

_log = structlog.get_logger()


def mcp(
    url: Annotated[
        str | None,
        typer.Option(
            help="A control listener, which is asked for the records; by default they are read here."
        ),
    ] = None,
    words: Annotated[
        bool,
        typer.Option("--words", help="Tell what was said, too, where it is kept (CALLBRIDGE_KEEP_WORDS)."),
    ] = False,
    allow: Annotated[
        str, typer.Option(metavar="LIST", help="What the assistant may do: end, hand-over, with commas.")
    ] = "",
    over_http: Annotated[
        bool, typer.Option("--http", help="Answer by HTTP, who has the CALLBRIDGE_MCP_TOKEN.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: where to listen.")] = HOST,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="With --http: the port.")] = PORT,
    name: Annotated[
        list[str] | None,
        typer.Option(help="With --http: a name under which it is reached, such as phone.example.com."),
    ] = None,
    is_of_dev: OfDev = False,
) -> None:
    """Let an assistant ask about calls, over the Model Context Protocol (MCP).

    It only reads, unless --allow names more. By default it speaks on its standard streams with the program
    that has started it, as assistants on this machine do. It needs the settings of the service, and
    `pip install 'callbridge[mcp]'`.

    Numbers are masked, what was said is told with --words only, and each question is logged on the standard
    error.
    """
    allowed = _allowed(allow)
    address = _Address(host, port, tuple(name or ()))
    address.check(is_wanted=over_http)
    if is_of_dev and (url is not None or allowed):
        raise typer.BadParameter(
            "calls of callbridge dev are read, and nothing else: leave out --url and --allow"
        )
    settings = settings_for(is_of_dev=is_of_dev)
    tools = offered(allowed, words=words, has_service=not is_of_dev)
    configure_logging(settings.log_level, settings.log_format, secrets=settings.secrets)
    try:
        with _phone(settings, url) as phone:
            if over_http:
                _serve_http(phone, tools, address)
            else:
                _serve_stdio(phone, tools)
    except ServiceError as error:
        _refuse(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        _refuse(_MISSING)


@dataclass(frozen=True, slots=True)
class _Address:
    """Where one listens, and under which names one is reached."""

    host: str
    port: int
    names: tuple[str, ...]

    def check(self, *, is_wanted: bool) -> None:
        """Whether it can be used.

        Raises:
            typer.BadParameter: it cannot, or nobody listens.
        """
        if not is_wanted and (self.host, self.port, self.names) != (HOST, PORT, ()):
            raise typer.BadParameter("--host, --port and --name are for --http: give that, too")
        for name in self.names:
            if not _HOST_NAME.fullmatch(name):
                raise typer.BadParameter(
                    f"{name!r} is no name of a host alone, such as phone.example.com", param_hint="--name"
                )
        if not is_loopback(self.host) and not self.names:
            raise typer.BadParameter(
                f"{self.host} lets others in: say under which name they reach it, with --name "
                "phone.example.com. Others are refused, so that no page elsewhere can pretend to be this",
                param_hint="--host",
            )


def _allowed(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in ALLOWED]
    if unknown:
        told = f"{unknown[0]!r} is nothing that can be allowed. There is: {', '.join(ALLOWED)}"
        raise typer.BadParameter(told, param_hint="--allow")
    return names


@contextlib.contextmanager
def _phone(settings: Settings, url: str | None) -> Iterator[Phone]:
    from callbridge.cli.mcp_server.phone import OwnRecords, Phone, ServiceRecords  # noqa: PLC0415 - only here

    if url is not None:
        service_client(settings, url).close()  # An address that is none is told at once.
        yield Phone(settings, ServiceRecords(settings, url), url)
        return
    with records_database(settings) as database:
        from callbridge.records.reading import Records  # noqa: PLC0415 - SQLAlchemy is slow

        yield Phone(settings, OwnRecords(settings, Records(database)))


def _serve_stdio(phone: Phone, tools: dict[str, PhoneTool]) -> None:
    from callbridge.cli.mcp_server.answering import phone_server, serve_stdio  # noqa: PLC0415 - an extra

    server = phone_server(phone, tools, "stdio")
    # A thread waits for the next question, which nothing can wake: Ctrl-C ends the process as SIGTERM does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _log.info("ready", tools=", ".join(tools), next_step="who has started this asks on its standard input")
    asyncio.run(serve_stdio(server))


def _serve_http(phone: Phone, tools: dict[str, PhoneTool], address: _Address) -> None:
    settings = phone.settings
    if settings.mcp_token is None:
        _refuse(
            "CALLBRIDGE_MCP_TOKEN is not set: whoever reaches the port would read of your calls. Set it to a "
            f"token of 32 characters or more, and give it to the assistant. Make one: {_MAKE_ONE}"
        )
    try:
        listener = tcp_listener(address.host, address.port)
    except OSError as error:
        _refuse(
            f"One cannot listen on {address.host} port {address.port}: {error.strerror or error}. "
            "Give another --port."
        )
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_until_stopped(phone, tools, address, listener))


async def _until_stopped(
    phone: Phone, tools: dict[str, PhoneTool], address: _Address, listener: socket.socket
) -> None:
    from callbridge.cli.mcp_server.answering import phone_server  # noqa: PLC0415 - an extra
    from callbridge.cli.mcp_server.listening import PATH, listening, until_stopped  # noqa: PLC0415 - so here

    assert phone.settings.mcp_token is not None, "it was looked for"
    token = phone.settings.mcp_token.get_secret_value()
    server = phone_server(phone, tools, "http")
    async with listening(server, phone.settings, token, listener, address.names):
        host, port = listener.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        _log.info("ready", address=f"http://{host}:{port}{PATH}", tools=", ".join(tools))
        if not is_loopback(address.host):
            _log.warning("token_in_the_open", remedy="let a proxy end TLS before it: the token travels along")
        await until_stopped()


def _refuse(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(1)
