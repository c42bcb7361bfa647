"""MCP servers as a user names them: plain values. Nothing is connected here."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import SecretStr

from callbridge.agents.fault import AgentFault
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.tools.tool import Manner
from callbridge.wire.realtime_commands import McpTool

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from callbridge.agents.context import Call

Chosen: TypeAlias = "Collection[str] | Callable[[str], bool] | None"
"""Which tools of a server: their names, or what says of a name whether it is one of them; None for all."""

Named: TypeAlias = Collection[str] | bool
"""Tools by the server's names for them; True for all."""

Approve: TypeAlias = Callable[[str, dict[str, Any], "Call[Any]"], "bool | Awaitable[bool]"]
"""Says whether a tool may be run: its name, its arguments, the call."""

_LABEL: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,48}", re.ASCII)
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{0,24}", re.ASCII)

_SECRET_MIN: Final = 8
"""Characters. What is shorter keeps nobody out, and stands in ordinary words."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program on this machine that is a server: it is spoken with over its standard input and output."""

    program: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, SecretStr], ...]
    folder: str | None

    def __str__(self) -> str:
        return PurePath(self.program).name  # Arguments may have secrets in them.


@dataclass(frozen=True, slots=True)
class Address:
    """A server in the network, spoken with by streamable HTTP."""

    url: str
    headers: tuple[tuple[str, SecretStr], ...]

    def __str__(self) -> str:
        return _shown(self.url)


class McpServer:
    """An MCP server whose tools an agent has: `Agent(mcp_servers=[McpServer.http("https://…/mcp")])`.

    Made by `of_the_model`, it is the model's side that connects to it and runs its tools.

    Made by `stdio` and `http`: callbridge keeps one connection with it for as long as the process serves,
    shared by all calls, and opens it again when it is lost. A call has the tools that the server has at the
    moment: where they change, its session does at the next moment in which nobody speaks.
    """

    __slots__ = ()

    name: str

    @staticmethod
    def stdio(
        command: str,
        *,
        args: Iterable[str] = (),
        env: Mapping[str, str | SecretStr] | None = None,
        cwd: str | None = None,
        name: str = "",
        tools: Chosen = None,
        prefix: str = "",
        confirm: Named = (),
        irreversible: Named = (),
        timeout_s: float | None = None,
        while_running: str = "",
        waiting_sound: bool = False,
    ) -> McpServer:
        """A program that is started with the service, and ends with it.

        It gets `PATH`, `HOME`, `USER` and the like of the service's environment, and nothing else: no key of
        yours, unless `env` has it.

        Args:
            command: the program.
            args: its arguments.
            env: what it finds in its environment.
            cwd: the folder that it runs in; by default that of the service.
            name: known to logs and records; by default that of the program.
            tools: which of its tools the model has: names, or a function of a name. By default all.
            prefix: stands before the names of its tools, so that they differ from others: `stock_`.
            confirm: tools, by the server's names, that run only once the caller was asked; True for all.
            irreversible: tools that must not happen twice, likewise.
            timeout_s: seconds that each may take, at most 12; by default what the agent's tools have.
            while_running: what the agent says when one takes longer than a second.
            waiting_sound: whether the caller then hears a soft sound.

        Raises:
            AgentFault: something of this cannot be so, or the `mcp` package is not installed.
        """
        if not command:
            raise AgentFault("McpServer.stdio: name the program that is the server")
        manner = Manner(timeout_s=timeout_s, while_running=while_running, has_waiting_sound=waiting_sound)
        return OurServer(
            name or _fit(PurePath(command).name),
            Command(command, tuple(args), _secret(env or {}), cwd),
            Handling.of(tools, prefix, confirm, irreversible, manner),
        )

    @staticmethod
    def http(
        url: str,
        *,
        headers: Mapping[str, str | SecretStr] | None = None,
        name: str = "",
        tools: Chosen = None,
        prefix: str = "",
        confirm: Named = (),
        irreversible: Named = (),
        timeout_s: float | None = None,
        while_running: str = "",
        waiting_sound: bool = False,
    ) -> McpServer:
        """A server in the network, by streamable HTTP.

        Args:
            url: its address, `https://tools.example.com/mcp`.
            headers: sent with every request, `{"Authorization": SecretStr(…)}` for example. No log, record or
                page shows their values.
            name: known to logs and records; by default that of its host.
            tools: which of its tools the model has: names, or a function of a name. By default all.
            prefix: stands before the names of its tools, so that they differ from others: `stock_`.
            confirm: tools, by the server's names, that run only once the caller was asked; True for all.
            irreversible: tools that must not happen twice, likewise.
            timeout_s: seconds that each may take, at most 12; by default what the agent's tools have.
            while_running: what the agent says when one takes longer than a second.
            waiting_sound: whether the caller then hears a soft sound.

        Raises:
            AgentFault: something of this cannot be so, or the `mcp` package is not installed.
        """
        host = checked_url(url, "McpServer.http")
        manner = Manner(timeout_s=timeout_s, while_running=while_running, has_waiting_sound=waiting_sound)
        return OurServer(
            name or _fit(host),
            Address(url, _secret(headers or {})),
            Handling.of(tools, prefix, confirm, irreversible, manner),
        )

    @staticmethod
    def of_the_model(
        label: str,
        *,
        url: str,
        authorization: str | SecretStr | None = None,
        headers: Mapping[str, str | SecretStr] | None = None,
        description: str = "",
        allowed_tools: Iterable[str] | None = None,
        require_approval: Literal["never", "always"] | Approve = "never",
    ) -> McpServer:
        """A server that the model's side connects to, and whose tools it runs by itself.

        OpenAI must be able to reach it. Nothing that it does passes through here: no bound of callbridge
        stops a tool of it, and what must not happen twice does not belong there.

        Args:
            label: what the model calls the server.
            url: its address, by https.
            authorization: an access token, which OpenAI shows to the server.
            headers: sent with every request, likewise.
            description: what it is for.
            allowed_tools: those that the model may use; by default all.
            require_approval: `never`: each runs at once. `always`: only once the caller was asked and has
                answered. A function gets the name of the tool, its arguments and the call, answers True where
                it may be run, has 3 s, and may raise `ToolRefused` with words for the model.

        Raises:
            AgentFault: something of this cannot be so.
        """
        checked_url(url, "McpServer.of_the_model")
        if not url.startswith("https://"):
            raise AgentFault(f"MCP server {label}: OpenAI reaches it by https://")
        return ModelsServer(
            label,
            url,
            description,
            None if authorization is None else _secret({"": authorization})[0][1],
            _secret(headers or {}),
            None if allowed_tools is None else tuple(allowed_tools),
            require_approval,
        )


@dataclass(frozen=True, slots=True, repr=False)
class ModelsServer(McpServer):
    """One that the model's side connects to."""

    name: str
    url: str
    description: str
    authorization: SecretStr | None
    headers: tuple[tuple[str, SecretStr], ...]
    allowed: tuple[str, ...] | None
    approval: Literal["never", "always"] | Approve

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.name):
            raise AgentFault(
                f"MCP server {self.name!r}: a label has at most 40 letters a to z, digits, _ and -, and "
                "begins with a letter"
            )
        if not callable(self.approval) and self.approval not in {"never", "always"}:
            raise AgentFault(f"MCP server {self.name}: require_approval is never, always or a function")

    @property
    def tool(self) -> McpTool:
        """As the session has it."""
        headers = {name: value.get_secret_value() for name, value in self.headers}
        return McpTool(
            self.name,
            self.url,
            "never" if self.approval == "never" else "always",
            self.description or None,
            self.allowed,
            None if self.authorization is None else self.authorization.get_secret_value(),
            headers or None,
        )

    @property
    def shown_url(self) -> str:
        """Its address, without what nobody may see."""
        return _shown(self.url)

    def __repr__(self) -> str:
        return f"<McpServer {self.name}, run by the model's side: {self.shown_url}>"


@dataclass(frozen=True, slots=True)
class Handling:
    """Which tools of a server an agent has, what they are called, and how each is run: wherever it is."""

    tools: frozenset[str] | Callable[[str], bool] | None
    prefix: str
    confirmed: frozenset[str] | bool
    irreversible: frozenset[str] | bool
    manner: Manner
    """Of all of them, but for what is said of each by its name."""

    @classmethod
    def of(cls, tools: Chosen, prefix: str, confirm: Named, irreversible: Named, manner: Manner) -> Handling:
        """As users write it."""
        chosen = tools if tools is None or callable(tools) else frozenset(tools)
        return cls(chosen, prefix, _named(confirm), _named(irreversible), manner)

    def check(self, server: str) -> None:
        """Whether it can be so.

        Raises:
            AgentFault: it cannot.
        """
        if not _PREFIX.fullmatch(self.prefix):
            raise AgentFault(
                f"MCP server {server}, prefix={self.prefix!r}: at most 24 letters a to z, digits, _ and -"
            )
        if isinstance(self.tools, frozenset) and (unknown := sorted(self.named - self.tools)):
            raise AgentFault(
                f"MCP server {server}: {unknown[0]} stands in confirm= or irreversible=, and not in tools="
            )
        try:
            self.manner.checked(f"of MCP server {server}")
        except ToolError as error:
            raise AgentFault(str(error)) from error

    def has(self, tool: str) -> bool:
        """Whether the agent has this tool of it, by the server's name for it."""
        if self.tools is None:
            return True
        return self.tools(tool) if callable(self.tools) else tool in self.tools

    @property
    def named(self) -> frozenset[str]:
        """Tools that the agent's author has named, by the server's names: each is meant to be there."""
        given = (self.tools, self.confirmed, self.irreversible)
        return frozenset[str]().union(*(names for names in given if isinstance(names, frozenset)))

    def manner_of(self, tool: str) -> Manner:
        """How this tool of it is run."""
        return replace(
            self.manner,
            is_confirmed=_is_in(tool, self.confirmed),
            is_irreversible=_is_in(tool, self.irreversible),
        )


@dataclass(frozen=True, slots=True, repr=False)
class OurServer(McpServer):
    """One that we connect to. Two that are alike are one: they share a connection."""

    name: str
    place: Command | Address
    handling: Handling

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise AgentFault(
                f"MCP server {self.name!r}: a name has at most 48 letters a to z, digits, _, . and -"
            )
        self.handling.check(self.name)
        if find_spec("mcp") is None:
            raise AgentFault(f"MCP server {self.name} needs the mcp package: pip install 'callbridge[mcp]'")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What it was told in confidence, and may print. The longest first: one may contain another."""
        place = self.place
        given = place.environment if isinstance(place, Command) else place.headers
        values = [value.get_secret_value() for _, value in given]
        values += place.arguments if isinstance(place, Command) else [urlsplit(place.url).query]
        parts = {part for value in values for part in (value, value.rpartition(" ")[2])}
        return tuple(sorted((part for part in parts if len(part) >= _SECRET_MIN), key=len, reverse=True))

    def __repr__(self) -> str:
        return f"<McpServer {self.name}: {self.place}>"


def _shown(url: str) -> str:
    """Without its query, which may have a key in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def checked_url(url: str, where: str) -> str:
    """The host of an address.

    Raises:
        AgentFault: it is none that can be asked.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise AgentFault(f"{where}: this is no address ({error})") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise AgentFault(f"{where}: write an address such as https://tools.example.com/mcp")
    if "@" in parts.netloc:
        raise AgentFault(f"{where}: no password stands in an address; give it in a header")
    return host


def _secret(given: Mapping[str, str | SecretStr]) -> tuple[tuple[str, SecretStr], ...]:
    """Whoever prints them finds no value."""
    return tuple(
        (name, value if isinstance(value, SecretStr) else SecretStr(value)) for name, value in given.items()
    )


def _named(given: Named) -> frozenset[str] | bool:
    return given if isinstance(given, bool) else frozenset(given)


def _is_in(tool: str, named: frozenset[str] | bool) -> bool:
    return named if isinstance(named, bool) else tool in named


def _fit(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:48]
