"""An agent's file becomes an agent, or all that is wrong with it is told at once, with its lines."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callbridge.agents.detection import ServerVad
from callbridge.agents.fault import AgentError
from callbridge.agents.tools.tool import Manner
from callbridge.agents.written.reading import read_agent
from pharmacies import EXAMPLE

if TYPE_CHECKING:
    from callbridge.agents.agent import Agent

ENVIRONMENT = {"PHARMACY_KEY": "pk-live-4711", "SHORT": "abc", "EMPTY": ""}

HEAD = 'who = "You answer for a shop."\nallow = ["https://api.example.com"]\n'
TOOL = """
[[tools]]
name = "find"
description = "Finds it."
url = "https://api.example.com/things/{thing}"
parameters.thing.description = "What."
"""


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Path:
    return tmp_path / "shop.toml"


def agent_of(text: str, path: Path) -> Agent:
    path.write_text(text, encoding="utf-8")
    return read_agent(path, ENVIRONMENT).agent


def faults_of(text: str, path: Path) -> list[str]:
    """What is told of a file, a line for each fault."""
    with pytest.raises(AgentError) as caught:
        agent_of(text, path)
    first, *faults = str(caught.value).split("\n")
    assert first == f"{path} cannot be an agent:"
    return [fault.strip() for fault in faults]


# --- What becomes of it ---


def test_what_is_left_out_is_left_to_the_settings(write: Path) -> None:
    agent = agent_of('who = "You answer for a shop."', write)
    assert (agent.name, agent.instructions) == ("shop", "You answer for a shop.")
    open_ones = [agent.greeting, agent.voice, agent.language, agent.time_zone, agent.model, agent.spend_max]
    assert open_ones == [None] * 6
    assert (agent.turn_detection, agent.tool_timeout_s, agent.person_key) == (None, None, "")
    assert agent.toolbox.names == ("end_call",)


def test_every_plain_key_is_the_agents(write: Path) -> None:
    agent = agent_of(
        """
        who = "You answer for a shop."
        name = "corner_shop"
        greeting = "Hello!"
        voice = "marin"
        language = "de"
        time_zone = "Europe/Berlin"
        model = "gpt-realtime-mini"
        reasoning_effort = "low"
        person_key = "0"
        tool_timeout_s = 3
        spend_max = 0.5
        can_hang_up = false
        can_press_keys = true
        greeting_interruptible = true
        turn_detection = { type = "server_vad", threshold = 0.4, silence_duration_ms = 700 }
        """,
        write,
    )
    assert (agent.name, agent.greeting, agent.voice, agent.language) == (
        "corner_shop", "Hello!", "marin", "de",
    )  # fmt: skip
    assert (agent.time_zone, agent.model, agent.reasoning_effort) == (
        "Europe/Berlin", "gpt-realtime-mini", "low",
    )  # fmt: skip
    assert (agent.person_key, agent.tool_timeout_s, agent.spend_max) == ("0", 3.0, 0.5)
    assert agent.greeting_interruptible
    assert agent.toolbox.names == ("press_keys",)
    assert agent.turn_detection == ServerVad(threshold=0.4, silence_duration_ms=700)


@pytest.mark.parametrize(
    ("more", "manner"),
    [
        ("", Manner(timeout_s=3.0)),
        ("timeout_s = 11", Manner(timeout_s=11.0)),
        ('answers = "later"', Manner(timeout_s=60.0, is_later=True)),
        ('answers = "later"\ntimeout_s = 200', Manner(timeout_s=200.0, is_later=True)),
        (
            'waiting_sound = true\nwhen_caller_hangs_up = "cancel"',
            Manner(timeout_s=3.0, has_waiting_sound=True, stops_at_hangup=True),
        ),
    ],
)
def test_a_tool_has_its_time_and_manner(more: str, manner: Manner, write: Path) -> None:
    agent = agent_of(f"tool_timeout_s = 3\n{HEAD}{TOOL}{more}", write)
    assert agent.toolbox.tools[-1].manner == manner


# --- What is wrong with it ---


def test_all_faults_are_told_at_once_with_their_lines(write: Path) -> None:
    """Of several kinds: of one key, of keys that belong together, of what the environment lacks."""
    text = """\
greting = "Hello!"
numbers = ["415 555"]
language = "jp"
time_zone = "Europe/Berln"
allow = ["https://api.example.com", "http://shop.example", "https://10.0.0.1/"]

[turn_detection]
type = "server_vad"
treshold = 0.4

[[tools]]
name = "one"
descripton = "Finds it."
url = "https://api.example.com/"

[[tools]]
name = "two"
description = '''
[tools.parameters.nothing]
who = "This is a text."
'''
url = "https://evil.example/{day}"
headers = { Authorization = "Bearer pk-live-4711", X-Key = "${NO_KEY}" }
[tools.parameters.day]
required = false
[tools.result]
slots = "data.["
"""
    assert faults_of(text, write) == [
        "who: it is missing",
        "line 1, greting: there is no such key; did you mean greeting?",
        "line 2, numbers: 415 555 is no number as Twilio has it; write it like +14155550100",
        "line 3, language: must be a language of ISO-639-1. Perhaps ja is meant.",
        "line 4, time_zone: there is no time zone Europe/Berln; write one like Europe/Berlin",
        (
            "line 5, allow[2]: http://shop.example: http:// may lead to this machine only, in development; "
            "use https://"
        ),
        "line 5, allow[3]: 10.0.0.1 is an internal address; requests go to public ones",
        "line 9, turn_detection.treshold: there is no such key; did you mean threshold?",
        "line 11, tools[1].description: it is missing",
        "line 13, tools[1].descripton: there is no such key; did you mean description?",
        (
            "line 22, tools[2].url: https://evil.example is not in the list `allow`; add "
            '"https://evil.example" to it'
        ),
        (
            "line 23, tools[2].headers.Authorization: keep the secret in the environment, and write "
            'Authorization = "…${ITS_NAME}"'
        ),
        "line 23, tools[2].headers.X-Key: NO_KEY must be set in the environment, and not be empty",
        "line 24, tools[2].parameters.day: a part of the path cannot be left out; it is required",
        (
            "line 27, tools[2].result.slots: this is no JMESPath expression: Invalid jmespath expression: "
            'Incomplete expression: "data.[" ^'
        ),
    ]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("timeout_s = 13", "line 4, tools[1]: tool find: timeout_s=13; set it above 0, to 12"),
        ("timeout_s = 0", "line 9, tools[1].timeout_s: it should be greater than 0"),
        ('timeout_s = "3"', "line 9, tools[1].timeout_s: it should be a valid number"),
        ('confirm = "yes"', "line 9, tools[1].confirm: it should be a valid boolean"),
        (
            'method = "TRACE"',
            "line 9, tools[1].method: it should be 'GET', 'POST', 'PUT', 'PATCH' or 'DELETE'",
        ),
        ('headers.Host = "x"', "line 9, tools[1].headers.Host: this header cannot be set"),
        (
            'headers.X-Key = "${SHORT}"',
            "line 9, tools[1].headers.X-Key: SHORT has fewer than 6 characters, which is no secret",
        ),
        (
            'headers.X-Key = "${EMPTY}"',
            "line 9, tools[1].headers.X-Key: EMPTY must be set in the environment, and not be empty",
        ),
        (
            'headers.X-Key = "${not a name}"',
            "line 9, tools[1].headers.X-Key: write a name of the environment as ${NAME}",
        ),
        (
            'parameters.thing.type = "int"',
            "line 9, tools[1].parameters.thing.type: it should be 'string', 'integer', 'number' or 'boolean'",
        ),
        (
            'parameters.size = { type = "integer", enum = ["1"] }',
            "line 9, tools[1].parameters.size: everything in `enum` must be of type integer",
        ),
        (
            'parameters.phone = { of_call = "caller_number", value = "+1" }',
            "line 9, tools[1].parameters.phone: it is `of_call` or has a `value`, not both",
        ),
        (
            'parameters.phone = { of_call = "caller_number", description = "Theirs." }',
            (
                "line 9, tools[1].parameters.phone: the model does not see it: it has no `enum` and no "
                "`description`"
            ),
        ),
        (
            'parameters.size = { sent_is = "query" }',
            "line 9, tools[1].parameters.size.sent_is: there is no such key; did you mean sent_as?",
        ),
        ('parameters.size = { in = "body" }', "line 9, tools[1].parameters.size: a GET has no body"),
        (
            "parameters.size = { value = nan }",
            "line 9, tools[1].parameters.size.value: it should be a valid string",
        ),
        (
            'result.n = "lenght(slots)"',
            "line 9, tools[1].result.n: this is no JMESPath expression: Unknown function: lenght()",
        ),
        (
            'result.n = "slots[*].{n: join(names)}"',
            (
                "line 9, tools[1].result.n: this is no JMESPath expression: Expected 2 arguments for "
                "function join(), received 1"
            ),
        ),
        (
            'parameters.a-b = { type = "string" }',
            (
                "line 9, tools[1].parameters.a-b: write a letter, and at most 63 more letters a to z, digits "
                "and _"
            ),
        ),
        ('result = "hole"', "line 9, tools[1].result: it should be 'whole' or 'nothing'"),
        (
            f"{TOOL}",
            "line 10, tools[2]: there are two tools named find; rename one",
        ),
        (
            TOOL.replace("find", "end_call"),
            "line 10, tools[2]: there are two tools named end_call; rename one",
        ),
    ],
)
def test_what_is_wrong_with_a_tool_is_told(more: str, fault: str, write: Path) -> None:
    faults = faults_of(f"{HEAD}{TOOL}{more}", write)
    assert faults[0] == fault
    assert ENVIRONMENT["PHARMACY_KEY"] not in "".join(faults)


def test_a_tool_needs_the_list(write: Path) -> None:
    assert faults_of(f'who = "You answer."{TOOL}', write) == [
        (
            "line 5, tools[1].url: https://api.example.com is not in the list `allow`; add "
            '"https://api.example.com" to it'
        )
    ]


def test_a_secret_that_no_header_takes_is_told_without_it(write: Path) -> None:
    write.write_text(f'{HEAD}{TOOL}headers.X-Key = "${{KEY}}"', encoding="utf-8")
    with pytest.raises(AgentError, match=r"X-Key: a header has letters") as caught:
        read_agent(write, {"KEY": "pk-live\r\n4711"})
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'who = "You answer."\ngreeting = Hello', "is not TOML: Invalid value (at line 2, column 12)"),
        (b'who = "You answer."\nwho = "You."', "is not TOML: Cannot overwrite a value"),
        (b"who = 1\n\xff", "line 2: this is not UTF-8; save the file as UTF-8"),
        (b'who = "You."\nspend_max = ' + b"9" * 5000, "is not TOML: "),
        (b"#" * (1024 * 1024 + 1), "has more than 1024 KiB, and is no agent"),
    ],
)
def test_what_cannot_be_read_is_told(content: bytes, told: str, write: Path) -> None:
    write.write_bytes(content)
    with pytest.raises(AgentError) as caught:
        read_agent(write, {})
    assert str(caught.value).startswith(str(write))
    assert told in str(caught.value)


def test_a_mark_at_the_beginning_is_no_fault(write: Path) -> None:
    """Notepad writes it."""
    write.write_bytes(b'\xef\xbb\xbfwho = "You answer."')
    assert read_agent(write, {}).agent.instructions == "You answer."


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"none\.toml cannot be read: No such file or directory"):
        read_agent(tmp_path / "none.toml", {})


@pytest.mark.parametrize("stem", ["my agent", "a" * 49])
def test_a_file_whose_name_is_no_agents_name_says_one(stem: str, tmp_path: Path) -> None:
    path = tmp_path / f"{stem}.toml"
    (fault,) = faults_of('who = "You answer."', path)
    assert "a name has at most 48 letters" in fault
    assert agent_of('who = "You answer."\nname = "mine"', path).name == "mine"


_VALUES = [
    *("1", "-1", "true", '"x"', '""', "[]", "{}", "[1]", "[{}]", "{a=1}", "nan", "inf", "1979-05-27"),
    *('"${X}"', '["a"]', "[[]]", "9" * 25),
]


@pytest.mark.parametrize("seed", range(50))
def test_whatever_is_wrong_is_told_and_not_raised(seed: int, write: Path) -> None:
    """Some lines of the example are gone, doubled, or say something else."""
    rng = random.Random(seed)
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(lines))
        key, is_assigned, _ = lines[place].partition("=")
        changes = ["", rng.choice(lines), *([f"{key}= {rng.choice(_VALUES)}"] * 6 if is_assigned else [])]
        lines[place] = rng.choice(changes)
    write.write_text("\n".join(lines), encoding="utf-8")
    with contextlib.suppress(AgentError):
        read_agent(write, ENVIRONMENT)
