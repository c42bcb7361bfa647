"""The body of an event, as everybody gets who has no template: JSON, with a version.

What is there stays there, and keeps its meaning, as long as the version is the same; more may come. Words,
captured objects and values are there where they are kept at all.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.records.outbox.events import Event
    from callbridge.records.story import CallStory, Turn

VERSION: Final = 1

BODY_BYTES_MAX: Final = 512 * 1024
"""What is longer loses parts, the least wanted first, and says so."""

_LEAST_WANTED: Final = ("happenings", "turns", "tools", "transcript", "captured", "values")


def no_link(name: str) -> str:
    """Where recordings have no address."""
    del name
    return ""


def body_of(event: Event, link_to: Callable[[str], str] = no_link) -> dict[str, Any]:
    """What is told of an event.

    Args:
        event: what happened.
        link_to: the address of a recording by its name; empty for none.
    """
    data = _of_call(event.story, link_to) if event.is_of_call else _of_fact(event)
    return {
        "id": event.id,
        "type": event.kind,
        "timestamp": iso(event.at),
        "version": VERSION,
        "data": data,
    }


def in_bytes(body: dict[str, Any], bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """As it is sent, within `bytes_max` where that can be: what was left out stands in `data.left_out`."""
    content, left_out = msgspec.json.encode(body), list[str]()
    data = body["data"]
    for name in _LEAST_WANTED:
        if len(content) <= bytes_max:
            break
        if name in data:
            left_out.append(name)
            data = {key: value for key, value in data.items() if key != name}
            content = msgspec.json.encode({**body, "data": {**data, "left_out": left_out}})
    return content


def iso(at: float) -> str:
    """A time as ISO 8601 has it, in UTC, to the millisecond."""
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- A call -------------------------------------------------------------------------------------------


def _of_call(story: CallStory, link_to: Callable[[str], str]) -> dict[str, Any]:
    def at(ms: int) -> str:
        return iso(story.began_at + ms / 1000)

    # Not `to_builtins`: its tuples are no lists to JMESPath.
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(story))
    data["began"] = iso(story.began_at)
    data["ended"] = None if story.ended_at is None else iso(story.ended_at)
    for part in (*data["turns"], *data["streams"]):
        part["began"] = at(part["began_ms"])
    for happening in data["happenings"]:
        happening["at"] = at(happening["at_ms"])
    data["transcript"] = list(_lines(story, at))
    data["tools"] = [_tool(use, turn, at) for turn in data["turns"] for use in turn.pop("tools")]
    data["captured"] = {form: _decoded(text) for form, text in story.captured.items()}
    data["values"] = _decoded(story.values)
    data["analysis"] = _decoded(story.analysis)
    data["cost"]["usd"] = round(story.cost.microdollars / 1e6, 6)
    data["recordings"] = [{"name": name, "url": link_to(name) or None} for name in story.recordings]
    return data


def _lines(story: CallStory, at: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    """What was said and heard, line by line, in the order in which speech began."""
    for turn in story.turns:
        if turn.caller:
            yield {"who": "caller", "at_ms": turn.began_ms, "at": at(turn.began_ms), "words": turn.caller}
        if turn.heard:
            began_ms = _answer_began_ms(turn)
            yield {"who": "agent", "at_ms": began_ms, "at": at(began_ms), "words": turn.heard}


def _answer_began_ms(turn: Turn) -> int:
    return min((item.span.began_ms for item in turn.agent if item.span is not None), default=turn.began_ms)


def _tool(use: dict[str, Any], turn: dict[str, Any], at: Callable[[int], str]) -> dict[str, Any]:
    return use | {
        "turn": turn["number"],
        "began": at(use["began_ms"]),
        "arguments": _decoded(use["arguments"]),
        "result": _decoded(use["result"]),
    }


def _decoded(text: str) -> Any:
    """What JSON text says; text that is none as it is; nothing where there is none."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


# --- A fact -------------------------------------------------------------------------------------------


def _of_fact(event: Event) -> dict[str, Any]:
    return {**event.fact, "at": iso(event.at)}
