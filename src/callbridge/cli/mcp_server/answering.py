"""Speaks the protocol: tools and resources, answered one question in a thread each. With the `mcp` package.

A question has a bound in time, and there is one in how many are answered at once. Each is logged: what was
asked by whom, and no word of what was told.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal

import mcp_types as protocol
import msgspec
import structlog
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from callbridge.agents.tools.threads import Threads, ThreadsBusy
from callbridge.cli.control_client import ServiceError
from callbridge.cli.mcp_server.asked import OneCall
from callbridge.cli.mcp_server.told import ANSWER_BYTES_MAX, NOTE
from callbridge.cli.mcp_server.tools import TRANSCRIPT, RefusedError, asked_of, object_schema
from callbridge.observe.redaction import escaped
from callbridge.records.errors import RecordsError
from callbridge.server.process.own_threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mcp.server.context import ServerRequestContext

    from callbridge.cli.mcp_server.asked import Asked
    from callbridge.cli.mcp_server.phone import Phone
    from callbridge.cli.mcp_server.told import Told
    from callbridge.cli.mcp_server.tools import PhoneTool

ANSWER_WITHIN_S: Final = 10.0
AT_ONCE_MAX: Final = 4
"""Questions that are answered at the same time. One that hangs in a database keeps its place till it ends."""

QUESTIONS_MAX: Final = 200
WITHIN_S: Final = 10.0
"""More than 20 questions a second, for ten seconds, are nothing that anybody reads, and each is a look into
the service's database."""

WHO_CHARACTERS_MAX: Final = 80

OUR_FAULT: Final = "This is a fault of callbridge. Its log says more."

CALL_URI: Final = "call://"
"""Before a CallSid: a call as a resource."""

INSTRUCTIONS: Final = (
    "These tools are about telephone calls, which callbridge answers with a voice agent. "
    "Begin with list_calls. "
    f"{NOTE.replace('What follows', 'What tools tell of calls')}"
)
WITHOUT_WORDS: Final = (
    " What was said in calls is not told here: whoever has set this up can allow it, with --words."
)

_JSON: Final = "application/json"

_log = structlog.get_logger()


def phone_server(
    phone: Phone, tools: Mapping[str, PhoneTool], by: Literal["stdio", "http"]
) -> Server[dict[str, Any]]:
    """A server of the protocol with these tools.

    Args:
        phone: what they ask.
        tools: by their names.
        by: how it is reached, for the log.
    """
    answering = Answering(phone, tools, by)
    return Server(
        "callbridge",
        version=version("callbridge"),
        title="callbridge: the phone",
        instructions=INSTRUCTIONS if TRANSCRIPT in tools else INSTRUCTIONS + WITHOUT_WORDS,
        on_list_tools=answering.list_tools,
        on_call_tool=answering.call_tool,
        on_list_resources=answering.list_resources,
        on_list_resource_templates=answering.list_templates,
        on_read_resource=answering.read_resource,
    )


async def serve_stdio(server: Server[dict[str, Any]]) -> None:
    """Answers who started this process, until they close its input."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


@dataclass(slots=True)
class Answering:
    """The handlers of one server."""

    phone: Phone
    tools: Mapping[str, PhoneTool]
    by: Literal["stdio", "http"]
    _threads: Threads = field(default_factory=lambda: Threads(AT_ONCE_MAX))
    _since: float = -math.inf
    _asked: int = 0
    """Questions since then."""

    async def list_tools(
        self, _ctx: ServerRequestContext, _params: protocol.PaginatedRequestParams | None
    ) -> protocol.ListToolsResult:
        """All that there are."""
        return protocol.ListToolsResult(tools=[_shown(tool) for tool in self.tools.values()])

    async def call_tool(
        self, ctx: ServerRequestContext, params: protocol.CallToolRequestParams
    ) -> protocol.CallToolResult:
        """Answers one question; what is wrong with it is told the model, which may ask a better one."""
        tool = self.tools.get(params.name)
        if tool is None:
            self._log(ctx, _cut(params.name), outcome="no such tool")
            raise MCPError(protocol.INVALID_PARAMS, f"There is no tool {_cut(params.name)}.")
        try:
            told = await self._told(ctx, tool, params.arguments or {})
        except RefusedError as refusal:
            text = protocol.TextContent(type="text", text=escaped(str(refusal)))
            return protocol.CallToolResult(content=[text], is_error=True)
        return protocol.CallToolResult(
            content=[protocol.TextContent(type="text", text=told.text)],
            structured_content=told.data,
        )

    async def list_resources(
        self, ctx: ServerRequestContext, _params: protocol.PaginatedRequestParams | None
    ) -> protocol.ListResourcesResult:
        """The latest calls."""
        told = await self._resource(ctx, "list_calls", {})
        return protocol.ListResourcesResult(
            resources=[
                protocol.Resource(
                    uri=f"{CALL_URI}{call['call_sid']}",
                    name=call["call_sid"],
                    description=f"A call of {call['began']}, without its words.",
                    mime_type=_JSON,
                )
                for call in told.data["calls"]
            ]
        )

    async def list_templates(
        self, _ctx: ServerRequestContext, _params: protocol.PaginatedRequestParams | None
    ) -> protocol.ListResourceTemplatesResult:
        """How the address of a call is made."""
        template = protocol.ResourceTemplate(
            uri_template=f"{CALL_URI}{{call_sid}}",
            name="call",
            description="A call by its CallSid, without its words.",
            mime_type=_JSON,
        )
        return protocol.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(
        self, ctx: ServerRequestContext, params: protocol.ReadResourceRequestParams
    ) -> protocol.ReadResourceResult:
        """A call, as `read_call` tells its first page."""
        call_sid = str(params.uri).removeprefix(CALL_URI)
        told = await self._resource(ctx, "read_call", {"call_sid": call_sid})
        text = msgspec.json.encode(told).decode()
        contents = protocol.TextResourceContents(uri=str(params.uri), mime_type=_JSON, text=text)
        return protocol.ReadResourceResult(contents=[contents])

    async def _resource(self, ctx: ServerRequestContext, name: str, arguments: dict[str, Any]) -> Told:
        """What a tool tells, for who asks without one."""
        try:
            return await self._told(ctx, self.tools[name], arguments)
        except RefusedError as refusal:
            raise MCPError(protocol.INVALID_PARAMS, escaped(str(refusal))) from None

    async def _told(self, ctx: ServerRequestContext, tool: PhoneTool, arguments: dict[str, Any]) -> Told:
        """What there is to tell.

        Raises:
            RefusedError: nothing; says why.
        """
        began, call_sid, outcome = time.monotonic(), "", "failed"
        self._refuse_haste(began)
        try:
            asked = asked_of(tool, arguments)
            call_sid = asked.call_sid if isinstance(asked, OneCall) else ""
            told = _bounded(await self._found(tool, asked))
        except RefusedError:
            outcome = "refused"
            raise
        except Exception:  # noqa: BLE001 - it is logged, and nobody outside is told of our insides
            _log.exception("assistant_failed", tool=tool.name)
            raise MCPError(protocol.INTERNAL_ERROR, OUR_FAULT) from None
        else:
            outcome = "answered"
            return told
        finally:
            took_ms = round((time.monotonic() - began) * 1000)
            self._log(ctx, tool.name, outcome=outcome, call_sid=call_sid, took_ms=took_ms)

    def _refuse_haste(self, now: float) -> None:
        """One line of the log tells of all that is too much."""
        if now - self._since > WITHIN_S:
            self._since, self._asked = now, 0
        self._asked += 1
        if self._asked <= QUESTIONS_MAX:
            return
        if self._asked == QUESTIONS_MAX + 1:
            _log.warning("assistant_asks_too_often", by=self.by, questions=QUESTIONS_MAX, within_s=WITHIN_S)
        raise RefusedError(f"More than {QUESTIONS_MAX} questions in {WITHIN_S:g} s are too many: ask later.")

    async def _found(self, tool: PhoneTool, asked: Asked) -> Told:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await in_thread(
                    self._threads, lambda: tool.run(self.phone, asked), f"assistant {tool.name}"
                )
        except (RecordsError, ServiceError) as error:
            raise RefusedError(str(error)) from error
        except ThreadsBusy:
            raise RefusedError(
                f"{AT_ONCE_MAX} questions are being answered: ask this one again in a moment."
            ) from None
        except TimeoutError:
            doubt = (
                "Whether it was done is not known: look before you ask again." if tool.acts else "Ask later."
            )
            raise RefusedError(f"There was no answer within {ANSWER_WITHIN_S:g} s. {doubt}") from None

    def _log(self, ctx: ServerRequestContext, tool: str, **told: object) -> None:
        _log.info("assistant_asked", tool=tool, assistant=_who(ctx), by=self.by, **told)


def _bounded(told: Told) -> Told:
    if len(msgspec.json.encode(told)) > ANSWER_BYTES_MAX:
        raise RefusedError(f"The answer has more than {ANSWER_BYTES_MAX // 1024} KiB: ask for less at once.")
    return told


def _shown(tool: PhoneTool) -> protocol.Tool:
    return protocol.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=object_schema(tool.asks),
        output_schema=object_schema(tool.tells),
        annotations=protocol.ToolAnnotations(
            title=tool.title,
            read_only_hint=not tool.acts,
            destructive_hint=tool.is_destructive,
            idempotent_hint=not tool.acts,
            # What callers said is in it: nobody of ours has written that.
            open_world_hint=True,
        ),
    )


def _who(ctx: ServerRequestContext) -> str:
    """Who asks, as they call themselves: for the log, which trusts nobody's name."""
    params = ctx.session.client_params
    if params is not None:
        return _cut(f"{params.client_info.name} {params.client_info.version}")
    headers = getattr(ctx.request, "headers", {})
    return _cut(headers.get("user-agent", "unknown"))


def _cut(text: str) -> str:
    return escaped(text[:WHO_CHARACTERS_MAX])
