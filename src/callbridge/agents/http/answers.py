"""What the model is told of an answer: all of it, or the parts that were asked for, without secrets."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import jmespath  # type: ignore[import-untyped]  # It ships no types.
from jmespath.exceptions import JMESPathError, JMESPathTypeError  # type: ignore[import-untyped]  # So here.
from jmespath.functions import Functions  # type: ignore[import-untyped]  # And here.

from callbridge.agents.tools.tool import failure, refuse_odd_json, success
from callbridge.call.outcomes import ToolOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.agents.http.secrets import Secrets
    from callbridge.agents.tools.tool import ToolResult

IN_DOUBT: Final = (
    ". What was asked may have been done all the same: do not say that it failed, and do not call the tool "
    "again for it"
)
"""What is told beside an answer that leaves that open."""

_DOUBTFUL: Final = frozenset({408, 500, 502, 504})
"""What a service answers that gave up halfway, and what stands before it where it never answered."""

READ_BYTES_MAX: Final = 64 * 1024
"""So much of an answer is read. The model is told 8 KiB of it at most (`OUTPUT_BYTES_MAX`)."""

_WORDS_MAX: Final = 400
"""Characters of an error's own words: enough to say what is wrong with which field."""

Wanted: TypeAlias = "Literal['whole', 'nothing'] | Mapping[str, Path]"
"""What of an answer is told."""


class PathFault(ValueError):  # noqa: N818  # Said of what somebody wrote down.
    """This is no JMESPath expression. The text says where it breaks off."""


class Path:
    """A JMESPath expression: `data.slots[*].start`.

    The language: https://jmespath.org/specification.html

    Raises:
        PathFault: it cannot be read.
    """

    def __init__(self, text: str) -> None:
        try:
            self._compiled: Any = jmespath.compile(text)
            _call_functions(self._compiled.parsed)
        except JMESPathError as error:
            raise PathFault(" ".join(str(error).split())) from error

    def find(self, value: Any) -> Any:
        """What it finds in `value`; None where that is not there.

        Raises:
            ValueError: `value` is of another shape than it takes.
        """
        return self._compiled.search(value)


def _call_functions(node: Any) -> None:
    """Calls each function of an expression with as many values as it has: jmespath looks for it only then.

    Raises:
        JMESPathError: there is no such function, or it takes more or fewer.
    """
    if node["type"] == "function_expression":
        with contextlib.suppress(JMESPathTypeError):  # It is there. What it takes is seen when it has that.
            Functions().call_function(node["value"], [None] * len(node["children"]))
    for child in node["children"]:
        if isinstance(child, dict):
            _call_functions(child)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back."""

    status: int
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)
    is_whole: bool = True
    """Whether that is all of the body."""
    is_encoded: bool = False
    """Whether it is compressed, which was not asked for."""
    retry_after: str = ""
    """When the service wants to be asked again, as it says so."""


def told_of(answer: HttpAnswer, wanted: Wanted, secrets: Secrets, *, is_safe: bool) -> ToolResult:
    """What the model is told.

    Args:
        answer: what came back.
        wanted: what of it is told.
        secrets: what is never told.
        is_safe: nothing is done by the request. What another one has done is done, even where the answer to
            it cannot be read.
    """
    if not 200 <= answer.status < 300:
        if is_safe or answer.status not in _DOUBTFUL:
            return failure(_why(answer, secrets))
        return failure(_why(answer, secrets) + IN_DOUBT, ToolOutcome.TIMED_OUT)
    told = _told_of_answer(answer, wanted, secrets)
    if is_safe or told.outcome.is_answer:
        return told
    return success({"status": "done", "answer": json.loads(told.output)["error"]})


def _told_of_answer(answer: HttpAnswer, wanted: Wanted, secrets: Secrets) -> ToolResult:
    if wanted == "nothing" or (not answer.body and wanted == "whole"):
        return success({"status": "done"})
    if not answer.is_whole:
        return failure(f"the service answered with more than {READ_BYTES_MAX // 1024} KiB; ask for less")
    if answer.is_encoded:
        return failure("the service answered with compressed data, which cannot be read")
    return _told_of_body(answer, wanted, secrets)


def _told_of_body(answer: HttpAnswer, wanted: Wanted, secrets: Secrets) -> ToolResult:
    kind, charset = _kind_of(answer)
    if wanted == "whole" and kind.startswith("text/"):
        return success(secrets.hide(_text(answer.body, charset)))
    try:
        text = answer.body.decode("utf-8-sig")
        refuse_odd_json(text)
        value = secrets.hide(json.loads(text))
        if wanted != "whole":
            assert not isinstance(wanted, str), "it is a mapping"
            value = {name: path.find(value) for name, path in wanted.items()}
    except (ValueError, RecursionError):
        return failure("the service's answer is not the JSON that was expected")
    return success(value)


def _why(answer: HttpAnswer, secrets: Secrets) -> str:
    """What is told of an answer that is none."""
    if 300 <= answer.status < 400:
        return f"the service answered with a redirect ({answer.status}), which is not followed"
    phrase = HTTPStatus(answer.status).phrase if answer.status in list(HTTPStatus) else ""
    why = f"the service answered {f'{answer.status} {phrase}'.strip()}"
    kind, charset = _kind_of(answer)
    if answer.is_encoded or not (kind.startswith("text/plain") or kind.endswith("json")):
        return why  # A page for a browser has nothing for the model.
    words = " ".join(str(secrets.hide(_text(answer.body, charset))).split())
    return f"{why}: {words[:_WORDS_MAX]}" if words else why


def _kind_of(answer: HttpAnswer) -> tuple[str, str]:
    message = Message()
    message["Content-Type"] = answer.content_type or "application/json"
    return message.get_content_type(), message.get_content_charset() or "utf-8"


def _text(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")
