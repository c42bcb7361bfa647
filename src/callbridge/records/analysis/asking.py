"""Asks a text model about a call that is over: one question, one validated answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from callbridge.records.analysis.completion import (
    ANSWER_TOKENS_MAX,
    AnalysisFault,
    faults_in_words,
    in_schema,
    text_of,
)
from callbridge.records.analysis.findings import UnfitAnswer, read_answer, schema_of
from callbridge.records.analysis.question import messages_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openai.types.chat import ChatCompletion

    from callbridge.records.analysis.completion import TextClient
    from callbridge.records.analysis.findings import Custom, Findings
    from callbridge.records.story import CallStory

TRIES: Final = 2
"""An answer that is not as asked is asked for once more, with what was wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and what it took."""

    findings: Findings
    custom: object
    model: str
    tokens_in: int
    tokens_out: int


async def ask(
    client: TextClient,
    model: str,
    story: CallStory,
    *,
    tools: Iterable[str] = (),
    instructions: str = "",
    custom: Custom | None = None,
) -> Answer:
    """What `model` finds in the call.

    Raises:
        AnalysisFault: it cannot be asked, will not answer, or answers what was not asked for.
    """
    wrong, tokens_in, tokens_out = "", 0, 0
    for _ in range(TRIES):
        said = await _ask_once(client, model, messages_for(story, tools, instructions, wrong), custom)
        if said.usage is not None:
            tokens_in, tokens_out = (
                tokens_in + said.usage.prompt_tokens,
                tokens_out + said.usage.completion_tokens,
            )
        try:
            findings, own = read_answer(text_of(said), custom)
        except UnfitAnswer as error:
            wrong = str(error)
        else:
            return Answer(findings, own, said.model, tokens_in, tokens_out)
    raise AnalysisFault(f"its answer is not as asked: {wrong}", is_lasting=True)


async def _ask_once(
    client: TextClient, model: str, messages: list[dict[str, str]], custom: Custom | None
) -> ChatCompletion:
    given: Any = messages  # The client has a type for each role.
    wanted: Any = in_schema("call_findings", schema_of(custom))
    with faults_in_words():
        said: ChatCompletion = await client.chat.completions.create(
            model=model,
            messages=given,
            max_completion_tokens=ANSWER_TOKENS_MAX,
            response_format=wanted,
        )
    return said
