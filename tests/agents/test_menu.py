"""Keys that mean something by themselves."""

from __future__ import annotations

import pytest

import memory_call as mc
from callbridge.agents.agent import Agent
from callbridge.agents.context import Call
from callbridge.agents.fault import AgentFault
from callbridge.agents.tools.tool import EndCall
from callbridge.call import facts
from callbridge.call.facts import EndReason


async def test_a_key_leads_to_code_and_not_to_the_model() -> None:
    """What the code answers, the model is told."""
    agent, pressed = Agent(), list[str]()

    @agent.key("1")
    def opening_hours(call: Call) -> str:
        pressed.append(call.sid)
        return "They were sent the opening hours."

    async with mc.calling(agent) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        rig.phone.say(mc.key("1"))
        item = (await rig.model.hears("conversation.item.create"))["item"]
        assert item["content"][0]["text"] == "[The caller pressed 1. They were sent the opening hours.]"
        await rig.model.hears("response.create")
        await rig.hangs_up()
    assert pressed == ["CA1"]
    assert [fact.is_menu for fact in rig.facts if isinstance(fact, facts.KeysPressed)] == [True]


async def test_a_key_that_answers_nothing_is_not_spoken_about() -> None:
    agent = Agent()

    @agent.key("2")
    async def louder(call: Call) -> None:
        call.values["is_loud"] = True

    async with mc.calling(agent) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        rig.phone.say(mc.key("2"))
        await mc.until(lambda: any(fact.kind == "values_set" for fact in rig.facts))
        await rig.hangs_up()
    assert "conversation.item.create" not in rig.model.kinds()


async def test_a_key_may_end_the_call_with_what_it_answers() -> None:
    """The goodbye speaks about it; it is not answered beside that."""
    agent = Agent()

    @agent.key("9")
    async def leave() -> EndCall:
        return EndCall("They want to go.")

    async with mc.calling(agent) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        rig.phone.say(mc.key("9"))
        item = (await rig.model.hears("conversation.item.create"))["item"]
        assert item["content"][0]["text"] == "[The caller pressed 9. They want to go.]"
        assert (await rig.model.hears("response.create"))["response"]["tool_choice"] == "none"
        await rig.speaks(b"\xff" * 800, "bye", "bye")
        rig.model.say(mc.answer_done("bye"))
        rig.phone.say(mc.echo(await rig.phone.hears("mark")))
        await rig.running
    assert rig.ended.reason is EndReason.AGENT_HANGUP
    assert rig.model.kinds().count("response.create") == 2, "the greeting and the goodbye"


async def test_several_keys_are_told_to_the_model_beside_a_menu() -> None:
    """A number is no menu; who has keys of its own reads all of them."""
    agent = Agent()

    @agent.key("1")
    def never() -> None:
        raise AssertionError

    async with mc.calling(agent) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        rig.phone.say(mc.key("4"), mc.key("1"), mc.key("#"))
        item = (await rig.model.hears("conversation.item.create"))["item"]
        assert item["content"][0]["text"] == "[The caller pressed 4 1 # on the telephone keypad.]"
        await rig.hangs_up()


async def test_the_key_for_a_person_works_while_there_is_no_model() -> None:
    """Whatever the model does: it may be what they want to get away from."""
    dialer = mc.MemoryDialer()
    dialer.picks_up.clear()
    async with mc.calling(Agent(person_key="0"), dialer=dialer) as rig:
        rig.phone.say(mc.CONNECTED, mc.START)
        await dialer.rings()
        rig.phone.say(mc.key("0"))
        await rig.running
    assert rig.ended.reason is EndReason.PERSON_WANTED


@pytest.mark.parametrize("key", ["#", "10", "a", "", "7"])
def test_a_key_that_is_none_or_is_taken_is_refused(key: str) -> None:
    agent = Agent(person_key="7")
    with pytest.raises(AgentFault, match="key"):
        agent.key(key)
