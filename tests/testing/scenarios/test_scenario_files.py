"""Files of calls: what they may say, what is told of a wrong one, and the schema that editors have."""

from __future__ import annotations

import datetime as dt
import inspect
import json
import tomllib
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]  # It ships no types.
import pytest

from callbridge.testing import Calls, Interrupt, Persona
from callbridge.testing.effects import Noise
from callbridge.testing.expecting.expectations import Expectations
from callbridge.testing.scenarios.expect import Expect, Words
from callbridge.testing.scenarios.places import Places
from callbridge.testing.scenarios.reading import ScenarioError, read_scenarios
from callbridge.testing.scenarios.schema import schema_text, shipped_schema

if TYPE_CHECKING:
    from pathlib import Path

SEVERAL = """
agent = "shop.agent:agent"
settings = { CALLBRIDGE_LANGUAGE = "de", CALLBRIDGE_CALL_MAX_S = 60 }

[expect]
heard = "eight until two"

[[call]]
name = "sunday"
tags = ["smoke"]
caller = ["Are you open?", { step = "interrupt", after_ms = 900, say = "And Monday?" }]
model = [{ move = "calls", tool = "opening_hours", arguments = { day = "Sunday" } }, "Until two."]
effects = [{ effect = "noise", snr_db = 20 }]
[[call.expect.tool]]
name = "opening_hours"
times = 1

[[call]]
name = "nobody knows"
agent = "other.toml"
settings = { CALLBRIDGE_LANGUAGE = "fr" }
expect = { heard = [{ text = "good day", turn = 1 }, "bye"], no_complaints = { except = ["silence"] } }
caller = { who = "Maria, in a hurry", goal = "order a cake" }
repeat = 20
rate = 0.95
at = 2026-11-29T09:00:00+01:00
people = { "+15550100031" = "takes" }
"""

WRONG = """\
agnt = "shop.agent:agent"

[[call]]
name = "one"
caller = ["Hello?", { step = "wait", ms = 3 }, 5]
rate = 1.5
[call.expect]
heard = []
no_tools = false
ended_by = "nobody"

[[call]]
caller = ["Hello?"]
"""


def written(folder: Path, text: str, name: str = "hours.call.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_what_stands_above_holds_for_every_call(tmp_path: Path) -> None:
    one, other = read_scenarios(written(tmp_path, SEVERAL))
    assert (one.name, one.line, other.line) == ("sunday", 8, 18)
    assert one.scenario.caller == ("Are you open?", Interrupt(900, "And Monday?"))
    assert one.scenario.model == (Calls("opening_hours", day="Sunday"), "Until two.")
    assert one.scenario.effects == (Noise(20),)
    assert one.scenario.expect.heard == "eight until two"
    assert [tool.name for tool in one.scenario.expect.tool] == ["opening_hours"]  # type: ignore[union-attr]  # A list was written.
    assert other.scenario.agent == "other.toml"
    assert other.scenario.settings == {"CALLBRIDGE_LANGUAGE": "fr", "CALLBRIDGE_CALL_MAX_S": 60}
    assert other.scenario.expect.heard == (Words(text="good day", turn=1), "bye")
    assert other.scenario.at == dt.datetime(2026, 11, 29, 8, tzinfo=dt.UTC)
    assert other.scenario.people == {"+15550100031": "takes"}
    assert other.scenario.caller == Persona("Maria, in a hurry", "order a cake")


def test_the_only_call_of_a_file_is_called_as_the_file(tmp_path: Path) -> None:
    (only,) = read_scenarios(written(tmp_path, 'caller = ["Hello?"]'))
    assert (only.name, only.line) == ("hours", 1)


def test_all_that_is_wrong_is_told_with_its_line_and_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as error:
        read_scenarios(written(tmp_path, WRONG))
    path, *faults = str(error.value).splitlines()
    assert path == f"{tmp_path / 'hours.call.toml'} cannot be a file of calls:"
    assert [fault.strip() for fault in faults] == [
        "line 1, agnt: there is no such key; did you mean agent?",
        (
            "line 5, call[1].caller[2].step: there is no 'wait'; what may stand there: "
            "say, interrupt, backchannel, press, pause, wait_for_agent, hang_up, vanish"
        ),
        "line 5, call[1].caller[3]: it should be a text or a table, and is a whole number",
        "line 6, call[1].rate: it should be a number <= 1.0",
        "line 9, call[1].expect.no_tools: write true",
        'line 10, call[1].expect.ended_by: write "agent" or "caller"',
        "line 12, call[2].name: it is missing",
    ]


LONG = """\
caller = [ # [not this]
  "one, [two], {three}", # four
  { step = "press", keys = "1" }, "five",
  '''
six
''',
  7,
]
"""


def test_a_member_of_a_list_is_told_with_its_own_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"line 7, caller\[5\]: it should be a text or a table"):
        read_scenarios(written(tmp_path, LONG))
    places = Places(LONG)
    assert [places.line_of(("caller", number)) for number in range(6)] == [2, 3, 3, 4, 7, 1]
    assert places.line_of(("caller", 1, "keys")) == 3
    assert places.line_of(("nothing",)) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('caller = ["Hello?"', "is not TOML"),
        ('call = "Hello?"', "write each call as a table of its own: [[call]]"),
        ("", "caller: it is missing"),
        ('[[call]]\nname="a"\ncaller=[]\n[[call]]\nname="a"\ncaller=[]', "there is another call named 'a'"),
        ('caller = [{ step = "press", keys = "x" }]', "write keys of a telephone"),
        (
            'caller = []\n[expect]\ntool = { name = "a", times = 1, at_least = 1 }',
            "times or at_least, not both",
        ),
    ],
)
def test_what_is_no_file_of_calls_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=r"hours\.call\.toml") as error:
        read_scenarios(written(tmp_path, text))
    assert told in str(error.value)


def test_a_file_that_is_not_there_or_not_utf_8_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        read_scenarios(tmp_path / "none.call.toml")
    (tmp_path / "latin.call.toml").write_bytes(b'caller = ["\xe9"]')
    with pytest.raises(ScenarioError, match="line 1: this is not UTF-8"):
        read_scenarios(tmp_path / "latin.call.toml")


def test_expectations_have_the_same_names_in_both() -> None:
    """What a test in Python can expect, a file can, and nothing else."""
    asked = {name for name, _ in inspect.getmembers(Expectations, inspect.isfunction) if name[0] != "_"}
    assert set(Expect.__struct_fields__) == asked - {"all", "settle", "judge", "judged"}


# --- The schema ---------------------------------------------------------------------------------------------


def test_the_shipped_schema_is_what_the_structs_say() -> None:
    """`python -m callbridge.testing.scenarios.schema` writes it anew."""
    assert shipped_schema() == schema_text()


def test_an_editor_is_told_of_the_same_faults() -> None:
    schema = json.loads(shipped_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    # Editors take dates of TOML for texts.
    several = json.loads(json.dumps(tomllib.loads(SEVERAL), default=dt.datetime.isoformat))
    assert not list(validator.iter_errors(several))
    assert not list(validator.iter_errors({"caller": ["Hello?"]}))
    wrong = {error.json_path for error in validator.iter_errors(tomllib.loads(WRONG))}
    assert wrong == {
        "$",
        "$.call[0].caller",
        "$.call[0].rate",
        "$.call[0].expect.no_tools",
        "$.call[0].expect.ended_by",
        "$.call[1]",
    }
    assert schema["properties"]["rate"]["description"] == "The share of these calls that must pass."
