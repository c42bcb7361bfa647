"""What an agent's file says of what it may not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import memory_call as mc
from callbridge import Call, Caller
from callbridge.agents.context import About
from callbridge.agents.fault import AgentError
from callbridge.agents.guardrails.tools import refusal_of
from callbridge.agents.written.reading import read_agent
from callbridge.call.facts import GuardrailTripped

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.agents.agent import Agent

FILE = """
who = "You answer for a shop."
can_press_keys = true
handoffs."orders.eu" = {}

[[guardrails]]
name = "no_prices"
phrases = ["dollar*", "$"]
about = "Prices are told by the shop alone."
say = "I am not allowed to tell you prices."
every = 10

[[guardrails]]
name = "no_rivals"
phrases = ["Mill Lane"]

[[tool_guardrails]]
name = "small_orders"
tools = ["press_keys", "transfer_to_orders_eu"]
where = "length(keys) > `3`"
about = "Three keys at the most."
"""


def read(folder: Path, text: str = FILE) -> Agent:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return read_agent(path, {}).agent


def says(words: str, item: str) -> dict[str, Any]:
    """A piece of an answer's text."""
    kind = "response.output_audio_transcript.delta"
    return {"type": kind, "response_id": "resp_2", "item_id": item, "delta": words}


async def test_an_agent_of_a_file_is_stopped_and_says_what_stands_there(tmp_path: Path) -> None:
    async with mc.calling(read(tmp_path)) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        words = says("It costs ninety-nine Dollars.", "item_2")
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


async def test_a_phrase_that_may_become_another_word_waits_for_what_follows(tmp_path: Path) -> None:
    """The end of the answer is the end of its last word."""
    async with mc.calling(read(tmp_path, FILE.replace('"dollar*"', '"ass"').replace("10", "1"))) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        for said in (("I am your ass", "istant."), ("You are an", " ass")):
            item = f"item of {len(said[0])}"
            rig.model.say(*mc.answer_begins("resp_2", item), *(says(piece, item) for piece in said))
            rig.model.say(mc.answer_done("resp_2"))
        await mc.until(lambda: any(isinstance(fact, GuardrailTripped) for fact in rig.facts))
        await rig.hangs_up()
    assert [fact.item_id for fact in rig.facts if isinstance(fact, GuardrailTripped)] == ["item of 10"]


def test_what_is_left_out_is_as_in_python(tmp_path: Path) -> None:
    _, rivals = read(tmp_path).guardrails.of_words
    assert (rivals.name, rivals.about, rivals.say, rivals.every) == ("no_rivals", "", "", 30)


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("press_keys", '{"keys": "1234"}', "Three keys at the most."),
        ("press_keys", '{"keys": "123"}', None),
        ("press_keys", "{}", "could not be found out"),
        ("end_call", '{"keys": "1234"}', None),
    ],
)
async def test_a_tool_does_not_run_for_what_stands_there(
    tmp_path: Path, tool: str, arguments: str, why: str | None
) -> None:
    """Where its arguments are such that nobody can say, it does not run either."""
    refusal = await refusal_of(
        read(tmp_path).guardrails.of_tools, tool, arguments, Call(About("CA1", Caller(""), ""), {})
    )
    assert (refusal is None) == (why is None)
    assert refusal is None or (why or "") in refusal.output


@pytest.mark.parametrize(
    ("part", "instead", "why"),
    [
        ('"no_rivals"', '"no_prices"', r"line 13, guardrails\[2\]: there are two guardrails named no_prices"),
        ('["Mill Lane"]', '["Mill Lane", "-"]', r"line 15, guardrails\[2\].phrases\[2\]: it says nothing"),
        ('["Mill Lane"]', '["*Lane"]', r"line 15, guardrails\[2\].phrases\[1\]: a \* stands at the end"),
        ('["Mill Lane"]', "[]", r"line 15, guardrails\[2\].phrases: "),
        ('phrases = ["Mill Lane"]', "", r"line 13, guardrails\[2\].phrases: it is missing"),
        ("phrases = [", "patterns = [", r"patterns: there is no such key"),
        ('"small_orders"', '"no_prices"', r"tool_guardrails\[1\]: there are two guardrails named no_prices"),
        (
            '"press_keys", ',
            '"press_key", ',
            r"line 19, .*\[1\].tools: there is no tool press_key$",
        ),
        ("> `3`", ">", r"line 20, tool_guardrails\[1\].where: this is no JMESPath expression"),
        ("every = 10", "every = 0", "it should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_told_with_its_line(tmp_path: Path, part: str, instead: str, why: str) -> None:
    assert part in FILE
    with pytest.raises(AgentError, match=why):
        read(tmp_path, FILE.replace(part, instead))
