"""The `.env` file: what a line means, and that nothing which was meant in it is lost without a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.server.config.env_file import Entry, LineFault, decoded, read_lines, unquoted


def values(text: str) -> dict[str, str]:
    """The values by name. Nothing may be wrong with the text."""
    found = list(read_lines(text))
    assert all(isinstance(each, Entry) for each in found), found
    return {each.name: each.value for each in found if isinstance(each, Entry)}


MEANT = {
    "A=b": "b",
    "A=": "",
    "A = b c ": "b c",
    "  export A=b": "b",
    "A=it's fine": "it's fine",
    "A=room#4": "room#4",
    "A=a=b": "a=b",
    "A=costs $5": "costs $5",
    'A="b # c"': "b # c",
    "A='b # c'  # why": "b # c",
    'A="it\'s"': "it's",
    r"A='it\'s'": "it's",
    r'A="say \"hi\"\n"': 'say "hi"\n',
    r"A='a\nb'": r"a\nb",
    'A="one\ntwo"': "one\ntwo",
    "A='one\n\n# two\nthree=3'": "one\n\n# two\nthree=3",
    'A=""': "",
    "A='${B}'": "${B}",
}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("text", "value"), MEANT.items())
def test_value_of_a_line(text: str, value: str, newline: str) -> None:
    """Whatever ends the lines, and whatever stands before and behind."""
    whole = f"# A comment\n\nX=1\n{text}\nY=2".replace("\n", newline)
    assert values(whole) == {"X": "1", "A": value, "Y": "2"}


AMBIGUOUS = {
    "A=Hello #1 shop": ("A", "has a # in it", "double quotes"),
    "A=8080 # the port": ("A", "has a # in it", "a line of its own"),
    "A= # nothing yet": ("A", "has a # in it", "a line of its own"),
    "A=#1 in town": ("A", "has a # in it", "double quotes"),
    "A='Hello, it's Anna'": ("A", "goes on behind its closing '", "\\'"),
    'A="Hello" he said': ("A", 'goes on behind its closing "', '\\"'),
    'A="Hello': ("A", 'begins with ", which is not closed', "Close it"),
    "A='tis me": ("A", "begins with ', which is not closed", "Close it"),
    "A=${B}": ("A", "${…}", "single quotes"),
    'A="${B:-c}"': ("A", "${…}", "single quotes"),
    "Hello there": ("", "cannot be read", "NAME=value"),
    "A B=c": ("", "cannot be read", "NAME=value"),
    "=c": ("", "cannot be read", "NAME=value"),
}


@pytest.mark.parametrize(("text", "expected"), AMBIGUOUS.items())
def test_line_that_readers_take_in_different_ways(text: str, expected: tuple[str, str, str]) -> None:
    """It is told with its line, and costs no other line anything."""
    before, fault, after = read_lines(f"X='1\n2'\n{text}\nY=2")
    assert (before, after) == (Entry(1, "X", "1\n2"), Entry(4, "Y", "2"))
    assert isinstance(fault, LineFault)
    name, what, remedy = expected
    assert (fault.line, fault.name) == (3, name)
    assert what in fault.what
    assert remedy in fault.remedy


def test_forgotten_quote_swallows_no_setting() -> None:
    """The next apostrophe may be lines away, in a greeting: what lies between is not text of the first."""
    first, *rest = read_lines("NOTE='it\nCALLBRIDGE_CALLS_MAX=5\nCALLBRIDGE_AGENT_GREETING=It's me")
    assert isinstance(first, LineFault)
    assert (first.line, first.name) == (1, "NOTE")
    assert rest == [Entry(2, "CALLBRIDGE_CALLS_MAX", "5"), Entry(3, "CALLBRIDGE_AGENT_GREETING", "It's me")]


@given(st.text(st.sampled_from("ab=#'\"\\ \n${}") | st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_read(text: str) -> None:
    """Every line that is no comment comes out, as itself or in a value of several lines: none is dropped."""
    found = list(read_lines(text))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    told = {each.line for each in found}
    for number, line in enumerate(lines, 1):
        if number in told or not line.strip() or line.strip().startswith("#"):
            continue
        before = max((each for each in found if each.line < number), key=lambda each: each.line)
        assert '"' in lines[before.line - 1] or "'" in lines[before.line - 1]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_quoted_value_comes_back(text: str) -> None:
    """Whatever is escaped as C has it can be a value."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "'$'").replace("\n", "\\n")
    assert values(f'A="{quoted}"') == {"A": text.replace("$", "'$'")}


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        ("A=1\nB=grüß\n".encode("cp1252"), 2, "older encoding"),
        ("A=1\nB=grüß\n".encode("utf-16"), 1, "UTF-16"),
        ("A=1\nB=grüß\n".encode("utf-16-be"), 1, "older encoding"),
        ("A=1\r\nB=2\rC=grüß".encode("latin-1"), 3, "older encoding"),
    ],
)
def test_other_encoding_is_told_with_its_line(data: bytes, line: int, what: str) -> None:
    (fault,) = decoded(data)[1]
    assert fault.line == line
    assert what in fault.what
    assert "UTF-8" in fault.remedy


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_with_and_without_its_mark(encoding: str) -> None:
    text, faults = decoded("A=grüß\n".encode(encoding))
    assert (values(text), faults) == ({"A": "grüß"}, [])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"sk-1"', "sk-1"),
        ("'it''s'", "'it''s'"),
        (r'"say \"hi\""', 'say "hi"'),
        ('"a" and "b"', '"a" and "b"'),
        ("'tis", "'tis"),
        ('"', '"'),
        ("", ""),
    ],
)
def test_quotes_around_the_whole_value_go(value: str, expected: str) -> None:
    """Those that Docker's `--env-file` leaves on; not those that belong to a text."""
    assert unquoted(value) == expected
