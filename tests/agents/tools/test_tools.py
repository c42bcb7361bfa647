"""Functions as tools: the schema that the model sees, the words that it gets back, and what may go wrong."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional

import pytest
import structlog
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from callbridge.agents.tools.schema import ToolError
from callbridge.agents.tools.tool import OUTPUT_BYTES_MAX, EndCall, Tool, ToolResult
from callbridge.agents.tools.toolbox import Toolbox
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.wishes import HangUp
from tool_runs import TIMEOUT_S, run_tool


def failure(result: ToolResult) -> str:
    """The words of a failed tool; fails where it did not fail."""
    told = json.loads(result.output)
    assert list(told) == ["error"]
    assert result.wish is None
    return str(told["error"])


def box_of(*functions: Callable[..., object]) -> Toolbox:
    """Their tools."""
    box = Toolbox()
    for function in functions:
        box.add(Tool(function))
    return box


async def run(
    function: Callable[..., object], arguments: str = "{}", timeout_s: float = TIMEOUT_S
) -> ToolResult:
    """What `function` as a tool answers."""
    return await run_tool(box_of(function), function.__name__, arguments, timeout_s)


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

    def test_the_text_beside_a_type_is_the_parameters_text(self) -> None:
        """Unless the docstring or a `Field` has one."""

        def weigh(  # noqa: D417  # Two have their texts elsewhere.
            plain: Annotated[str, "beside"],
            both: Annotated[str, "beside"],
            field: Annotated[str, "beside", Field(description="field")],
        ) -> str:
            """Weigh it.

            Args:
                both: docstring
            """
            return plain + both + field

        properties = Tool(weigh).definition.parameters["properties"]
        assert isinstance(properties, dict)
        texts = [properties[name]["description"] for name in ("plain", "both", "field")]
        assert texts == ["beside", "docstring", "field"]

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
    space |= {"Annotated": Annotated, "WithJsonSchema": WithJsonSchema}
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
            (
                "def f(day: threading.Event): 'Book.'",
                r"use str, int.* schema for <class 'threading.Event'>\)$",
            ),
            ("import functools\nf = functools.partial(print, 'Hi')", "has no name; write a function"),
            ("def f() -> str:\n    'Count.'\n    yield 'one'", "tool f: it is a generator; return one value"),
            ("async def f() -> str:\n    'Count.'\n    yield 'one'", "tool f: it is a generator"),
            ("def f(pair: tuple[int, str]): 'Pair.'", "pair is an array of parts that differ, .* use list"),
            (
                "def f(day: Annotated[str, WithJsonSchema({'type': 'day'})]): 'Book.'",
                "day has the type 'day'",
            ),
            ("def f(day: Annotated[str, WithJsonSchema({'type': 'array'})]): 'Book.'", "day is an array"),
            ("def f(day: Annotated[str, WithJsonSchema({'enum': []})]): 'Book.'", "day has an empty enum"),
            ("def f(price: float = float('nan')): 'Pay.'", "schema has no JSON form"),
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
            ('{"day":"x","guests":"12"}', "guests: Input should be a valid integer"),
            ('{"day":"x","guests":12.0}', "guests: Input should be a valid integer"),
            ('{"day":"x","guests":true}', "guests: Input should be a valid integer"),
            ('{"day":"x","guests":NaN}', "NaN is not a number"),
            ('{"day":"x","guests":1e999}', "a number is too large"),
            ('{"day":"x","day":"y"}', "the same name stands twice"),
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

    async def test_arguments_are_read_strictly_all_the_way_down(self) -> None:
        """In a model of the user's own, and where anything may stand."""

        def deliver(to: Address, extra: Any = None) -> str:
            """Deliver it."""
            return f"{to.street} {to.number} {extra}"

        for arguments, words in [
            ('{"to":{"street":"Quay","number":"1"}}', "to.number: Input should be a valid integer"),
            ('{"to":{"street":"Quay","floor":1}}', "to.floor: Extra inputs are not permitted"),
            ('{"to":{"street":"Quay"},"extra":[-Infinity]}', "-Infinity is not a number"),
        ]:
            result = await run(deliver, arguments)
            assert words in failure(result)
            assert result.outcome is ToolOutcome.REFUSED

    async def test_what_has_no_form_of_its_own_in_json_is_read_from_its_text(self) -> None:
        """Strictly is not narrowly."""

        def pay(on: dt.date, amount: Decimal, weight: float) -> str:
            """Pay it."""
            return f"{on:%d.%m.%Y} {amount} {weight}"

        arguments = '{"on":"2026-11-28","amount":"12.50","weight":2}'
        assert await run(pay, arguments) == ToolResult("28.11.2026 12.50 2.0")

    async def test_the_words_of_an_error_are_bounded(self) -> None:
        """The model wrote them, or a validator has quoted it."""
        arguments = json.dumps({"day": "x", "y" * 50_000: 1})
        assert len((await run(book, arguments)).output) < 1100

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

    @pytest.mark.parametrize("value", [float("nan"), {"price": [float("inf")]}], ids=["nan", "inf"])
    async def test_what_json_does_not_have_is_no_result(self, value: object) -> None:
        assert failure(await run(answering(value))).startswith("the tool's answer has no JSON form")

    async def test_a_generator_that_a_tool_answers_with_is_not_run(self) -> None:
        """Its body would run on the loop, and may never end."""
        numbers = itertools.count()
        told = failure(await run(answering(number for number in numbers)))
        assert told == "the tool answered with a generator, which is no value; use a list"
        assert next(numbers) == 0

    async def test_end_call_ends_the_call_and_tells_the_model(self) -> None:
        assert await run(answering(EndCall("Goodbye."))) == ToolResult("Goodbye.", wish=HangUp())


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

        result = await run(forever, timeout_s=0.01)
        assert failure(result).startswith("the tool took longer than 0.01 s and was stopped")
        assert result.outcome is ToolOutcome.TIMED_OUT

    async def test_a_plain_tool_that_takes_too_long_has_not_failed(self) -> None:
        """It cannot be stopped: whoever is told that it failed books a second time."""
        released = threading.Event()

        def blocks() -> None:
            """Block the thread."""
            released.wait(TIMEOUT_S)

        try:
            result = await run(blocks, timeout_s=0.01)
        finally:
            released.set()
        assert result.outcome is ToolOutcome.TIMED_OUT
        assert list(json.loads(result.output)) == ["unfinished"]
        assert "has not answered within 0.01 s. It goes on, and may still take effect" in result.output

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

    @pytest.mark.parametrize("raised", [SystemExit(0), KeyboardInterrupt(), GeneratorExit()], ids=repr)
    @pytest.mark.parametrize("kind", ["plain", "async"])
    async def test_a_tool_cannot_end_the_process(self, kind: str, raised: BaseException) -> None:
        """argparse, given the model's words, raises SystemExit; from a task it would go through the loop."""

        def plain() -> None:
            """Leave."""
            raise raised

        async def tool() -> None:
            """Leave."""
            raise raised

        with structlog.testing.capture_logs():
            result = await run(plain if kind == "plain" else tool)
        assert failure(result) == f"the tool failed: {type(raised).__name__}"
        assert result.outcome is ToolOutcome.FAILED

    async def test_a_cancellation_inside_the_tool_is_told_at_once(self) -> None:
        """Also one of its very own task: that is no end of the call."""

        async def cancels_itself() -> None:
            """Cancel."""
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

        async def awaits_what_was_cancelled() -> None:
            """Wait."""
            waited_for = asyncio.get_running_loop().create_future()
            waited_for.cancel()
            await waited_for

        for function in (cancels_itself, awaits_what_was_cancelled):
            result = await run(function)
            assert failure(result) == "the tool was cancelled before it had answered"
            assert result.outcome is ToolOutcome.CANCELLED

    async def test_a_tool_may_use_timeouts_and_groups_of_its_own(self) -> None:
        """They cancel and take back: nothing of that ends the tool."""

        async def patient() -> str:
            """Wait a little."""
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            except TimeoutError:
                async with asyncio.TaskGroup() as tasks:
                    return await tasks.create_task(asyncio.sleep(0, "went on"))
            return "never"

        assert await run(patient) == ToolResult("went on")

    async def test_a_tool_that_will_not_be_cancelled_is_told_in_time_and_ends(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The call does not wait for it longer than it may tidy up."""
        monkeypatch.setattr("callbridge.agents.tools.leash.TIDY_UP_S", 0.01)
        tries = 0

        async def stubborn() -> None:
            """Stay."""
            nonlocal tries
            while tries < 3:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    tries += 1

        async with asyncio.timeout(TIMEOUT_S):
            result = await run(stubborn, timeout_s=0.01)
        assert result.outcome is ToolOutcome.TIMED_OUT
        assert tries == 1

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
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(run(waits))
                await started.wait()
                running.cancel()
        assert running.cancelled()
        assert cancelled.is_set()


class TestToolbox:
    async def test_a_tool_is_run_by_its_name(self) -> None:
        """An unknown one is told to the model with those that exist, so that it may try again. Their order is
        part of the prompt, and a stable prompt is cached.
        """
        box = Toolbox()
        box.add(Tool(book))
        box.add(Tool(answering(1)))
        assert box.names == tuple(tool.definition.name for tool in box.tools) == ("book", "answer")
        assert (await run_tool(box, "book", '{"day":"Monday"}')).output.startswith("Monday")
        told = failure(await run_tool(box, "cook"))
        assert told == "there is no tool cook; the tools are: book, answer"

    def test_two_tools_of_one_name_are_refused(self) -> None:
        box = Toolbox()
        box.add(Tool(book))
        with pytest.raises(ToolError, match="two tools named book; rename one"):
            box.add(Tool(book))

    def test_more_tools_than_the_model_takes_are_refused(self) -> None:
        box = Toolbox()
        for number in range(128):
            function = answering(number)
            function.__name__ = f"tool_{number}"
            box.add(Tool(function))
        with pytest.raises(ToolError, match="no more than 128 tools"):
            box.add(Tool(book))
