"""Short calls with an agent that somebody might have written: a few words each way, and what came of them.

What the model says is a script. What the agent must do is told by the results of its tools, by the words that
the service made the model say, and by what the caller heard to its end.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from callbridge.call.facts import ToolUsed
from callbridge.simulators.phone import Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Call, Script, session_reports
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import FinishedCall, stack
from random_calls import noise, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.agents.choosing.gathering import Answering
    from callbridge.call.outcomes import ToolOutcome
    from callbridge.simulators.phone import Step
    from callbridge.state.state import State

HEARD = WaitForAgent(quiet_ms=120)


class Voices:
    """What is said, by both sides: loud, short, and never the same twice."""

    def __init__(self) -> None:
        self._rng = random.Random(4)

    def agent(
        self, *said: str, caller: str = "", calls: Sequence[Call] = (), after_call: bool = False
    ) -> Answer:
        """An answer of the model; `caller` is what the caller has said before it."""
        spoken = tuple(Speech(text=text, audio=noise(self._rng, 160)) for text in said)
        return Answer(say=spoken, calls=tuple(calls), caller=caller, after_call=after_call)

    def caller(self) -> Say:
        """Something that the caller says; what it means stands in the answer to it."""
        return Say(words(self._rng, 240))


@dataclass
class Played:
    """A call that was played."""

    call: FinishedCall

    @property
    def heard(self) -> list[str]:
        """What the agent said that the caller has heard to its end, in order."""
        items = self.call.journal.items
        return [items[one.item_id].transcript for one in self.call.heard() if one.was_heard_to_its_end]

    @property
    def to_say(self) -> str:
        """All that the model was made to say, as it was told."""
        return "\n".join(response.instructions for response in self.call.journal.responses)

    @property
    def told(self) -> list[str]:
        """What the model was told beside what was said."""
        (report,) = session_reports([self.call.journal])
        return [said.text for said in report.words if said.role == "system"]

    @property
    def outputs(self) -> list[tuple[str, str | None]]:
        """What the model was told of each tool that it called."""
        (report,) = session_reports([self.call.journal])
        return [(tool.name, tool.output) for tool in report.tools]

    @property
    def outcomes(self) -> list[ToolOutcome]:
        """How each tool ended that was asked for."""
        return [used.outcome for used in self.call.of(ToolUsed)]


async def play(
    agent: Answering,
    answers: Sequence[Answer],
    steps: Sequence[Step],
    environment: Mapping[str, str] | None = None,
    state: State | None = None,
    **line: Any,
) -> Played:
    """Calls the agent; neither side may have anything to complain about.

    Args:
        agent: who answers.
        answers: what the model says.
        steps: what the caller does.
        environment: settings of the service, by their names.
        state: what outlives the service; by default nothing does.
        line: what differs from an ordinary call.
    """
    script = Script(answers=tuple(answers), after_ms=20)
    async with stack(script, agent=agent, environment=environment, state=state) as running:
        call = await running.call(list(steps), **line)
    assert call.report.is_clean, call.report
    assert call.journal.refusals == []
    return Played(call)
