"""Calls in which text models play: the caller, the voice model, or both. The text model is a strict fake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from beside import beside
from callbridge import Agent
from callbridge.simulators.text_model import CallsTool, Fails, Refuses, Says, TextModel
from callbridge.simulators.voice_model import Answer, Script, serve_model, voiced
from callbridge.testing import (
    ExpectationError,
    Improvised,
    Judge,
    Limits,
    Line,
    Persona,
    RealModel,
    Speech,
    TextModelMissing,
    load_conversation,
)
from made_calls import made_call
from text_models import text_model, text_server, turn, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.simulators.text_model.completions import Reaction
    from callbridge.testing import PlayedCall

__all__ = ["text_model", "text_server"]

WHO, GOAL = "Mia, in a hurry. Her order is 17.", "Find out when the bakery opens on Sunday."
MIA = Persona(WHO, GOAL)
GREETING = "Bakery Lindner, hello!"


def bakery() -> Agent:
    agent = Agent(instructions="You answer the telephone of a bakery.", greeting=GREETING)

    @agent.tool
    async def opening_hours(day: str) -> str:
        """When the bakery is open.

        Args:
            day: of the week, in English.
        """
        return f"{day}: eight to two"

    return agent


def heard_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The call, as the text model was shown it."""
    shown: list[dict[str, Any]] = json.loads(request["messages"][-1]["content"])["call"]
    return shown


async def test_a_persona_and_an_improvised_voice_model_talk(text_model: TextModel, tmp_path: Path) -> None:
    """Neither knows more than the wire gives it, and a call of both complains of nothing."""
    goodbye = turn("Bye!", "1#", "reached", hangs_up=True)
    text_model.will_answer("caller_turn", turn("Open on Sunday?"), goodbye)
    text_model.will_answer(
        "",
        CallsTool("opening_hours", {"day": "Sunday"}),
        Says("From eight until two."),
        Says("Goodbye!"),
    )
    text_model.will_answer("verdicts", verdicts(("yes", 0.9, (2, "from eight until two"))))
    call = await Line().call(bakery(), caller=MIA, model=Improvised())

    call.expect.no_complaints()
    call.expect.tool("opening_hours", day="Sunday").once().returned("Sunday: eight to two")
    call.expect.keys("1#")
    call.expect.judged(Judge(["The caller was told the hours of Sunday."]))
    assert call.goal == "reached"

    persona = [request for request in text_model.taken if "response_format" in request]
    assert WHO in persona[0]["messages"][0]["content"]
    assert heard_of(persona[0]) == [{"you_heard": GREETING}]
    assert heard_of(persona[1])[1:] == [
        {"you_said": "Open on Sunday?"},
        {"you_heard": "From eight until two."},
    ]
    voice = [request for request in text_model.taken if "tools" in request]
    assert "telephone of a bakery" in voice[0]["messages"][0]["content"]
    assert {"role": "user", "content": "Open on Sunday?"} in voice[0]["messages"]
    assert voice[1]["messages"][-1]["content"] == "Sunday: eight to two"

    stored = load_conversation(call.save(tmp_path) / "call.conversation.json")
    assert (stored.persona, stored.goal, len(stored.judgements)) == (MIA, "reached", 1)
    assert [exchange.purpose for exchange in stored.exchanges].count("voice model") == 3


def test_no_judge_saves_what_fails_and_a_check_may_veto(text_model: TextModel) -> None:
    text_model.will_answer("verdicts", *[verdicts(("yes", 1.0, None))] * 2)
    call = made_call()
    judge = Judge(["All is well."])
    assert call.judge(judge).is_passed
    with pytest.raises(ExpectationError, match="vetoed: nothing was said of hours"):
        call.expect.judged(judge, veto=lambda _: "nothing was said of hours")
    with pytest.raises(ExpectationError):
        call.expect.heard("eight until two")
    turns = json.loads(text_model.taken[0]["messages"][-1]["content"])["call"]["turns"]
    assert turns[1]["caller_heard"] == "From eight …"
    assert turns[1]["never_heard"].startswith("until two."), "it was cut, and the judge is told where"


async def test_without_a_text_model_nobody_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "CALLBRIDGE_ANALYSIS_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TextModelMissing, match="OPENAI_API_KEY"):
        await Line().call(bakery(), caller=MIA)
    with pytest.raises(ValueError, match="without real_sockets"):
        await Line().call(bakery(), model=Improvised(), real_sockets=True)


async def played(persona: Persona, model: Any) -> PlayedCall:
    return await Line().call(bakery(), caller=persona, model=model)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("limits", "reactions", "model", "complaint"),
    [
        (Limits(turns=2), [turn("Hm?")] * 9, ["Yes?"] * 9, "the 2 turns of"),
        (Limits(call_s=6), [turn("Hm?")] * 9, ["Yes?"] * 9, "reached the 6 s"),
        (Limits(dollars=0.0086), [turn("Hm?")] * 9, ["Yes?"] * 9, "more than the $0.0086 of the call"),
        (Limits(), [Refuses()], [], "the model refuses to answer"),
        (Limits(), [Fails(401, "invalid_api_key")], [], "invalid_api_key"),
        (Limits(), [turn("…")] * 2, [], "Say something, press keys, or hang up"),
    ],
)
async def test_each_limit_and_fault_ends_the_call_with_a_word(
    text_model: TextModel, limits: Limits, reactions: list[Reaction], model: list[str], complaint: str
) -> None:
    text_model.will(*reactions)
    call = await played(Persona(WHO, GOAL, limits=limits), model)
    assert any(complaint in one.text for one in call.complaints), call.complaints
    call.expect.ended_by("caller")


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("reactions", "why"),
    [([Fails(401, "invalid_api_key")], "invalid_api_key"), ([Says("👍")] * 2, "is empty")],
)
async def test_an_improvised_model_that_fails_ends_the_call(
    text_model: TextModel, reactions: list[Reaction], why: str
) -> None:
    text_model.will_answer("caller_turn", turn("Open on Sunday?"))
    text_model.will_answer("", *reactions)
    call = await played(MIA, Improvised())
    assert [one.kind for one in call.complaints if why in one.text] == ["text_model"]


@pytest.mark.heavy
async def test_a_persona_over_real_sockets_keeps_its_pace_while_it_thinks(text_model: TextModel) -> None:
    text_model.will(turn("Bye!", hangs_up=True))
    call = await Line().call(bakery(), caller=MIA, model=["Goodbye!"], real_sockets=True)
    call.expect.caller_said("Bye!")
    call.expect.no_complaints()


@pytest.mark.heavy
async def test_the_real_model_answers_only_when_asked_for(
    text_model: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real sockets, with the key of the environment and a cap; here a simulated one stands in for it."""
    text_model.will(turn("Open on Sunday?"), turn("Bye!", goal="reached", hangs_up=True))
    said = [Answer(say=(text,)) for text in (GREETING, "From eight until two.", "Goodbye!")]
    script = voiced(Script(answers=tuple(said)))
    with beside(serve_model(script, keys={"sk-test"})) as standing_in:
        monkeypatch.setenv("CALLBRIDGE_REALTIME_URL", standing_in.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        text_model.key = "sk-test"
        real = RealModel(dollars=0.25)
        call = await Line().call(bakery(), caller=MIA, model=real, speech=Speech.SYNTHETIC)
        (journal,) = standing_in.sessions
    call.expect.no_complaints()
    assert [one["you_heard"] for one in heard_of(text_model.taken[1]) if "you_heard" in one] == [
        GREETING,
        "From eight until two.",
    ]
    assert call.has_real_model
    assert len(journal.responses) == 3
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(TextModelMissing, match="real voice model"):
        await Line().call(bakery(), model=real)
