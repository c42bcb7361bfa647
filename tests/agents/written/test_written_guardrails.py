"""What an agent's file says of what it may not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import memory_call as mc
from callbridge.agents.fault import AgentError
from callbridge.agents.written.reading import read_agent
from callbridge.call.facts import GuardrailTripped

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.agents.agent import Agent

FILE = """
who = "You answer for a shop."

[[guardrails]]
name = "no_prices"
phrases = ["dollar", "$"]
about = "Prices are told by the shop alone."
say = "I am not allowed to tell you prices."
every = 10

[[guardrails]]
name = "no_rivals"
phrases = ["Mill Lane"]
"""


def read(folder: Path, text: str = FILE) -> Agent:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return read_agent(path, {}).agent


async def test_an_agent_of_a_file_is_stopped_and_says_what_stands_there(tmp_path: Path) -> None:
    async with mc.calling(read(tmp_path)) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        words = {
            "type": "response.output_audio_transcript.delta",
            "response_id": "resp_2",
            "item_id": "item_2",
            "delta": "It costs ninety-nine Dollars.",
        }
        rig.model.say(*mc.answer_begins("resp_2", "item_2"), words)
        await rig.model.hears("response.cancel")
        item = (await rig.model.hears("conversation.item.create"))["item"]
        assert "Prices are told by the shop alone." in item["content"][0]["text"]
        rig.model.say({"type": "conversation.item.added", "item": item})
        rig.model.say(mc.answer_done("resp_2", "cancelled"))
        asked = (await rig.model.hears("response.create"))["response"]["instructions"]
        assert asked.endswith("I am not allowed to tell you prices.")
        await rig.hangs_up()
    assert [fact.guardrail for fact in rig.facts if isinstance(fact, GuardrailTripped)] == ["no_prices"]


def test_what_is_left_out_is_as_in_python(tmp_path: Path) -> None:
    _, rivals = read(tmp_path).guardrails.of_words
    assert (rivals.name, rivals.about, rivals.say, rivals.every) == ("no_rivals", "", "", 30)


@pytest.mark.parametrize(
    ("part", "instead", "why"),
    [
        ('"no_rivals"', '"no_prices"', r"line 11, guardrails\[2\]: there are two guardrails named no_prices"),
        ('["Mill Lane"]', '["Mill Lane", "-"]', r"line 13, guardrails\[2\].phrases\[2\]: it says nothing"),
        ('["Mill Lane"]', "[]", r"line 13, guardrails\[2\].phrases: "),
        ('phrases = ["Mill Lane"]', "", r"line 11, guardrails\[2\].phrases: it is missing"),
        ("phrases = [", "patterns = [", r"patterns: there is no such key"),
        ("every = 10", "every = 0", "it should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(tmp_path: Path, part: str, instead: str, why: str) -> None:
    assert part in FILE
    with pytest.raises(AgentError, match=why):
        read(tmp_path, FILE.replace(part, instead))
