"""The model of a test: its moves as answers of the simulated model, in their order, whatever becomes of it.

Pure.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from callbridge.simulators import voice_model
from callbridge.simulators.voice_model import Answer, Failure, Fault
from callbridge.testing import moves as written

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from callbridge.testing.calling import CallerWords
    from callbridge.testing.moves import ModelMove

NOTHING_LEFT: Final = "I am sorry, I have nothing more to say."
"""What the model says when it is asked for more than its moves. It is a complaint of the call."""

_WORD_FOR_WORD: Final = re.compile(r"\bSay exactly this\b[^:]*: (.+)", re.DOTALL)
"""How the service asks for the greeting, and for words of the agent's own code."""

_SENTENCES: Final = (
    ("still there", "Are you still there?"),
    ("about a minute", "This call has to end in about a minute."),
    ("hanging up", "I am hanging up now. Goodbye!"),
    ("say goodbye", "This call has to end now. Goodbye!"),
)
"""What it says where it is told in the service's words what to say, but not how: by what stands in them."""


@dataclass(frozen=True, slots=True)
class NotOffered:
    """A tool that the model was to call and could not."""

    at: float
    """By the clock of the call's loop."""
    tool: str
    offered: tuple[str, ...]
    """What there was instead."""


class MovesPrompter(voice_model.Prompter):
    """Chooses the answers of all sessions of a call.

    Args:
        moves: what the model does, one for each response that it is asked for.
        words: of the caller, for the transcript.
        voice: makes speech of what it says.
    """

    def __init__(self, moves: Iterable[ModelMove], words: CallerWords, voice: Callable[[str], bytes]) -> None:
        super().__init__(voice_model.Script())
        self.waiting: deque[ModelMove] = deque(moves)
        """Moves that nobody has asked for yet."""
        self.unscripted: list[float] = []
        """When there was none, by the clock of the call's loop."""
        self.not_offered: list[NotOffered] = []
        """Tools that it was to call, and that the session did not offer."""
        self.fault = ""
        """Why it could not go on, where something else than moves makes its answers."""
        self.on_fault: Callable[[], None] = lambda: None
        """What ends the call: with a model that fails, or that does what none can, nothing is proved."""
        self._words = words
        self._voice = voice

    def caller_said(self) -> Answer:
        """What the caller has just said."""
        return Answer(caller=self._words.take(), empty=True)

    def caller_says(self) -> Answer:
        """The same while they still speak."""
        return Answer(caller=self._words.take_begun(), empty=True)

    def call_was_cut(self) -> None:
        """What follows is up to the moves."""

    def next(self, offered: Collection[str], told: str = "", asked: str = "") -> Answer:
        """What it is told to say, word for word; otherwise its next move."""
        del told
        self.left_out = []
        if words := dictated(asked):
            return self._saying(words)
        return self.made(offered, asked)

    def made(self, offered: Collection[str], asked: str) -> Answer:
        """Its next move.

        Args:
            offered: the names of the tools that it may call.
            asked: instructions of this very response; empty where it follows those of the session.
        """
        del asked
        if not self.waiting:
            self.unscripted.append(self._words.now())
            return self._saying(NOTHING_LEFT)
        return self._answer(self.waiting.popleft(), offered)

    def out_of_band(self, offered: Collection[str]) -> Answer:
        """Its next move, too."""
        return self.next(offered)

    def _answer(self, move: ModelMove, offered: Collection[str]) -> Answer:
        match move:
            case str():
                return self._saying(move)
            case written.Says(text):
                calls = self._calls(move.calls, offered)
                said = () if calls and not text else (self._say(text),)
                return Answer(say=said, calls=calls, after_ms=move.after_ms)
            case written.Calls():
                return Answer(calls=self._calls((move,), offered), after_ms=move.after_ms)
            case written.Fails(code):
                return Answer(status="failed", error=Failure(code=code, message=f"Failed as asked: {code}."))
            case written.Silent():
                return Answer(silent=True)
            case written.Drops():
                return Answer(silent=True, faults=(Fault(kind="abort"),))
            case _:
                assert_never(move)

    def _calls(
        self, calls: Iterable[written.Calls], offered: Collection[str]
    ) -> tuple[voice_model.Call, ...]:
        made = []
        for call in calls:
            if call.tool not in offered:
                self.not_offered.append(NotOffered(self._words.now(), call.tool, tuple(sorted(offered))))
                self.on_fault()
            made.append(voice_model.Call(name=call.tool, arguments=call.arguments, even_if_not_offered=True))
        return tuple(made)

    def _saying(self, text: str) -> Answer:
        return Answer(say=(self._say(text),))

    def _say(self, text: str) -> voice_model.Say:
        return voice_model.Say(text=text, audio=self._voice(text))


def dictated(asked: str) -> str:
    """The words that a response is told to have; empty where it is an ordinary one."""
    found = _WORD_FOR_WORD.search(asked)
    if found is not None:
        return found[1]
    return next((sentence for sign, sentence in _SENTENCES if sign in asked), NOTHING_LEFT if asked else "")
