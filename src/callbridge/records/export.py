"""Stories of calls as files for other programs: JSON Lines, CSV, Parquet. One call in memory at a time.

JSON Lines hold whole stories. CSV and Parquet hold rows, of calls or of turns; their columns are the same.
"""

from __future__ import annotations

import csv
import io
from typing import IO, TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.records.story import CallStory

Format: TypeAlias = Literal["jsonl", "csv", "parquet"]
Of: TypeAlias = Literal["calls", "turns"]
Row: TypeAlias = dict[str, Any]

ROWS_AT_ONCE: Final = 1000
"""Of a Parquet file: a group of rows is as much as is held in memory."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet may compute (https://owasp.org/www-community/attacks/CSV_Injection)."""

_TEXT, _WHOLE, _NUMBER, _YES_NO = "text", "whole", "number", "yes or no"

CALL_COLUMNS: Final[dict[str, str]] = {
    **dict.fromkeys(("call_sid", "state"), _TEXT),
    **dict.fromkeys(("began_at", "ended_at"), _NUMBER),
    "duration_ms": _WHOLE,
    **dict.fromkeys(("direction", "caller", "caller_key", "called", "agent", "model"), _TEXT),
    **dict.fromkeys(("end_reason", "end_detail"), _TEXT),
    **dict.fromkeys(("streams", "turns", "tools", "interruptions"), _WHOLE),
    **dict.fromkeys(("response_p50_ms", "response_p95_ms", "response_max_ms"), _WHOLE),
    **dict.fromkeys(("cost_microdollars", "unheard_microdollars", "silent_microdollars"), _WHOLE),
    **dict.fromkeys(("captured", "values", "analysis", "recordings"), _TEXT),
}
TURN_COLUMNS: Final[dict[str, str]] = {
    "call_sid": _TEXT,
    **dict.fromkeys(("turn", "began_ms"), _WHOLE),
    **dict.fromkeys(("caller", "keys", "agent", "heard", "tools"), _TEXT),
    "was_interrupted": _YES_NO,
    **dict.fromkeys(("barge_in_ms", "response_ms", "ours_ms"), _WHOLE),
}


class ExportError(Exception):
    """It cannot be written. The message says what to do."""


def call_row(story: CallStory) -> Row:
    """One call."""
    models = [stream.model for stream in story.streams if stream.model]
    response = story.response
    row = {name: getattr(story, name) for name in CALL_COLUMNS if name in story.__struct_fields__}
    return row | {
        "model": models[-1] if models else "",
        "streams": len(story.streams),
        "turns": len(story.turns),
        "tools": sum(len(turn.tools) for turn in story.turns),
        "response_p50_ms": None if response is None else response.p50,
        "response_p95_ms": None if response is None else response.p95,
        "response_max_ms": None if response is None else response.max,
        "cost_microdollars": story.cost.microdollars,
        "unheard_microdollars": story.cost.unheard_microdollars,
        "silent_microdollars": story.cost.silent_microdollars,
        "captured": _json(story.captured) if story.captured else "",
        "recordings": " ".join(story.recordings),
    }


def turn_rows(story: CallStory) -> Iterator[Row]:
    """The turns of a call."""
    for turn in story.turns:
        yield {
            "call_sid": story.call_sid,
            "turn": turn.number,
            "began_ms": turn.began_ms,
            "caller": turn.caller,
            "keys": turn.keys,
            "agent": " ".join(spoken.words for spoken in turn.agent if spoken.words),
            "heard": turn.heard,
            "tools": _json(turn.tools) if turn.tools else "",
            "was_interrupted": turn.was_interrupted,
            "barge_in_ms": turn.barge_in_ms,
            "response_ms": None if turn.latency is None else turn.latency.whole_ms,
            "ours_ms": None if turn.latency is None else turn.latency.ours_ms,
        }


def write_jsonl(stories: Iterable[CallStory], file: IO[bytes]) -> int:
    """A whole story in each line; answers how many."""
    count = 0
    for story in stories:
        file.write(msgspec.json.encode(story) + b"\n")
        count += 1
    return count


def write_csv(stories: Iterable[CallStory], file: IO[bytes], of: Of) -> int:
    """A row for each, behind one with the names; answers how many. No cell is a formula to a spreadsheet."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        writer, count = csv.DictWriter(text, _columns(of)), 0
        writer.writeheader()
        for row in _rows(stories, of):
            writer.writerow({name: _cell(value) for name, value in row.items()})
            count += 1
        return count
    finally:
        text.detach()  # The file is its owner's to close.


def write_parquet(stories: Iterable[CallStory], file: IO[bytes], of: Of) -> int:
    """The same rows as Parquet.

    Raises:
        ExportError: its library is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - 0.2 s, and few want it
        from pyarrow import parquet as pq  # noqa: PLC0415 - so here
    except ModuleNotFoundError as error:
        raise ExportError(
            "Parquet needs a library that is not installed. Run: pip install 'callbridge[parquet]'"
        ) from error
    kinds = {_TEXT: pa.string(), _WHOLE: pa.int64(), _NUMBER: pa.float64(), _YES_NO: pa.bool_()}
    schema, count = pa.schema([pa.field(name, kinds[kind]) for name, kind in _columns(of).items()]), 0
    with pq.ParquetWriter(file, schema) as writer:
        for rows in _groups(_rows(stories, of)):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _columns(of: Of) -> dict[str, str]:
    return CALL_COLUMNS if of == "calls" else TURN_COLUMNS


def _rows(stories: Iterable[CallStory], of: Of) -> Iterator[Row]:
    for story in stories:
        if of == "calls":
            yield call_row(story)
        else:
            yield from turn_rows(story)


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if len(group) == ROWS_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _cell(value: object) -> object:
    """Text stays text: a quotation mark before it is what spreadsheets take for that."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
