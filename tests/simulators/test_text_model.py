"""The text model answers as OpenAI's types say, and refuses what OpenAI refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from callbridge.simulators.text_model import CallsTool, CutOff, Filtered, Refuses, Says, TextModel
from callbridge.simulators.text_model.completions import PATH

HEADERS = {"authorization": "Bearer test", "content-type": "application/json"}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "book", "parameters": {"type": "object"}}}
CALLED: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "book", "arguments": "{}"}}],
}
RESULT: dict[str, Any] = {"role": "tool", "tool_call_id": "call_1", "content": "done"}
CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def wants(schema: object = CLOSED, **more: Any) -> dict[str, Any]:
    asked = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema, "strict": True}}
    return {
        "model": "gpt-5-mini",
        "messages": [{"role": "user", "content": "Look."}],
        "response_format": asked,
        **more,
    }


def answer(request: object, model: TextModel | None = None, **headers: str) -> tuple[int, Any]:
    model = model or TextModel()
    said = model.answer("POST", PATH, HEADERS | headers, json.dumps(request).encode())
    assert said is not None
    return said.status, said.body


@pytest.mark.parametrize(
    "reaction",
    [Says({"a": "b"}), Says("text"), CallsTool("book"), Refuses(), CutOff(), Filtered()],
)
def test_every_completion_is_as_the_vendor_types_it(reaction: Any) -> None:
    model = TextModel()
    model.will(reaction)
    status, body = answer(wants(), model)
    assert status == 200
    assert ChatCompletion.model_validate(body, strict=True).model_extra == {}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (wants() | {"max_tokens": 5}, 400, "unknown_parameter"),
        (wants(model="gpt-0"), 404, "model_not_found"),
        (wants(messages=[]), 400, "empty_array"),
        (wants(messages=[{"role": "boss", "content": "x"}]), 400, "invalid_value"),
        (wants(max_completion_tokens=0), 400, "integer_below_min_value"),
        (wants(CLOSED | {"additionalProperties": True}), 400, "invalid_json_schema"),
        (wants(CLOSED | {"required": []}), 400, "invalid_json_schema"),
        (wants(CLOSED | {"default": {}}), 400, "invalid_json_schema"),
        (wants({"type": "array", "items": CLOSED}), 400, "invalid_json_schema"),
        ("no object", 400, None),
        (wants(tools=[]), 400, "empty_array"),
        (wants(tools=[TOOL] * 129), 400, "array_above_max_length"),
        (wants(tools=[{"type": "function", "name": "book"}]), 400, "invalid_value"),
        (wants(tools=[{"type": "function", "function": {"name": "my book"}}]), 400, "invalid_value"),
        (
            wants(tools=[{"type": "function", "function": {"name": "book", "parameters": {}}}]),
            400,
            "invalid_function_parameters",
        ),
        (wants(tool_choice="auto"), 400, None),
        (wants(tools=[TOOL], messages=[CALLED]), 400, None),
        (wants(tools=[TOOL], messages=[RESULT]), 400, None),
        (wants(tools=[TOOL], messages=[CALLED, {"role": "user", "content": "x"}, RESULT]), 400, None),
        (wants(tools=[TOOL], messages=[{"role": "user", "content": None}]), 400, "invalid_type"),
    ],
)
def test_what_openai_refuses_is_refused(request_: object, status: int, code: str | None) -> None:
    found, body = answer(request_)
    assert (found, body["error"]["code"]) == (status, code)


def test_a_wrong_key_is_refused() -> None:
    assert answer(wants(), authorization="Bearer other")[0] == 401


def test_a_call_and_its_result_are_taken_together() -> None:
    assert answer(wants(tools=[TOOL], messages=[CALLED, RESULT]))[0] == 200


def test_reactions_to_one_schema_go_before_those_to_any() -> None:
    model = TextModel()
    model.will(Says("for any"))
    model.will_answer("it", Says({"a": "first"}))
    said = [answer(wants(), model)[1]["choices"][0]["message"]["content"] for _ in range(2)]
    assert said == ['{"a": "first"}', "for any"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": []},
        {"messages": [{"role": [], "content": "Look."}]},
        {"messages": [{**CALLED, "tool_calls": -1}]},
        {"messages": [{**CALLED, "tool_calls": [{}]}]},
        {"tools": [TOOL], "tool_choice": []},
        {"tools": [TOOL], "tool_choice": {"type": "function"}},
        {"response_format": {"type": "json_schema", "json_schema": None}},
        wants({**CLOSED, "properties": None}),
        wants({**CLOSED, "required": None}),
        wants({**CLOSED, "properties": {"a": {"type": "array", "items": CLOSED, "minItems": None}}}),
        wants({**CLOSED, "properties": {"a": {"$ref": "#/$defs/nowhere"}}}),
    ],
)
def test_what_is_of_another_type_is_refused_and_no_accident(wrong: dict[str, Any]) -> None:
    status, told = answer(wants() | wrong)
    assert status == 400, told
    assert told["error"]["message"]


def test_a_schema_that_refers_to_itself_has_an_end_or_is_cut_off() -> None:
    def answered(properties: dict[str, Any]) -> Any:
        return answer(wants({**CLOSED, "properties": properties}))[1]["choices"][0]

    ends = answered({"a": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}})
    assert json.loads(ends["message"]["content"]) == {"a": None}
    assert answered({"a": {"$ref": "#"}})["finish_reason"] == "length"
