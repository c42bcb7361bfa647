"""What the endpoint answers to one request: a completion, or a refusal as OpenAI words it. Pure.

https://developers.openai.com/api/docs/api-reference/chat/create, /docs/guides/error-codes.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callbridge.simulators.text_model.function_tools import ToolFault, order_faults, tool_faults
from callbridge.simulators.text_model.request_types import type_faults
from callbridge.simulators.text_model.strict_schema import faults_of, least_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PATH: Final = "/v1/chat/completions"

ANY: Final = "*"
"""In place of the name of a schema: whatever is asked for."""

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
_PARAMETERS: Final = frozenset(
    {"model", "messages", "response_format", "max_completion_tokens", "temperature", "top_p", "seed"}
    | {"reasoning_effort", "store", "metadata", "user", "n", "service_tier", "verbosity"}
    | {"tools", "tool_choice", "parallel_tool_calls"}
)


@dataclass(frozen=True, slots=True)
class Says:
    """The model answers with this: JSON, or a text as it is."""

    content: object


@dataclass(frozen=True, slots=True)
class CallsTool:
    """The model calls a tool. One that was not offered is called all the same, as models do."""

    name: str
    arguments: object = field(default_factory=dict)
    """JSON, or a text as it is."""
    content: str | None = None
    """What it says besides."""


@dataclass(frozen=True, slots=True)
class Refuses:
    """The model will not."""

    why: str = "I'm sorry, I can't assist with that request."


@dataclass(frozen=True, slots=True)
class CutOff:
    """The answer was longer than it might be."""

    content: str = '{"summary": "It was a long'


@dataclass(frozen=True, slots=True)
class Filtered:
    """The endpoint's filter has taken the answer."""


@dataclass(frozen=True, slots=True)
class Fails:
    """The endpoint answers with an error."""

    status: int
    code: str = ""
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Babbles:
    """What comes back is no JSON, as of a proxy on the way."""

    body: bytes = b"<html>502 Bad Gateway</html>"


@dataclass(frozen=True, slots=True)
class Hangs:
    """No answer ever comes."""


Reaction: TypeAlias = Says | CallsTool | Refuses | CutOff | Filtered | Fails | Babbles | Hangs


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: Mapping[str, object] | bytes
    headers: tuple[tuple[str, str], ...] = ()


class _Refused(Exception):  # noqa: N818 - it is an answer
    def __init__(self, status: int, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.answer = error_answer(status, code, message, param)


def error_answer(status: int, code: str | None, message: str, param: str | None = None) -> Answer:
    """An error as the endpoint sends it."""
    kind = "insufficient_quota" if code == "insufficient_quota" else "invalid_request_error"
    kind = "server_error" if status >= 500 else kind
    return Answer(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


@dataclass(slots=True)
class TextModel:
    """The endpoint.

    Args:
        models: which there are.
        key: who may ask.
        reactions: what it does, in order, by the name of the schema that is asked for: those under `ANY` are
            for whatever is asked, and the empty name is for requests without a schema. After the last one it
            finds nothing in anything.
    """

    models: frozenset[str] = frozenset({"gpt-5-mini"})
    key: str = "test"
    reactions: dict[str, deque[Reaction]] = field(default_factory=dict)
    taken: list[dict[str, Any]] = field(default_factory=list)
    """The requests that it took, as they came."""

    def will(self, *reactions: Reaction) -> None:
        """What it is to do next."""
        self.will_answer(ANY, *reactions)

    def will_answer(self, schema_name: str, *reactions: Reaction) -> None:
        """What it is to do next when it is asked for this schema, before what it does for any."""
        self.reactions.setdefault(schema_name, deque()).extend(reactions)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """What goes back; nothing when it hangs."""
        try:
            request = self._read(method, path, headers, body)
        except _Refused as refused:
            return refused.answer
        self.taken.append(request)
        reaction = self._next(request)
        match reaction:
            case Hangs():
                return None
            case Babbles(body):
                return Answer(200, body)
            case Fails(status, code, retry_after):
                answer = error_answer(status, code or None, "It was told to fail.")
                return Answer(status, answer.body, (("retry-after", retry_after),) if retry_after else ())
            case _:
                return Answer(200, _completion(request, reaction, len(self.taken)))

    def _next(self, request: dict[str, Any]) -> Reaction:
        wanted = request.get("response_format", {}).get("json_schema", {}).get("name", "")
        for waiting in (self.reactions.get(wanted), self.reactions.get(ANY)):
            if waiting:
                return waiting.popleft()
        try:
            return Says(_nothing_found(request))
        except RecursionError:  # A schema that only something endless fits.
            return CutOff()

    def _read(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        if path != PATH:
            raise _Refused(404, "unknown_url", f"Unknown request URL: {method} {path}.")
        if method != "POST":
            raise _Refused(405, "method_not_supported", f"Not allowed to {method} on {path}.")
        if headers.get("authorization") != f"Bearer {self.key}":
            raise _Refused(401, "invalid_api_key", "Incorrect API key provided.")
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            request = None
        if not isinstance(request, dict) or headers.get("content-type") != "application/json":
            raise _Refused(400, None, "We could not parse the JSON body of your request.")
        self._check(request)
        return request

    def _check(self, request: dict[str, Any]) -> None:
        if unknown := sorted(request.keys() - _PARAMETERS):
            raise _Refused(400, "unknown_parameter", f"Unknown parameter: '{unknown[0]}'.", unknown[0])
        for message, param in type_faults(request):
            raise _Refused(400, "invalid_type", message, param)
        if request.get("model") not in self.models:
            message = f"The model `{request.get('model')}` does not exist or you do not have access to it."
            raise _Refused(404, "model_not_found", message)
        _check_messages(request.get("messages"))
        tokens = request.get("max_completion_tokens", 1)
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
            raise _Refused(400, "integer_below_min_value", "Invalid value.", "max_completion_tokens")
        if "response_format" in request:
            _check_format(request["response_format"])
        _refuse_first(tool_faults(request))
        _refuse_first(order_faults(request["messages"]))


def _refuse_first(faults: Iterator[ToolFault]) -> None:
    if fault := next(faults, None):
        raise _Refused(400, *fault)


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise _Refused(400, "empty_array", "Invalid 'messages': empty array.", "messages")
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise _Refused(400, "invalid_value", f"Invalid value: '{where}.role'.", f"{where}.role")
        if not isinstance(message.get("content"), str) and not _calls_alone(message):
            raise _Refused(400, "invalid_type", f"Invalid type for '{where}.content'.", f"{where}.content")


def _calls_alone(message: dict[str, Any]) -> bool:
    """Whether it is a message of the model that calls tools without a word."""
    return (
        message["role"] == "assistant" and bool(message.get("tool_calls")) and message.get("content") is None
    )


def _check_format(wanted: object) -> None:
    match wanted:
        case {"type": "text"} | {"type": "json_object"}:
            return
        case {"type": "json_schema", "json_schema": {"name": str(name), "schema": schema, "strict": True}}:
            if not _NAME.fullmatch(name):
                at = "response_format.json_schema.name"
                raise _Refused(400, "invalid_value", f"Invalid '{at}': string does not match pattern.", at)
            if fault := next(faults_of(schema), None):
                message = f"Invalid schema for response_format '{name}': {fault}"
                raise _Refused(400, "invalid_json_schema", message, "response_format")
        case _:
            raise _Refused(400, "invalid_type", "Invalid 'response_format'.", "response_format")


def _nothing_found(request: dict[str, Any]) -> object:
    schema = request.get("response_format", {}).get("json_schema", {}).get("schema")
    return "Nothing." if schema is None else least_answer(schema)


def _completion(request: dict[str, Any], reaction: Reaction, number: int) -> dict[str, object]:
    content, refusal, reason = _told(reaction)
    calls = _calls(reaction, number)
    read = _tokens(message.get("content") or "" for message in request["messages"])
    wrote = _tokens([content or refusal or "", *(call["function"]["arguments"] for call in calls)])
    return {
        "id": f"chatcmpl-{number:024}",
        "object": "chat.completion",
        "created": 1_790_000_000 + number,
        "model": f"{request['model']}-2026-06-01",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": content,
                    "refusal": refusal,
                    "annotations": [],
                    **({"tool_calls": calls} if calls else {}),
                },
                "logprobs": None,
                "finish_reason": reason,
            }
        ],
        "usage": {
            "prompt_tokens": read,
            "completion_tokens": wrote,
            "total_tokens": read + wrote,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _told(reaction: Reaction) -> tuple[str | None, str | None, str]:
    match reaction:
        case Says(str(text)):
            return text, None, "stop"
        case Says(content):
            return json.dumps(content, ensure_ascii=False), None, "stop"
        case Refuses(why):
            return None, why, "stop"
        case CutOff(content):
            return content, None, "length"
        case CallsTool(content=content):
            return content, None, "tool_calls"
        case _:
            return None, None, "content_filter"


def _calls(reaction: Reaction, number: int) -> list[dict[str, Any]]:
    if not isinstance(reaction, CallsTool):
        return []
    given = reaction.arguments
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    function = {"name": reaction.name, "arguments": arguments}
    return [{"id": f"call_{number:024}", "type": "function", "function": function}]


def _tokens(texts: Iterable[str]) -> int:
    """About as many as a tokenizer makes of English."""
    return sum(len(text) // 4 + 1 for text in texts)
