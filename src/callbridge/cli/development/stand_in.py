"""What the simulated model of `callbridge dev` says, where no script was named.

It understands nothing. It says word for word what it is told to say, so the greeting is the agent's own;
otherwise it goes through the lines of the built-in bakery if the agent has its tool, or says what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.simulators.voice_model import Answer, Prompter, Say, demo_script
from callbridge.testing.prompting import dictated
from callbridge.testing.speech import Speech, agent_speaker

if TYPE_CHECKING:
    from collections.abc import Collection

TOOL: Final = "opening_hours"
"""Of the built-in bakery. An agent that has it can be called by its lines."""

LINES: Final = (
    "I am the simulated model. I hear that you speak, and I understand nothing.",
    "With a key of OpenAI in the file dot env, the real model answers you.",
    "A script tells me what to say. Tests of your agent have one.",
)
"""For every other agent, one after the other."""


class StandIn(Prompter):
    """Of one session of the model."""

    def __init__(self) -> None:
        script = demo_script()
        super().__init__(script)
        self._greeting = script.answers[0]
        self._speak = agent_speaker(Speech.INSTALLED)
        self._is_bakery = False
        self._said = 0

    def caller_said(self) -> Answer:
        """What the bakery's caller says there; of others it has heard no word."""
        return super().caller_said() if self._is_bakery else Answer(empty=True)

    def next(self, offered: Collection[str], told: str = "", asked: str = "") -> Answer:
        """What it is told to say; otherwise its next line."""
        self._is_bakery = TOOL in offered
        words = dictated(asked)
        if not words:
            return super().next(offered, told, asked) if self._is_bakery else self._say(self._line())
        if self._is_bakery and super().caller_said() is self._greeting:
            super().next(offered, told, asked)
        return self._say(words)

    def _line(self) -> str:
        self._said += 1
        return LINES[(self._said - 1) % len(LINES)]

    def _say(self, text: str) -> Answer:
        return Answer(say=(Say(text=text, audio=self._speak(text)),))
