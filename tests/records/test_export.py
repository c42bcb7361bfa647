"""Stories as files: every call, every turn, in columns that say what they are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import msgspec
import pytest

from callbridge.records.export import CALL_COLUMNS, TURN_COLUMNS, write_csv, write_jsonl, write_parquet
from callbridge.records.story import CallStory, Turn
from stories import RICH, SID

OTHER = CallStory("CA2", "live", 2.0, caller="=HYPERLINK()", turns=(Turn(1, 0, caller='+1 and, "so"\non'),))
STORIES = (RICH, OTHER)


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def test_json_lines_are_whole_stories() -> None:
    file = io.BytesIO()
    assert write_jsonl(STORIES, file) == 2
    assert [msgspec.json.decode(line, type=CallStory) for line in file.getvalue().splitlines()] == [
        RICH,
        OTHER,
    ]


def test_csv_has_rows_of_calls() -> None:
    """The file is left open, and no cell of it is computed by a spreadsheet."""
    file = io.BytesIO()
    assert write_csv(STORIES, file, "calls") == 2
    rich, other = rows_of(file.getvalue())
    assert list(rich) == list(CALL_COLUMNS)
    assert (rich["call_sid"], rich["model"], rich["turns"], rich["tools"]) == (
        SID,
        "gpt-realtime-2.1",
        "3",
        "2",
    )
    assert (rich["response_p50_ms"], rich["cost_microdollars"], rich["caller"]) == (
        "792",
        "45200",
        "'+********00",
    )
    assert json.loads(rich["captured"]) == RICH.captured
    assert (other["caller"], other["ended_at"], other["response_p50_ms"]) == ("'=HYPERLINK()", "", "")


def test_csv_has_rows_of_turns() -> None:
    file = io.BytesIO()
    assert write_csv(STORIES, file, "turns") == 4
    rows = rows_of(file.getvalue())
    assert list(rows[0]) == list(TURN_COLUMNS)
    assert [row["turn"] for row in rows] == ["1", "2", "3", "1"]
    assert rows[1]["heard"] == "Monday at half past nine is free. Shall …"
    assert [tool["name"] for tool in json.loads(rows[1]["tools"])] == ["find_slot", "open_bill"]
    assert rows[3]["caller"] == '\'+1 and, "so"\non'


@pytest.mark.parametrize(("of", "count"), [("calls", 2), ("turns", 4)])
def test_parquet_has_the_same_rows_with_types(of: str, count: int) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    assert write_parquet(STORIES, file, of) == count  # type: ignore[arg-type]  # One of the two.
    table = pq.read_table(io.BytesIO(file.getvalue()))
    assert table.column_names == list(CALL_COLUMNS if of == "calls" else TURN_COLUMNS)
    first = table.to_pylist()[0]
    if of == "calls":
        assert (first["began_at"], first["cost_microdollars"]) == (RICH.began_at, 45_200)
    else:
        assert (first["was_interrupted"], first["response_ms"]) == (False, None)


def test_what_is_read_is_written_before_the_next_is_read() -> None:
    """However many calls there are, one is in memory."""
    file = io.BytesIO()

    def told() -> Iterator[CallStory]:
        for number in range(3):
            assert file.getvalue().count(b"\n") == number
            yield msgspec.structs.replace(OTHER, call_sid=f"CA{number}")

    assert write_jsonl(told(), file) == 3
