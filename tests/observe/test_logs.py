"""Logs: one line per event, the same way out for all, and nothing that should not be in them."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pydantic
import pytest
import sqlalchemy
import structlog

from callbridge.observe.logs import LogFormat, configure_logging
from callbridge.observe.redaction_patterns import MASK


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_line_has_event_level_time_and_fields() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    structlog.get_logger().info("stream_started", call_sid="CA1", frames=3)
    (line,) = lines(stream)
    timestamp = line.pop("timestamp")
    assert timestamp.endswith("Z")
    assert timestamp[10] == "T"
    assert line == {"event": "stream_started", "level": "info", "call_sid": "CA1", "frames": 3}


def test_library_lines_have_the_same_form() -> None:
    """JSON with its arguments filled in, and with what is bound to the context."""
    stream = io.StringIO()
    configure_logging(stream=stream)
    with structlog.contextvars.bound_contextvars(call_sid="CA1"):
        structlog.get_logger().info("ours")
        logging.getLogger("uvicorn.error").warning("no route to %s", "+447700900123")
    ours, theirs = lines(stream)
    assert ours["call_sid"] == theirs["call_sid"] == "CA1"
    assert (theirs["event"], theirs["level"]) == (f"no route to +{MASK}23", "warning")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "uvicorn.error",
            "websockets.client",
            "httpx",
            "httpx2",
            "sqlalchemy.engine.Engine",
            "alembic.runtime",
        ),
        *(
            "psycopg.pool",
            "botocore.endpoint",
            "urllib3.connectionpool",
            "openai._base_client",
            "twilio.http",
        ),
    ],
)
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


WORDS = "my cat is called Ophelia"


@pytest.mark.parametrize("with_words", [False, True])
def test_words_under_their_names_come_out_where_they_may(*, with_words: bool) -> None:
    """A line of anybody's code: a tool that logs its arguments, a library with fields of its own."""
    stream = io.StringIO()
    configure_logging("INFO", LogFormat.JSON, with_words=with_words, stream=stream)
    structlog.get_logger().info("asked", nested={"arguments": WORDS}, transcript=WORDS)
    logging.getLogger("library").warning("sent", extra={"transcript": WORDS, "caller": "+447700900123"})
    assert stream.getvalue().count(WORDS) == (2 if with_words else 0)
    assert "7700900" not in stream.getvalue()


def test_what_libraries_show_of_what_they_were_given_does_not_come_out() -> None:
    """The values of a statement, what a model of pydantic was made of, a login in an address."""
    stream = io.StringIO()
    configure_logging("INFO", LogFormat.JSON, stream=stream)
    engine = sqlalchemy.create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT * FROM nothing WHERE said = :said"), {"said": WORDS})
    except sqlalchemy.exc.SQLAlchemyError:
        structlog.get_logger().exception("not_stored")
    try:
        pydantic.TypeAdapter(int).validate_python(WORDS)
    except pydantic.ValidationError as error:
        structlog.get_logger().exception("not_valid", why=str(error))
    structlog.get_logger().warning("cannot reach postgresql://calls:Ophelia@db.example.com/calls")
    engine.dispose()
    assert "not_stored" in stream.getvalue()
    assert "Ophelia" not in stream.getvalue()


def test_format_follows_the_terminal() -> None:
    shown: dict[tuple[LogFormat, bool], bool] = {}
    for log_format in LogFormat:
        for stream in (io.StringIO(), Terminal()):
            configure_logging("INFO", log_format, stream=stream)
            structlog.get_logger().info("hello")
            shown[log_format, stream.isatty()] = stream.getvalue().startswith("{")
            assert stream.isatty() or "\x1b" not in stream.getvalue(), "colours in a file"
    assert {choice for choice, is_json in shown.items() if is_json} == {
        (LogFormat.AUTO, False),
        (LogFormat.JSON, False),
        (LogFormat.JSON, True),
    }


def test_may_be_configured_again() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging(stream=first)
    configure_logging(stream=second)
    structlog.get_logger().info("once")
    assert (first.getvalue(), len(lines(second))) == ("", 1)


def test_default_stream_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    structlog.get_logger().info("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["event"] == "hello"
