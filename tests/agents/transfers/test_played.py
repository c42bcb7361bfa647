"""Transfers in calls that are played: the last words are heard, and the stream ends with whom to ring."""

from __future__ import annotations

import memory_call as mc
from callbridge import Agent, Call, Destination
from callbridge.call import telephone_facts as tf
from callbridge.call import wishes
from callbridge.call.facts import EndReason

SALES = Destination("sales", "+14155550100", when="they want to buy")


def asked(rig: mc.Rig) -> tf.TransferAsked:
    """The one transfer of the call, with which its stream has ended."""
    (found,) = [fact for fact in rig.facts if isinstance(fact, tf.TransferAsked)]
    assert rig.ended.reason is EndReason.TRANSFERRED
    assert rig.ended.follows == wishes.PutThrough(found.transfer_id, found.transfer.name)
    return found


async def last_words(rig: mc.Rig) -> None:
    """The agent says its last words, and they are heard."""
    await rig.speaks(b"\xff" * 800, "last", "last")
    rig.model.say(mc.answer_done("last"))
    rig.phone.say(mc.echo(await rig.phone.hears("mark")))
    await rig.running


async def test_the_model_asks_and_says_a_sentence() -> None:
    async with mc.calling(Agent(transfers=[SALES])) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        arguments = '{"to": "sales", "reason": "a cake"}'
        rig.model.say({"type": "response.created", "response": {"id": "asks", "status": "in_progress"}})
        rig.model.say(mc.tool_call("transfer", response="asks", arguments=arguments), mc.answer_done("asks"))
        output = (await rig.model.hears("conversation.item.create"))["item"]["output"]
        assert "put through to sales" in output
        assert (await rig.model.hears("response.create"))["response"]["tool_choice"] == "none"
        await last_words(rig)
    transfer = wishes.Transfer("sales", "+14155550100", language="", reason="a cake")
    assert asked(rig).transfer == transfer


async def test_a_key_puts_through_with_exact_words() -> None:
    agent = Agent(transfers=[SALES])

    @agent.key("1")
    def sales(call: Call) -> None:
        call.transfer("sales", "One moment, I put you through.", reason="key 1")

    async with mc.calling(agent) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        rig.phone.say(mc.key("1"))
        words = (await rig.model.hears("response.create"))["response"]["instructions"]
        assert "One moment, I put you through." in words
        await last_words(rig)
    assert asked(rig).transfer.reason == "key 1"
    assert rig.model.kinds().count("response.create") == 2, "the greeting and the last words"
