"""Functions as tools: the schema that the model sees, the words that it gets back, and what may go wrong."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, Literal, Optional

import pytest
import structlog
from pydantic import BaseModel, BeforeValidator, Field

from callbridge.agents.tools import OUTPUT_BYTES_MAX, EndCall, Tool, Toolbox, ToolError, ToolResult
from callbridge.call.wishes import HangUp

TIMEOUT_S = 5.0
"""Long enough that no tool here runs into it by accident."""


def failure(result: ToolResult) -> str:
    """The words of a failed tool; fails where it did not fail."""
    told = json.loads(result.output)
    assert list(told) == ["error"]
    assert result.wish is None
    return str(told["error"])


async def run(function: Callable[..., object], arguments: str = "{}") -> ToolResult:
    """What `function` as a tool answers."""
    return await Tool(function).run(arguments, TIMEOUT_S)


def answering(value: object) -> Callable[[], object]:
    """A plain function whose result is `value`."""

    def answer() -> object:
        """Answers."""
        return value

    return answer


class Address(BaseModel):
    """Where something goes."""

    street: str
    number: int = 1


def book(  # noqa: D417  # Not every parameter needs a text.
    day: str,
    guests: int = 2,
    area: Literal["inside", "terrace"] = "inside",
    note: Optional[str] = None,  # noqa: UP045  # Users write it this way too.
    phone: str | None = None,
    age: Annotated[int, Field(ge=0, description="Years, roughly.")] = 30,
) -> str:
    """Book a table.

    Only after the caller has confirmed: say the day again first.

    Args:
        day: A day of the week, for
            example Monday.
        guests (int): How many: at most 12.
        area: Where to sit.

    Returns:
        The words to say.

    Example:
        day: not a parameter's text.
    """
    return f"{day} {guests} {area} {note} {phone} {age}"


class TestSchema:
    def test_a_signature_becomes_a_schema(self) -> None:
        definition = Tool(book).definition
        assert definition.parameters == json.loads("""{
            "type": "object", "additionalProperties": false, "required": ["day"], "properties": {
                "day": {"type": "string", "title": "Day",
                    "description": "A day of the week, for example Monday."},
                "guests": {"type": "integer", "title": "Guests", "default": 2,
                    "description": "How many: at most 12."},
                "area": {"type": "string", "title": "Area", "default": "inside",
                    "enum": ["inside", "terrace"], "description": "Where to sit."},
                "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Note", "default": null},
                "phone": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Phone", "default": null},
                "age": {"type": "integer", "title": "Age", "default": 30, "minimum": 0,
                    "description": "Years, roughly."}}}""")
        assert definition.name == "book"
        # The docstring without its sections.
        assert definition.description == (
            "Book a table.\n\nOnly after the caller has confirmed: say the day again first."
        )

    def test_no_parameters_is_an_empty_object(self) -> None:
        """The model must be told that it passes nothing, not that anything goes."""
        definition = Tool(answering(1)).definition
        assert definition.parameters == {"type": "object", "additionalProperties": False, "properties": {}}
        assert definition.description == "Answers."

    def test_a_parameters_text_goes_before_that_of_its_hint(self) -> None:
        """The docstring is where the author looks last."""

        def weigh(kilos: Annotated[int, Field(description="From the hint.")]) -> int:
            """Weigh it.

            Args:
                kilos: From the docstring.
            """
            return kilos

        properties = Tool(weigh).definition.parameters["properties"]
        assert isinstance(properties, dict)
        assert properties["kilos"]["description"] == "From the docstring."

    async def test_nested_models_are_described_and_arrive_as_models(self) -> None:
        def deliver(to: Address) -> str:
            """Deliver it."""
            return f"{to.street} {to.number}"

        definitions = Tool(deliver).definition.parameters["$defs"]
        assert isinstance(definitions, dict)
        assert set(definitions) == {"Address"}
        assert await run(deliver, '{"to":{"street":"Quay"}}') == ToolResult("Quay 1")

    async def test_a_bound_method_is_a_tool(self) -> None:
        """Its `self` is no parameter."""

        class Shop:
            def __init__(self, name: str) -> None:
                self.name = name

            def shop_name(self) -> str:
                """Tell the name."""
                return self.name

        assert Tool(Shop("Harbour").shop_name).definition.parameters["properties"] == {}
        assert await run(Shop("Harbour").shop_name) == ToolResult("Harbour")

    @pytest.mark.parametrize("name", ["json", "copy", "schema", "model_config", "model_dump", "_private"])
    async def test_a_parameter_may_be_named_like_something_of_pydantics(self, name: str) -> None:
        echo = written(f"def f({name}: str) -> str:\n    'Say it.'\n    return {name}")
        assert Tool(echo).definition.parameters["required"] == [name]
        assert await run(echo, json.dumps({name: "hello"})) == ToolResult("hello")


def written(source: str) -> Callable[..., object]:
    """The function that a user has written so."""
    space: dict[str, Any] = {"json": json, "threading": threading, "Callable": Callable}
    exec(source, space)  # noqa: S102  # Every source is in this file.
    function: Callable[..., object] = space["f"]
    return function


class TestRefusals:
    @pytest.mark.parametrize(
        ("source", "remedy"),
        [
            ("def f(day): 'Book it.'", "tool f, parameter day: add a type hint"),
            ("def f(day: str): pass", "tool f: write a docstring"),
            ("def f(day: str): 'Args:\\n    day: A day.'", "tool f: write a docstring"),
            ("def f(*days: str): 'Book.'", "parameter days: .* use plain parameters"),
            ("def f(**days: str): 'Book.'", "parameter days: .* use plain parameters"),
            ("def f(day: str, /): 'Book.'", "parameter day: .* use plain parameters"),
            ("def f(day: Day): 'Book.'", "a type hint cannot be resolved: .*Day"),
            ("def f(day: json.Day): 'Book.'", "a type hint cannot be resolved: .*Day"),
            ("def f(day: Callable[[int], str]): 'Book.'", "a type hint has no JSON form"),
            ("def f(day: threading.Event): 'Book.'", "a type hint has no JSON form"),
            ("import functools\nf = functools.partial(print, 'Hi')", "has no name; write a function"),
        ],
    )
    def test_what_cannot_be_a_tool_says_what_to_change(self, source: str, remedy: str) -> None:
        """At start-up, not in a call."""
        with pytest.raises(ToolError, match=remedy):
            Tool(written(source))

    @pytest.mark.parametrize("name", ["x" * 65, "größe", "<lambda>", ""])
    def test_a_name_that_the_model_does_not_take_is_refused(self, name: str) -> None:
        """One such tool would make it refuse the session of every call."""
        function = answering(1)
        function.__name__ = "x" * 64
        assert Tool(function).name == "x" * 64
        function.__name__ = name
        with pytest.raises(ToolError, match=f"tool {name}: the model takes names of at most 64 letters"):
            Tool(function)


def look_up(value: object) -> object:
    """A validator with a fault."""
    raise KeyError(value)


class TestArguments:
    async def test_given_arguments_arrive_and_defaults_are_filled_in(self) -> None:
        assert await run(book, '{"day":"Monday"}') == ToolResult("Monday 2 inside None None 30")
        arguments = {"day": "Friday", "guests": 4, "area": "terrace", "note": "n", "phone": "p", "age": 5}
        assert await run(book, json.dumps(arguments)) == ToolResult("Friday 4 terrace n p 5")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ("{}", "day: Field required"),
            ('{"day":5}', "day: Input should be a valid string"),
            ('{"day":"x","guests":"many"}', "guests: Input should be a valid integer"),
            ('{"day":"x","area":"roof"}', "area: Input should be 'inside' or 'terrace'"),
            ('{"day":"x","age":-1}', "age: Input should be greater than or equal to 0"),
            ('{"day":"x","table":7}', "table: Extra inputs are not permitted"),
            ("", "Invalid JSON"),
            ('{"day":"Mon', "Invalid JSON"),
            ("[]", "arguments: Input should be an object"),
            ("null", "arguments: Input should be an object"),
            ("[" * 5000, "Invalid JSON"),
        ],
    )
    async def test_a_wrong_argument_is_told_to_the_model(self, arguments: str, words: str) -> None:
        """In words that name the argument, so that the model can ask the caller again."""
        told = failure(await run(book, arguments))
        assert told.startswith("invalid arguments: ")
        assert words in told

    async def test_every_wrong_argument_is_told_at_once(self) -> None:
        told = failure(await run(book, '{"guests":"many","area":"roof"}'))
        parts = told.removeprefix("invalid arguments: ").split("; ")
        assert [part.split(":")[0] for part in parts] == ["day", "guests", "area"]

    async def test_a_validator_that_raises_is_a_failed_tool(self) -> None:
        """A user's validator is a user's code: it may raise anything."""

        def find(day: Annotated[str, BeforeValidator(look_up)]) -> str:
            """Find it."""
            return day

        assert failure(await run(find, '{"day":"x"}')) == "the tool failed: KeyError"


def ring() -> list[object]:
    """A list that contains itself."""
    endless: list[object] = []
    endless.append(endless)
    return endless


def breaking() -> Iterator[int]:
    """An iterator that breaks on the way."""
    yield 1
    raise RuntimeError


class TestResults:
    @pytest.mark.parametrize(
        ("value", "output"),
        [
            ("7 to 18", "7 to 18"),
            ("", ""),
            (None, "null"),
            (True, "true"),
            (7, "7"),
            ({"open": [7, 18]}, '{"open":[7,18]}'),
            (("a", 1.5), '["a",1.5]'),
            (Address(street="Quay"), '{"street":"Quay","number":1}'),
            ("ä €", "ä €"),
            ("x" * OUTPUT_BYTES_MAX, "x" * OUTPUT_BYTES_MAX),
            ("EndCall", "EndCall"),  # Text that only speaks of the end does not end the call.
            (["ä €"], '["ä €"]'),
        ],
    )
    async def test_a_result_is_put_into_words(self, value: object, output: str) -> None:
        assert await run(answering(value)) == ToolResult(output)

    @pytest.mark.parametrize(
        "value",
        [object(), b"\xff", ring(), threading.Lock(), {1: object()}],
        ids=lambda value: type(value).__name__,
    )
    async def test_a_result_without_a_json_form_is_told_to_the_model(self, value: object) -> None:
        told = failure(await run(answering(value)))
        assert told == f"the tool answered with a {type(value).__name__}, which has no JSON form"

    @pytest.mark.parametrize("value", ["\ud800", ["\ud800"], breaking()], ids=["text", "list", "iterator"])
    async def test_a_result_that_breaks_while_it_is_written_is_a_failed_tool(self, value: object) -> None:
        failure(await run(answering(value)))

    @pytest.mark.parametrize(
        "value", ["x" * (OUTPUT_BYTES_MAX + 1), "ä" * (OUTPUT_BYTES_MAX // 2 + 1), ["x"] * 5000]
    )
    async def test_a_result_beyond_the_bound_is_replaced(self, value: object) -> None:
        """Bytes count, not characters; the model reads a result again with every later response."""
        result = await run(answering(value))
        assert failure(result) == f"the tool's answer is longer than {OUTPUT_BYTES_MAX} bytes; ask for less"

    async def test_end_call_ends_the_call_and_tells_the_model(self) -> None:
        assert await run(answering(EndCall("Goodbye."))) == ToolResult("Goodbye.", HangUp())


class TestRunning:
    async def test_an_async_tool_runs_on_the_loop(self) -> None:
        async def here() -> bool:
            """Where it runs."""
            return threading.current_thread() is threading.main_thread()

        assert await run(here) == ToolResult("true")

    async def test_a_plain_tool_runs_in_a_thread_and_does_not_block_the_loop(self) -> None:
        """It waits for something that only the loop can do."""
        released = threading.Event()

        def blocks() -> bool:
            """Block the thread."""
            assert threading.current_thread() is not threading.main_thread()
            return released.wait(TIMEOUT_S)

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run(blocks))
            tasks.create_task(asyncio.to_thread(released.set))
        assert running.result() == ToolResult("true")

    async def test_a_plain_wrapper_of_an_async_tool_is_awaited(self) -> None:
        """As decorators make it that know nothing of async."""

        async def inner() -> str:
            """Look inside."""
            return "inside"

        @functools.wraps(inner)
        def outer() -> Awaitable[str]:
            return inner()

        assert await run(outer) == ToolResult("inside")

    async def test_a_tool_that_takes_too_long_is_told_to_the_model(self) -> None:
        async def forever() -> None:
            """Wait."""
            await asyncio.Event().wait()

        assert failure(await Tool(forever).run("{}", 0.01)) == "the tool took longer than 0.01 s"

    async def test_a_plain_tool_that_takes_too_long_is_left_alone(self) -> None:
        released = threading.Event()

        def blocks() -> None:
            """Block the thread."""
            released.wait(TIMEOUT_S)

        try:
            assert failure(await Tool(blocks).run("{}", 0.01)) == "the tool took longer than 0.01 s"
        finally:
            released.set()

    async def test_a_timeout_inside_the_tool_is_not_mistaken_for_ours(self) -> None:
        async def gives_up() -> None:
            """Give up."""
            raise TimeoutError

        assert failure(await run(gives_up)) == "the tool timed out"

    @pytest.mark.parametrize(
        "error", [RuntimeError("secret 4711"), AssertionError(), KeyError("x"), StopIteration()]
    )
    async def test_a_tool_that_raises_is_told_by_the_kind_of_error_only(self, error: Exception) -> None:
        """The text of an exception is for the log, not for the caller's ear."""

        async def fails() -> None:
            """Fail."""
            raise error

        with structlog.testing.capture_logs() as logs:
            told = failure(await run(fails))
        assert told.startswith("the tool failed: ")
        assert "4711" not in told
        assert [(line["event"], line["tool"]) for line in logs] == [("tool_raised", "fails")]

    async def test_cancelling_the_call_cancels_the_tool(self) -> None:
        started, cancelled = asyncio.Event(), asyncio.Event()

        async def waits() -> None:
            """Wait."""
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        async with asyncio.timeout(TIMEOUT_S):
            running = asyncio.ensure_future(run(waits))
            await started.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        assert cancelled.is_set()


class TestToolbox:
    async def test_a_tool_is_run_by_its_name(self) -> None:
        """An unknown one is told to the model with those that exist, so that it may try again. Their order is
        part of the prompt, and a stable prompt is cached.
        """
        box = Toolbox()
        box.add(Tool(book))
        box.add(Tool(answering(1)))
        assert box.names == tuple(definition.name for definition in box.definitions) == ("book", "answer")
        assert (await box.run("book", '{"day":"Monday"}', TIMEOUT_S)).output.startswith("Monday")
        told = failure(await box.run("cook", "{}", TIMEOUT_S))
        assert told == "there is no tool cook; the tools are: book, answer"

    async def test_an_unknown_name_is_told_in_part_only(self) -> None:
        """It comes from the model and may be of any length."""
        assert len(failure(await Toolbox().run("x" * 10_000, "{}", TIMEOUT_S))) < 200

    def test_two_tools_of_one_name_are_refused(self) -> None:
        box = Toolbox()
        box.add(Tool(book))
        with pytest.raises(ToolError, match="two tools named book; rename one"):
            box.add(Tool(book))
