"""The simulated voice model without a script: each of its answers is asked of a text model, and waited for.

It is only the choice of words and tools. Everything on the wire stays as strict as it is with a script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.simulators.voice_model import Answer, Failure
from callbridge.testing.persona.part import question_of
from callbridge.testing.persona.text_models import TextModelFault
from callbridge.testing.prompting import MovesPrompter, NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from callbridge.simulators.voice_model import Journal
    from callbridge.testing.calling import CallerWords
    from callbridge.testing.persona.persona import Improvised
    from callbridge.testing.persona.text_models import TextModels


class ImprovisedPrompter(MovesPrompter):
    """Chooses the answers of all sessions of a call.

    Args:
        part: which text model plays it.
        models: who is asked.
        words: of the caller, for the transcript.
        voice: makes speech of what it says.
    """

    def __init__(
        self, part: Improvised, models: TextModels, words: CallerWords, voice: Callable[[str], bytes]
    ) -> None:
        super().__init__((), words, voice)
        self.sessions: Sequence[Journal] = ()
        """Of the model; the latest is the one that speaks."""
        self._part, self._models = part, models

    def made(self, offered: Collection[str], asked: str) -> Answer:
        """What the text model answers. Once it has failed it is asked no more."""
        if self.fault:
            return _FAILED
        try:
            answer = self._models.ask(
                question_of(self.sessions[-1], asked, offered, self._voice, self._part.model)
            )
        except TextModelFault as fault:
            self.fault = str(fault)
            self.on_fault()
            return _FAILED
        for call in answer.calls:
            if call.name not in offered:
                self.not_offered.append(NotOffered(self._words.now(), call.name, tuple(sorted(offered))))
        return answer


_FAILED = Answer(status="failed", error=Failure(message="No text model has answered."))
