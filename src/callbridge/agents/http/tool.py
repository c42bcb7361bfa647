"""A tool of the model's that is an HTTP request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog

from callbridge.agents.http.answers import IN_DOUBT, told_of
from callbridge.agents.http.parameters import schema_of
from callbridge.agents.http.sending import NotAnswered, NotSent
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import failure
from callbridge.call.outcomes import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.agents.context import Call
    from callbridge.agents.http.answers import Wanted
    from callbridge.agents.http.recipe import Recipe, Request
    from callbridge.agents.http.secrets import Secrets
    from callbridge.agents.http.sending import Sender
    from callbridge.agents.tools.tool import Manner, ToolResult

TIMEOUT_S: Final = 8.0
"""What a tool has that does not say it. The caller waits, and the longest that one may have is 12 s."""

LATER_TIMEOUT_S: Final = 60.0
"""The same of one that answers later."""

_SPARE: Final = 0.1
_SPARE_S_MAX: Final = 0.5
"""What is left of a tool's time for its answer to be told: a request ends before its tool is stopped."""


class HttpTool:
    """What such a tool does.

    Args:
        name: what the model calls it.
        recipe: how its requests are made.
        wanted: what of an answer is told.
        sender: sends them.
        secrets: what is never told.
        timeout_s: what each has, its answer included.
    """

    def __init__(
        self,
        name: str,
        recipe: Recipe,
        wanted: Wanted,
        sender: Sender,
        secrets: Secrets,
        timeout_s: float,
    ) -> None:
        self._name, self._recipe, self._wanted = name, recipe, wanted
        self._sender, self._secrets = sender, secrets
        self._limit_s = timeout_s - min(timeout_s * _SPARE, _SPARE_S_MAX)

    async def answer(
        self, arguments: dict[str, Any], call: Call[Any], body: Sequence[tuple[str, Any]] = ()
    ) -> ToolResult:
        """Asks the service; whatever goes wrong is told.

        Args:
            arguments: as the model wrote them.
            call: the call that the tool serves.
            body: what is sent beside them, by the names that the service has for it.

        Raises:
            ToolRefused: there can be no request with these arguments.
        """
        request = self._recipe.request_for(arguments, call, body)
        log = structlog.get_logger().bind(tool=self._name, host=request.origin.host)
        try:
            answer = await self._sender.send(request, self._limit_s)
        except NotSent as error:
            log.warning("http_tool_failed", reason=str(error), cause=str(error.__cause__))
            return failure(f"{error}; nothing was done")
        except NotAnswered as error:
            log.warning("http_tool_failed", reason=str(error))
            return _unanswered(error, request)
        if answer.status >= 300:
            log.warning("http_tool_failed", status=answer.status)
        return told_of(answer, self._wanted, self._secrets, is_safe=request.is_safe)


def _unanswered(error: NotAnswered, request: Request) -> ToolResult:
    if not request.is_safe:
        return failure(f"{error}{IN_DOUBT}", ToolOutcome.TIMED_OUT)
    is_late = isinstance(error.__cause__, TimeoutError)
    return failure(str(error), ToolOutcome.TIMED_OUT if is_late else ToolOutcome.FAILED)


def http_tool(
    name: str,
    description: str,
    recipe: Recipe,
    *,
    wanted: Wanted = "whole",
    manner: Manner,
    sender: Sender,
    secrets: Secrets,
) -> GivenTool:
    """A tool of the model's that is an HTTP request.

    Raises:
        ToolError: the model would refuse it, or it cannot be run so.
    """
    timeout_s = manner.timeout_s or (LATER_TIMEOUT_S if manner.is_later else TIMEOUT_S)
    tool = HttpTool(name, recipe, wanted, sender, secrets, timeout_s)
    schema = schema_of(recipe.parameters)
    manner = replace(manner, timeout_s=timeout_s)
    return GivenTool(name, description, schema, tool.answer, manner, judge=recipe.request_for)
