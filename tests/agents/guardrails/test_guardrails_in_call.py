"""Guardrails in a call whose peers are the test: what is stopped, what is said in its place, what fails."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import memory_call as mc
from bell import Bell
from callbridge import Agent, Call
from callbridge.agents.guardrails import in_call
from callbridge.agents.guardrails.guardrail import Guardrail
from callbridge.agents.guardrails.in_call import FAULTS_NOTED_MAX, TRIPS_MAX
from callbridge.agents.wants import Wants
from callbridge.call.facts import EndReason, GuardrailTripped, ItemHeard, Noted
from callbridge.call.wants import AnswerStopped, WishSet
from callbridge.call.wishes import HangUp
from tool_runs import in_call as agent_in_call

if TYPE_CHECKING:
    from memory_call import Rig

SORRY = "I may not tell you prices."
SAY_SORRY = f"Say exactly this to the caller and nothing else: {SORRY}"
FORBIDDEN = "It costs ninety-nine dollars."


class Looked(list[str]):
    """What a guardrail has looked at. Who waits for it is woken."""

    def __init__(self) -> None:
        super().__init__()
        self._loop, self._bell = asyncio.get_running_loop(), Bell()

    def append(self, text: str) -> None:
        """From any thread."""
        super().append(text)
        self._loop.call_soon_threadsafe(self._bell.ring)

    async def until(self, latest: str) -> None:
        """It has looked at this."""
        await self._bell.until(lambda: self[-1:] == [latest])


def text_delta(words: str, response: str, item: str) -> dict[str, Any]:
    return {
        "type": "response.output_audio_transcript.delta",
        "response_id": response,
        "item_id": item,
        "delta": words,
    }


def says(words: str, response: str = "resp_2", item: str = "item_2") -> list[dict[str, Any]]:
    """An answer begins: its text, and half a second of its audio."""
    begins = mc.answer_begins(response, item)
    return [*begins, text_delta(words, response, item), mc.audio_delta(b"\xff" * 4000, response, item)]


def trips(rig: Rig) -> list[GuardrailTripped]:
    return [fact for fact in rig.facts if isinstance(fact, GuardrailTripped)]


def failures(rig: Rig) -> list[str]:
    return [
        str(dict(fact.fields)["reason"])
        for fact in rig.facts
        if isinstance(fact, Noted) and fact.event == "guardrail_failed"
    ]


def marks(rig: Rig) -> list[dict[str, Any]]:
    """Those that the phone was sent."""
    return [message for message in rig.phone.sent if message["event"] == "mark"]


async def _greeted(rig: Rig) -> None:
    await rig.goes_live()
    await rig.is_quiet()


async def stopped(rig: Rig, response: str = "resp_2") -> str:
    """The response is cancelled, and over; answers what the model is told."""
    cancel = await rig.model.hears("response.cancel")
    assert cancel["response_id"] == response
    item = (await rig.model.hears("conversation.item.create"))["item"]
    assert item["role"] == "system"
    rig.model.say({"type": "conversation.item.added", "item": item}, mc.answer_done(response, "cancelled"))
    return str(item["content"][0]["text"])


async def test_what_trips_is_stopped_and_the_corrective_sentence_is_said_exactly() -> None:
    agent, looked_at = Agent(), Looked()

    @agent.guardrail(every=10, say=SORRY)
    def no_prices(text: str, call: Call) -> bool:
        """Prices are told by the shop alone."""
        looked_at.append(f"{call.sid}: {text}")
        return "dollar" in text

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        rig.model.say(*says("It is red.")[:3])
        await looked_at.until("CA1: It is red.")
        rig.model.say(text_delta(f" {FORBIDDEN}", "resp_2", "item_2"))
        told = await stopped(rig)
        assert "Prices are told by the shop alone." in told
        assert SORRY in told
        assert (await rig.model.hears("response.create"))["response"]["instructions"] == SAY_SORRY
        rig.model.say(*says(f"{SORRY}", "resp_3", "item_3"))
        await rig.phone.hears("media")
        await rig.hangs_up()
    assert looked_at == ["CA1: It is red.", f"CA1: It is red. {FORBIDDEN}"]
    (trip,) = trips(rig)
    assert (trip.guardrail, trip.item_id, trip.was_cut) == ("no_prices", "item_2", True)


async def test_the_corrective_sentence_is_not_looked_at_where_it_is_said_as_it_is() -> None:
    """It may name what it is about; and words that a function answers come before those of `say`."""
    agent = Agent()

    @agent.guardrail(every=1, say="Not these words.")
    async def no_prices(text: str) -> str | None:
        return "I may not talk about dollars." if "dollar" in text else None

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        rig.model.say(*says(FORBIDDEN))
        await stopped(rig)
        asked = (await rig.model.hears("response.create"))["response"]["instructions"]
        assert asked.endswith(": I may not talk about dollars.")
        rig.model.say(*says("I may not talk about dollars.", "resp_3", "item_3"))
        rig.model.say(mc.answer_done("resp_3"))
        rig.model.say(*says("Nor about ninety-nine dollars.", "resp_4", "item_4"))
        await stopped(rig, "resp_4")
        await rig.hangs_up()
    assert [trip.item_id for trip in trips(rig)] == ["item_2", "item_4"]


async def test_without_a_sentence_the_model_is_told_and_asked_for_another_answer() -> None:
    agent = Agent()

    @agent.guardrail(every=10)
    def no_prices(text: str) -> bool:
        return "dollar" in text

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        rig.model.say(*says(FORBIDDEN))
        told = await stopped(rig)
        assert "no prices" in told, "where there is no docstring its name has to do"
        assert "instructions" not in (await rig.model.hears("response.create"))["response"]
        await rig.hangs_up()


async def test_the_end_of_an_answer_is_looked_at() -> None:
    """It is shorter than what is waited for. The phone still plays it."""
    agent = Agent()

    @agent.guardrail(every=1000, say=SORRY)
    def no_prices(text: str) -> bool:
        return "dollar" in text

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        rig.model.say(*says(FORBIDDEN), mc.answer_done("resp_2"))
        await rig.phone.hears("clear")
        await rig.model.hears("conversation.item.create")
        assert (await rig.model.hears("response.create"))["response"]["instructions"] == SAY_SORRY
        await rig.hangs_up()


async def test_what_was_heard_before_it_could_be_stopped_is_put_right() -> None:
    agent, may_answer = Agent(), asyncio.Event()

    @agent.guardrail(every=10, say=SORRY)
    async def no_prices(text: str) -> bool:
        await may_answer.wait()
        return "dollar" in text

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        rig.model.say(*says(FORBIDDEN), mc.answer_done("resp_2"))
        await mc.until(lambda: len(marks(rig)) == 2)
        rig.phone.say(mc.echo(marks(rig)[-1]))
        await mc.until(lambda: any(isinstance(fact, ItemHeard) for fact in rig.facts[-2:]))
        may_answer.set()
        told = (await rig.model.hears("conversation.item.create"))["item"]["content"][0]["text"]
        assert "has broken a rule" in told
        assert (await rig.model.hears("response.create"))["response"]["instructions"] == SAY_SORRY
        await rig.hangs_up()
    assert not trips(rig)[0].was_cut


async def test_one_look_at_a_time_and_the_newest_text_wins() -> None:
    agent, looked_at, may_answer = Agent(), Looked(), asyncio.Event()

    @agent.guardrail(every=1)
    async def slow(text: str) -> None:
        looked_at.append(text)
        await may_answer.wait()

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        rig.model.say(*says("a"))
        await looked_at.until("a")
        rig.model.say(*(text_delta(letter, "resp_2", "item_2") for letter in "bcd"))
        await rig.phone.hears("media")
        may_answer.set()
        await looked_at.until("abcd")
        await rig.hangs_up()
    assert looked_at == ["a", "abcd"]


async def test_a_look_that_is_late_or_raises_stops_nothing_and_is_noted_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_call, "LOOK_S", 0.05)
    agent, asked = Agent(), Looked()

    @agent.guardrail(every=1)
    async def late(text: str) -> None:
        asked.append(text)
        await asyncio.Event().wait()

    @agent.guardrail(every=1)  # type: ignore[type-var]  # That is what is wrong with it.
    def odd(text: str) -> int:
        return len(text)  # A number is no verdict.

    @agent.guardrail(every=1)
    def raises(text: str) -> bool:
        return dict[str, bool]()[text]

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        rig.model.say(*says(""))
        for count in range(1, FAULTS_NOTED_MAX + 2):
            rig.model.say(text_delta("a", "resp_2", "item_2"))
            await asked.until("a" * count)
        await mc.until(lambda: len(failures(rig)) == 3 * FAULTS_NOTED_MAX)
        await rig.hangs_up()
    assert not trips(rig)
    whys = " ".join(failures(rig))
    assert all(why in whys for why in ("longer than 0.05 s", "it gave a int", "it raised KeyError")), whys


async def test_a_function_that_hangs_is_not_asked_again_before_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise one guardrail would take all threads there are."""
    monkeypatch.setattr(in_call, "LOOK_S", 0.05)
    agent, asked, may_end = Agent(), Looked(), threading.Event()

    @agent.guardrail(every=1)
    def hangs(text: str) -> None:
        asked.append(text)
        may_end.wait(10)

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        rig.model.say(*says("a"))
        await mc.until(lambda: len(failures(rig)) == 1)
        rig.model.say(text_delta("b", "resp_2", "item_2"))
        await mc.steps(20)
        assert asked == ["a"]
        may_end.set()
        while asked == ["a"]:  # Nobody is told when its thread has ended: the next words show it.
            rig.model.say(text_delta("c", "resp_2", "item_2"))
            await asyncio.sleep(0.01)
        await rig.hangs_up()


async def test_an_agent_that_is_stopped_again_and_again_takes_its_leave() -> None:
    agent = Agent()

    @agent.guardrail(every=10, say=SORRY)
    def no_prices(text: str) -> bool:
        return "dollar" in text

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        for round_ in range(TRIPS_MAX):
            rig.model.say(*says(FORBIDDEN, f"bad_{round_}", f"bad_item_{round_}"))
            await stopped(rig, f"bad_{round_}")
            assert (await rig.model.hears("response.create"))["response"]["instructions"] == SAY_SORRY
            rig.model.say(*says(SORRY, f"sorry_{round_}", f"sorry_item_{round_}"))
            rig.model.say(mc.answer_done(f"sorry_{round_}"))
        bye = (await rig.model.hears("response.create"))["response"]
        assert bye["tool_choice"] == "none"
        rig.model.say(*says("Goodbye.", "bye", "bye_item"), mc.answer_done("bye"))
        await mc.until(lambda: rig.facts[-1].kind == "noted" and "bye" in str(rig.facts[-1]))
        rig.phone.say(mc.echo(marks(rig)[-1]))
        await rig.running
    assert rig.ended.reason is EndReason.AGENT_HANGUP
    assert len(trips(rig)) == TRIPS_MAX


async def test_an_agent_whose_goodbye_is_stopped_as_well_is_not_waited_for() -> None:
    agent = Agent()

    @agent.guardrail(every=10)
    def nothing(text: str) -> bool:
        return True

    async with mc.calling(agent) as rig:
        await _greeted(rig)
        asked = rig.model.kinds().count("response.create")
        rig.model.say(*says(FORBIDDEN, "bad_0", "bad_item_0"))
        for round_ in range(TRIPS_MAX):
            told = await stopped(rig, f"bad_{round_}")
            assert ("say goodbye" in told) == (round_ == TRIPS_MAX - 1)
            await rig.model.hears("response.create")
            rig.model.say(*says(FORBIDDEN, f"bad_{round_ + 1}", f"bad_item_{round_ + 1}"))
        await stopped(rig, f"bad_{TRIPS_MAX}")
        await rig.running
    assert rig.ended.reason is EndReason.AGENT_HANGUP
    assert len(trips(rig)) == TRIPS_MAX + 1
    assert rig.model.kinds().count("response.create") == asked + TRIPS_MAX, "and none behind the goodbye"


async def test_how_often_it_was_stopped_counts_over_all_streams_of_a_call() -> None:
    """What came too late does not, unless the caller has heard it."""

    def no_prices(text: str) -> bool:
        return "dollar" in text

    def tripped(*, was_cut: bool, heard: int = 0) -> GuardrailTripped:
        return GuardrailTripped("no_prices", "it", was_cut, 0, 0, heard, 0 if heard else 7)

    wants = Wants(asyncio.get_running_loop())
    guard = in_call.GuardrailsInCall(wants, [Guardrail(no_prices)])
    before = [tripped(was_cut=True)] * (TRIPS_MAX - 2) + [tripped(was_cut=False, heard=3)]
    for fact in (*before, tripped(was_cut=False)):
        guard.restore(fact)
    await guard.prepare(agent_in_call(Agent()).call)
    async with asyncio.timeout(mc.BOUND_S), asyncio.TaskGroup() as tasks:
        guard.start(tasks)
        guard.hears("agent", "it", f"{FORBIDDEN} {FORBIDDEN}")
        await wants.written()
    assert isinstance(wants.take(), AnswerStopped)
    guard.told(tripped(was_cut=True))
    assert wants.take() == WishSet(HangUp())
