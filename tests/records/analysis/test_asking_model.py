"""The official client against a strict endpoint on a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callbridge.records.analysis import asking, completion
from callbridge.records.analysis.asking import ask
from callbridge.records.analysis.completion import AnalysisFault, open_client
from callbridge.records.analysis.findings import Custom
from callbridge.records.story import CallStory, Turn
from callbridge.simulators.text_model import (
    Babbles,
    CutOff,
    Fails,
    Filtered,
    Hangs,
    Refuses,
    Says,
    TextModel,
    serve_text_model,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from callbridge.simulators.text_model import TextModelServer
    from callbridge.simulators.text_model.completions import Reaction

pytest.importorskip("openai", reason="needs pip install 'callbridge[analysis]'")

MODEL = "gpt-5-mini"
STORY = CallStory("CA1", "ended", 0.0, turns=(Turn(1, 0, "Are you open?", heard="Until eight."),))
FOUND: dict[str, Any] = {
    "summary": "They asked when the shop is open.",
    "intent": "opening hours",
    "sentiment": 0.5,
    "lead_score": 10,
    "outcome": "resolved",
    "follow_ups": [],
    "promises": [],
}


@pytest.fixture
async def server() -> AsyncIterator[TextModelServer]:
    async with serve_text_model(TextModel()) as running:
        yield running


async def asked(
    server: TextModelServer, *reactions: Reaction, key: str = "test", **more: Any
) -> asking.Answer:
    server.model.will(*reactions)
    async with open_client(server.base_url, key) as client:
        return await ask(client, more.pop("model", MODEL), STORY, **more)


async def test_an_answer_is_validated_and_counted(server: TextModelServer) -> None:
    answer = await asked(server, Says(FOUND), tools=["book"], instructions="Sales count.")
    assert answer.findings.summary == FOUND["summary"]
    assert answer.model.startswith(MODEL)
    assert answer.tokens_in > 100
    (request,) = server.model.taken
    assert "Sales count." in request["messages"][0]["content"]


async def test_a_model_that_finds_nothing_still_answers_as_asked(server: TextModelServer) -> None:
    """The schema is one that the endpoint takes, and its least answer one that we take."""
    closed = {"type": "object", "required": ["age"], "additionalProperties": False}
    schema = closed | {"properties": {"age": {"type": "integer"}}}
    answer = await asked(server, custom=Custom(schema, lambda found: found))
    assert (answer.findings.lead_score, answer.custom) == (0, {"age": 0})


async def test_an_answer_that_does_not_fit_is_asked_for_once_more(server: TextModelServer) -> None:
    answer = await asked(server, Says(FOUND | {"sentiment": 7}), Says(FOUND))
    assert answer.findings.sentiment == 0.5
    assert "sentiment" in server.model.taken[1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("reactions", "why", "is_lasting"),
    [
        ([Says("no JSON")] * 2, "not as asked: It is not JSON", True),
        ([Says(FOUND | {"more": 1})] * 2, "not as asked: more", True),
        ([CutOff()] * 2, "too long", True),
        ([Refuses()], "refuses", True),
        ([Babbles()], "cannot be read", False),
        ([Filtered()], "filter", True),
        ([Fails(429, "rate_limit_exceeded", "7")], "429 .rate_limit_exceeded", False),
        ([Fails(429, "insufficient_quota")], "insufficient_quota", True),
        ([Fails(503)], "503", False),
        ([Fails(500, "bad code\n+14155550100")], "answers 500$", False),
    ],
)
async def test_every_other_answer_is_a_fault(
    server: TextModelServer, reactions: list[Reaction], why: str, *, is_lasting: bool
) -> None:
    with pytest.raises(AnalysisFault, match=why) as fault:
        await asked(server, *reactions)
    assert fault.value.is_lasting is is_lasting
    assert fault.value.after_s == (7.0 if "rate_limit" in why else None)


async def test_a_wrong_key_or_model_is_of_no_use_again(server: TextModelServer) -> None:
    for wrong in ({"key": "other"}, {"model": "gpt-0"}):
        with pytest.raises(AnalysisFault) as fault:
            await asked(server, **wrong)
        assert fault.value.is_lasting


async def test_an_endpoint_that_hangs_or_is_gone_may_come_back(
    server: TextModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "TIMEOUT_S", 0.05)
    with pytest.raises(AnalysisFault, match="within") as hung:
        await asked(server, Hangs())
    async with open_client("http://127.0.0.1:9/v1", "test") as client:
        with pytest.raises(AnalysisFault, match="reached") as gone:
            await ask(client, MODEL, STORY)
    assert [hung.value.is_lasting, gone.value.is_lasting] == [False, False]
