"""A call becomes a test: it passes as long as the agent does the same, and fails when it does not."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import stories
from callbridge import Agent
from callbridge.console.lanes import Sound
from callbridge.testing import Calls, Interrupt, Line, Pause, Press, Says
from callbridge.testing.freezing import NotFrozenError, frozen, own_tools, toml, write
from callbridge.testing.scenarios.pages import sound_of
from callbridge.testing.scenarios.playing import ScenarioPlayer
from callbridge.testing.scenarios.reading import read_scenarios

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.records.story import CallStory
    from callbridge.testing import PlayedCall
    from callbridge.testing.scenarios.running import Judged

AGENT = """
from callbridge import Agent

agent = Agent(instructions="You answer for a bakery.", greeting="The bakery, good day!")

@agent.tool
async def opening_hours(day: str) -> str:
    '''When the shop is open.'''
    return "from eight until two"
"""


def bakery() -> Agent:
    names: dict[str, Any] = {}
    exec(AGENT, names)  # noqa: S102  # Our own text, which is a file below.
    agent: Agent = names["agent"]
    return agent


@pytest.fixture(scope="module")
def original() -> PlayedCall:
    """A call with a bit of everything: an interruption, a long silence, keys, a tool, a goodbye."""
    return Line().play(
        bakery(),
        caller=[
            "Are you open on Sunday?",
            Interrupt(900, "And on Monday?"),
            Pause(1500),
            Press("12#"),
            "Thank you, goodbye.",
        ],
        model=[
            Calls("opening_hours", day="Sunday"),
            "On Sunday we are open from eight until two, and on all other days from eight until six.",
            "On Monday until six.",
            "You have pressed twelve.",
            Says("Goodbye!", then=Calls("end_call")),
        ],
    )


def told(story: CallStory) -> list[tuple[Any, ...]]:
    """What a call comes down to: words, what was heard of them, keys, tools."""
    return [
        (
            turn.caller,
            turn.keys,
            turn.was_interrupted,
            [(spoken.words, spoken.heard, spoken.was_cut) for spoken in turn.agent],
            [(tool.name, tool.arguments, tool.result, tool.outcome) for tool in turn.tools],
        )
        for turn in story.turns
    ]


def played(scenario: Path, agent: str = AGENT) -> Judged:
    (scenario.parent / "bakery_of_test.py").write_text(agent, encoding="utf-8")
    (found,) = read_scenarios(scenario)
    return ScenarioPlayer.of(found).play(found, found.scenario.seed)


def test_it_is_played_again_as_it_was(original: PlayedCall, tmp_path: Path) -> None:
    made = frozen(
        original.story, sound=sound_of(original), agent="bakery_of_test.py", own_tools=own_tools(bakery())
    )
    again = played(write(made, tmp_path), AGENT.replace("from eight until two", "never"))
    assert again.failures == (), "its tools answer as they did"
    assert again.call is not None
    assert again.call.story.began_at == pytest.approx(original.story.began_at, abs=1.5), (
        "nor is it another day"
    )
    assert told(again.call.story) == told(original.story)
    began = [[turn.began_ms for turn in call.story.turns] for call in (original, again.call)]
    assert began[1] == pytest.approx(began[0], abs=120)
    assert sum(name.endswith(".wav") for name in made.files) == 3


@pytest.mark.heavy
def test_without_its_sound_the_words_are_spoken_anew(original: PlayedCall, tmp_path: Path) -> None:
    made = frozen(original.story, agent="bakery_of_test.py")
    again = played(write(made, tmp_path))
    assert again.failures == ()
    assert again.call is not None
    assert told(again.call.story) == told(original.story)
    assert made.files.keys() == {made.scenario}
    assert "The caller was not recorded" in " ".join(made.missing)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("before", "after", "told_of"),
    [
        ("async def opening_hours", "async def when_open", "the session did not offer it"),
        ("day: str", "day: int", "refused"),
        ("The bakery, good day!", "Hello.", "The bakery, good day!"),
    ],
)
def test_it_fails_when_the_agent_is_another_one(
    original: PlayedCall, tmp_path: Path, before: str, after: str, told_of: str
) -> None:
    made = frozen(original.story, sound=sound_of(original), agent="bakery_of_test.py")
    again = played(write(made, tmp_path), AGENT.replace(before, after))
    assert any(told_of in failure for failure in again.failures), again.failures


def test_it_is_written_once(tmp_path: Path) -> None:
    """Somebody may have worked on it since."""
    made = frozen(stories.RICH)
    assert write(made, tmp_path / "tests") == tmp_path / "tests" / "call-abcdef.call.toml"
    with pytest.raises(NotFrozenError, match="is there already"):
        write(made, tmp_path / "tests")
    assert write(frozen(stories.RICH, name="other"), tmp_path / "tests").name == "other.call.toml"


def test_what_was_not_kept_is_said_in_the_file() -> None:
    made = frozen(stories.RICH, sound=Sound(b"", b""))
    text = made.files[made.scenario].decode()
    comments = " ".join(re.findall(r"^# (.*)$", text, re.MULTILINE))
    for missing in made.missing:
        assert missing in comments
    assert {missing.partition(" (")[0] for missing in made.missing} == {
        "Some of the caller's words were not recorded: they are spoken anew.",
        "The call was not taped",
        "Where the caller's words are not known the transcript says so.",
    }


def test_a_call_of_which_nothing_is_kept_becomes_no_test() -> None:
    wordless = [
        msgspec.structs.replace(
            turn, agent=tuple(msgspec.structs.replace(spoken, words="", heard="") for spoken in turn.agent)
        )
        for turn in stories.RICH.turns
    ]
    with pytest.raises(NotFrozenError, match=r"CALLBRIDGE_KEEP_WORDS.*CALLBRIDGE_RECORDINGS"):
        frozen(msgspec.structs.replace(stories.RICH, turns=tuple(wordless)))
    with pytest.raises(NotFrozenError, match="still on"):
        frozen(msgspec.structs.replace(stories.RICH, state="live"))


@pytest.mark.parametrize("value", ['He said "no" \\ \x7f\n…', -3, 1.5, True, [1, [2]], {"a b": {"c": "d"}}])
def test_what_is_written_as_toml_is_read_again(value: Any) -> None:
    assert tomllib.loads(toml.assignment("x", value)) == {"x": value}


@pytest.mark.heavy
def test_the_model_thinks_as_long_as_it_did() -> None:
    waits = []
    for after_ms in (300, 1500):
        call = Line().play(bakery(), caller=["Open?"], model=[Says("Yes, until two.", after_ms=after_ms)])
        waits += [turn.latency.whole_ms for turn in call.story.turns if turn.latency is not None]
    assert waits[1] - waits[0] == pytest.approx(1200, abs=60)
