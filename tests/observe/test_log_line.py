"""One line of the log: whatever is in it, it is one line, in bounds, and a person can read it."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from callbridge.observe.log_line import COLUMNS, FIELDS_MAX, LINE_BYTES_MAX, TRACEBACKS, console_line, fitted
from callbridge.observe.logs import LogFormat, configure_logging
from callbridge.observe.redaction import (
    DEPTH_MAX,
    ENTRIES_MAX,
    VALUE_CHARACTERS_MAX,
    redaction,
)
from callbridge.observe.redaction_patterns import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL = "CA" + "0123456789abcdef" * 2
STREAM = "MZ" + "0123456789abcdef" * 2
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What a terminal or a reader of lines would obey; all but the end of a line."""

anything = st.recursive(
    st.text(max_size=700) | st.binary(max_size=200) | st.integers() | st.floats() | st.booleans(),
    lambda inner: st.lists(inner, max_size=50) | st.dictionaries(st.text(max_size=100), inner, max_size=50),
    max_leaves=8,
)


def written(log_format: LogFormat, event: str, **fields: object) -> str:
    """What comes out for one line."""
    stream = io.StringIO()
    configure_logging("INFO", log_format, stream=stream)
    structlog.get_logger().info(event, **fields)
    return stream.getvalue()


@given(event=st.text(max_size=700), fields=st.dictionaries(st.text(max_size=100), anything, max_size=12))
def test_whatever_a_line_is_made_of_it_is_one_line_in_bounds(event: str, fields: dict[str, Any]) -> None:
    line = fitted({**fields, "event": event, "call_sid": CALL}, redaction())
    text = json.dumps(line, allow_nan=False)
    assert len(text) <= LINE_BYTES_MAX
    assert line["call_sid"] == CALL
    assert OBEYED.search(json.dumps(line, ensure_ascii=False)) is None
    assert OBEYED.search(console_line(line, has_colours=False)) is None


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_no_value_and_no_event_reaches_the_terminal_as_a_command(log_format: LogFormat) -> None:
    evil = "\x1b[2J\x9b31m\x07\u202eforged\r\n12:00:00 info  ready"
    text = written(log_format, f"said {evil}", path=evil, nested={evil: [evil]})
    assert OBEYED.search(text) is None
    first, *rest = text.splitlines()
    assert all(row.startswith(" " * 19) for row in rest)
    told = json.loads(first)["event"] if log_format is LogFormat.JSON else first
    assert r"said \x1b[2J\x9b31m\x07\u202eforged\r\n12:00:00" in told


def test_a_traceback_cannot_forge_a_line() -> None:
    """It has lines of its own, all of them set in."""
    stream = io.StringIO()
    configure_logging("INFO", LogFormat.CONSOLE, stream=stream)
    try:
        int("\x1b[2J\n12:00:00.000 info  ready")
    except ValueError:
        structlog.get_logger().exception("broke")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("broke")
    assert all(row.startswith("    ") for row in rest)
    assert OBEYED.search(stream.getvalue()) is None


def test_what_is_too_long_says_so() -> None:
    line = fitted(
        {
            "event": "model_trouble",
            "why": "x" * 30_000,
            "many": list(range(1000)),
            "mapping": dict.fromkeys(map(str, range(1000))),
            "deep": [[[[[["too deep"]]]]]],
            "huge": 10**5000,
            "infinite": float("inf"),
        },
        redaction(),
    )
    assert line["why"] == "x" * VALUE_CHARACTERS_MAX + "… (of 30000 characters)"
    assert line["many"] == [*range(ENTRIES_MAX), f"… {1000 - ENTRIES_MAX} more"]
    assert isinstance(mapping := line["mapping"], dict)
    assert (len(mapping), mapping["…"]) == (ENTRIES_MAX + 1, f"{1000 - ENTRIES_MAX} more")
    assert json.dumps(line["deep"], ensure_ascii=False) == "[" * DEPTH_MAX + '"…"' + "]" * DEPTH_MAX
    assert (line["huge"], line["infinite"]) == ("a number of 16610 bits", "inf")


def test_a_line_of_too_many_fields_keeps_what_is_looked_for() -> None:
    fields: Mapping[str, object] = {f"field_{number}": "y" * 400 for number in range(FIELDS_MAX + 50)}
    line = fitted(
        {**fields, "event": "odd", "call_sid": CALL, "exception": "z\n" * 99 + "E: why"}, redaction()
    )
    assert (line["event"], line["call_sid"]) == ("odd", CALL)
    assert line["…"] == f"{FIELDS_MAX + 52 - (len(line) - 2)} fields left out"
    assert str(line["exception"]).startswith("…\nz\n")
    assert str(line["exception"]).endswith("\nE: why")


def test_the_cost_of_a_line_is_bounded() -> None:
    """Sixteen megabytes of a peer, which pass every pattern again and again."""
    began_at = time.process_time()
    fitted(
        {"event": "odd", "why": "+1 (" * 4_000_000, "exception": "+1 (" * 4_000_000}, redaction(["s" * 32])
    )
    assert time.process_time() - began_at < 1


# --- For a terminal -----------------------------------------------------------------------------------

ENDED = {
    "timestamp": "2026-11-28T11:12:33.123456Z",
    "level": "warning",
    "event": "stream_ended",
    "call_sid": CALL,
    "stream_sid": STREAM,
    **{f"frames_of_kind_{number}": 123_456 for number in range(12)},
    "detail": "a peer said " + "that and this " * 20,
    "errors": 0,
    "response_ms_p50": None,
    "usage": {"input_tokens": 7, "output_tokens": 0},
    "reason": "model_lost",
}


def test_a_line_fits_a_terminal() -> None:
    """What is interesting comes first, what says nothing not at all, and nothing is wider than the window."""
    first, *rest = console_line(ENDED, has_colours=False).split("\n")
    assert re.fullmatch(r"\d\d:\d\d:33\.123 warn  stream_ended       CA…abcdef reason=model_lost .*", first)
    assert all(len(row) <= COLUMNS for row in (first, *rest))
    assert all(row.startswith(" " * 19) for row in rest)
    text = "\n".join((first, *rest))
    assert STREAM not in text
    assert "p50" not in text
    assert "errors=0" in text
    assert "usage={input_tokens=7}" in text


def test_colours_change_no_text() -> None:
    coloured = console_line(ENDED, has_colours=True)
    assert "\x1b[33mwarn \x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == console_line(ENDED, has_colours=False)


@pytest.mark.parametrize("key", TRACEBACKS)
def test_where_it_happened_is_shown_line_by_line(key: str) -> None:
    trace = '  File "shop.py", line 7, in order\n    pay(2)\n'
    line = fitted({"event": "tool_raised", key: trace}, redaction())
    assert line[key] == trace.rstrip()
    *_, place, code = console_line(line, has_colours=False).split("\n")
    assert (place, code) == ('      File "shop.py", line 7, in order', "        pay(2)")


def test_a_long_address_stays_whole() -> None:
    """To be copied."""
    url = "https://example.com/" + "a" * 150
    assert url in console_line({"event": "ready", "webhook": url}, has_colours=False)


def test_a_value_cannot_be_taken_for_another_field() -> None:
    text = console_line({"event": "odd", "path": 'x reason="hang up"'}, has_colours=False)
    assert r'path="x reason=\"hang up\""' in text


def test_json_has_everything() -> None:
    line = json.loads(
        written(LogFormat.JSON, "hello", call_sid=CALL, stream_sid=STREAM, nothing=None, zero=0)
    )
    assert line.pop("timestamp")
    assert line == {
        "level": "info",
        "event": "hello",
        "call_sid": CALL,
        "stream_sid": STREAM,
        "nothing": None,
        "zero": 0,
    }


def test_a_value_that_cannot_be_shown_costs_its_line_only() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError(MASK)

    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger().info("odd", value=Odd())
    logging.getLogger("library").warning("%d", "no number")
    structlog.get_logger().info("well")
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["log_line_failed", "log_line_failed", "well"]
