"""The tables of an agent's file that say which MCP servers it has."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from callbridge.agents.written.tables import Words, Written

ServerName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,48}$")]
"""What logs and records call a server."""

ServerLabel: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]
"""What the model calls a server."""

VariableName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
"""A name in the environment of a program."""


class _Ours(Written):
    """One that callbridge connects to."""

    name: ServerName | None = None
    """What logs and records call it. Without it, the name of its host or program."""
    tools: list[Words] | None = None
    """Which of its tools the model has, by the server's names. Without it, all."""
    prefix: str = ""
    """Stands before the names of its tools, so that they differ from others: `stock_`."""
    confirm: list[Words] | bool = Field(default_factory=list)
    """Tools that run only once the caller was asked about exactly this, and has answered; `true` for all."""
    irreversible: list[Words] | bool = Field(default_factory=list)
    """Tools that must not happen twice; `true` for all."""
    timeout_s: Annotated[float, Field(gt=0, le=12)] | None = None
    """Seconds that each of its tools may take."""
    while_running: str = ""
    """What the agent says, exactly, when one takes longer than a second."""
    waiting_sound: bool = False
    """Whether the caller then hears a soft sound, for as long as it runs."""


class WrittenProgram(_Ours):
    """An MCP server that is a program on this machine: it is started with the service, and ends with it."""

    type: Literal["stdio"]
    command: Words
    """The program."""
    args: list[str] = Field(default_factory=list)
    """Its arguments. Everybody on this machine may see them: no secret stands there."""
    env: dict[VariableName, str] = Field(default_factory=dict)
    """What it finds in its environment. Secrets stand here by their names in that of the service:
    `TILL_KEY = "${TILL_KEY}"`."""
    cwd: Words | None = None
    """The folder that it runs in. Without it, that of the service."""


class WrittenAddress(_Ours):
    """An MCP server in the network, by streamable HTTP."""

    type: Literal["http"]
    url: Words
    """Its address, `https://tools.example.com/mcp`. It need not stand in `allow`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers. Secrets stand here by their names in the environment:
    `Authorization = "Bearer ${ORDERS_KEY}"`."""


class WrittenOfTheModel(Written):
    """An MCP server that the model's side connects to, and whose tools it runs by itself."""

    type: Literal["of_the_model"]
    label: ServerLabel
    """What the model calls it."""
    url: Words
    """Its address, by https: OpenAI must be able to reach it."""
    authorization: Words | None = None
    """An access token, which OpenAI shows to the server, by its name in the environment:
    `"${ORDERS_TOKEN}"`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request, likewise."""
    description: str = ""
    """What it is for, for the model."""
    allowed_tools: list[Words] | None = None
    """Those that the model may use. Without it, all."""
    require_approval: Literal["never", "always"] = "never"
    """`always`: a tool runs only once the caller was asked, and has answered. `never`: each runs at once."""


WrittenServer: TypeAlias = Annotated[
    WrittenProgram | WrittenAddress | WrittenOfTheModel, Field(discriminator="type")
]
