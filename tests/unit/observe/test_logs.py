"""Logs: one line per event, the same way out for all, and nothing that should not be in them."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from callbridge.observe.logs import LogFormat, configure_logging
from callbridge.observe.redaction import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Gives the process-wide logging back as the test found it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "websockets", "httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_line_has_event_level_time_and_fields() -> None:
    """A machine reads one JSON object per line, with an ISO time in UTC."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger().info("call_started", call_sid="CA1", frames=3)
    (line,) = lines(stream)
    timestamp = line.pop("timestamp")
    assert timestamp.endswith("Z")
    assert timestamp[10] == "T"
    assert line == {"event": "call_started", "level": "info", "call_sid": "CA1", "frames": 3}


def test_bound_context_is_on_every_line() -> None:
    """What is bound to the context stands on lines of ours and of libraries."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    with structlog.contextvars.bound_contextvars(call_sid="CA1"):
        structlog.get_logger().info("ours")
        logging.getLogger("some.library").info("theirs")
    assert [line["call_sid"] for line in lines(stream)] == ["CA1", "CA1"]


def test_library_lines_have_the_same_form() -> None:
    """A line of the standard library's logging is JSON too, with its arguments filled in."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    logging.getLogger("uvicorn.error").warning("no route to %s", "+447700900123")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == (f"no route to +{MASK}23", "warning")


@pytest.mark.parametrize("name", ["uvicorn.error", "websockets.client", "httpx"])
def test_libraries_that_print_frames_are_kept_quiet(name: str) -> None:
    """At DEBUG, sockets' own loggers would print audio and words; they stay at WARNING."""
    stream = io.StringIO()
    configure_logging("DEBUG", stream=stream)
    logging.getLogger(name).debug("< TEXT 'audio'")
    logging.getLogger(name).info("connection open")
    assert stream.getvalue() == ""
    structlog.get_logger().debug("ours")
    assert lines(stream)[0]["event"] == "ours"


def test_level_is_obeyed() -> None:
    """Lines below the level are not written."""
    stream = io.StringIO()
    configure_logging("WARNING", stream=stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


@pytest.mark.parametrize("log_format", list(LogFormat))
@pytest.mark.parametrize("stream_type", [io.StringIO, Terminal])
def test_numbers_and_secrets_never_come_out(log_format: LogFormat, stream_type: type[io.StringIO]) -> None:
    """In any format, in fields, texts and tracebacks, numbers and secrets are masked."""
    stream = stream_type()
    configure_logging("INFO", log_format, secrets=["very-secret-key"], stream=stream)
    log = structlog.get_logger().bind(caller="+447700900123")
    log.info("call +447700900123", nested={"to": ["+447700900123"]}, key="very-secret-key")
    try:
        int("no number +447700900123 for very-secret-key")
    except ValueError:
        log.exception("broke")
        logging.getLogger("library").exception("broke at %s", "+447700900123")
    text = stream.getvalue()
    assert "7700900" not in text
    assert "very-secret-key" not in text
    assert text.count("Traceback") == 2
    assert f"+{MASK}23" in text


def test_format_follows_the_terminal() -> None:
    """On a terminal lines are for reading, elsewhere they are JSON; either can be asked for."""
    shown: dict[tuple[LogFormat, bool], bool] = {}
    for log_format in LogFormat:
        for stream in (io.StringIO(), Terminal()):
            configure_logging("INFO", log_format, stream=stream)
            structlog.get_logger().info("hello")
            shown[log_format, stream.isatty()] = stream.getvalue().startswith("{")
    assert shown == {
        (LogFormat.AUTO, False): True,
        (LogFormat.AUTO, True): False,
        (LogFormat.JSON, False): True,
        (LogFormat.JSON, True): True,
        (LogFormat.CONSOLE, False): False,
        (LogFormat.CONSOLE, True): False,
    }


def test_console_without_a_terminal_has_no_colours() -> None:
    """Readable lines in a file carry no control characters."""
    stream = io.StringIO()
    configure_logging("INFO", LogFormat.CONSOLE, stream=stream)
    structlog.get_logger().info("hello", x=1)
    assert "\x1b" not in stream.getvalue()


def test_may_be_configured_again() -> None:
    """The second set-up replaces the first; no line comes out twice."""
    first, second = io.StringIO(), io.StringIO()
    configure_logging(stream=first)
    configure_logging(stream=second)
    structlog.get_logger().info("once")
    assert (first.getvalue(), len(lines(second))) == ("", 1)


def test_default_stream_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is left to what a command prints."""
    configure_logging()
    structlog.get_logger().info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "hello"
