"""The caller of a test: its steps as those of the simulated phone, and what its words are at any moment.

Pure but for the clock that it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from callbridge.simulators import phone
from callbridge.simulators.sounds import attenuated
from callbridge.testing import steps as written
from callbridge.testing.effects import MHM_LOSS_DB
from callbridge.wire.audio import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.testing.steps import CallerStep

FORGOTTEN_S: Final = 10.0
"""So long after its end an utterance that the model took for none is in no transcript any more."""

AudioOf: TypeAlias = Callable[[str, str], bytes]
"""Makes 8 kHz µ-law of words, or of the file that is named behind them."""


@dataclass(slots=True)
class _Utterance:
    words: list[str]
    began_at: float
    ended_at: float

    def take(self, until: float) -> list[str]:
        """The words that were spoken by then, each once: they follow each other evenly."""
        length_s = self.ended_at - self.began_at
        share = 1.0 if until >= self.ended_at or length_s <= 0 else (until - self.began_at) / length_s
        count = round(max(share, 0.0) * len(self.words))
        taken, self.words = self.words[:count], self.words[count:]
        self.began_at = min(until, self.ended_at)
        return taken


class CallerWords:
    """What the caller has said: the transcriber of the model asks here, and knows the words exactly."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: deque[_Utterance] = deque()

    def now(self) -> float:
        """What time it is."""
        return self._clock()

    def begun(self, words: str, length_ms: float) -> None:
        """The caller begins to say this now."""
        now = self._clock()
        self._said.append(_Utterance(words.split(), now, now + length_ms / 1000))

    def take(self) -> str:
        """What was said up to now since this was asked last."""
        return self._take(self._clock())

    def take_begun(self) -> str:
        """The same with the rest of what is being said, for a transcriber that writes along."""
        return self._take(float("inf"))

    def _take(self, until: float) -> str:
        long_ago = self._clock() - FORGOTTEN_S
        while self._said and self._said[0].ended_at < long_ago:
            self._said.popleft()
        taken = [word for one in self._said for word in one.take(until)]
        while self._said and not self._said[0].words:
            self._said.popleft()
        return " ".join(taken)


def caller_of(
    steps: Iterable[CallerStep],
    audio_of: AudioOf,
    words: CallerWords,
    *,
    is_more_to_come: Callable[[], bool],
    stays: bool = False,
) -> phone.CallerScript:
    """The caller who follows these steps.

    Args:
        steps: of a test.
        audio_of: makes what they say audible.
        words: is told what they say, as they begin to.
        is_more_to_come: whether the agent, who is quiet, will go on.
        stays: at the end they wait for the other side to hang up: somebody may be put on the line.
    """
    planned: list[phone.Step] = []
    texts: dict[int, str] = {}
    for step in steps:
        for part, text in _parts(step, audio_of):
            planned.append(part)
            texts[id(part)] = text
    if not planned or not isinstance(planned[-1], phone.HangUp | phone.Vanish):
        planned += [phone.WaitForAgent(), *([phone.WaitForEnd()] if stays else [])]

    def begin(step: phone.Step) -> None:
        if text := texts.get(id(step), ""):
            assert isinstance(step, phone.Say | phone.Interrupt), "nothing else is said"
            words.begun(text, milliseconds(len(step.audio)))

    return phone.CallerScript(planned, is_more_to_come=is_more_to_come, on_step=begin)


def _parts(step: CallerStep, audio_of: AudioOf) -> Sequence[tuple[phone.Step, str]]:
    """What the simulated caller does for one step, and the words of what they say."""
    match step:
        case str():
            return _parts(written.Say(step), audio_of)
        case written.Say(text, audio, quiet_ms):
            return [*_waits(quiet_ms), (phone.Say(audio_of(text, audio)), text)]
        case written.Interrupt(after_ms, text, audio):
            return [(phone.Interrupt(after_ms, audio_of(text, audio)), text)]
        case written.Backchannel(after_ms, text, audio):
            made = audio_of(text, audio)
            soft = made if audio else attenuated(made, MHM_LOSS_DB)
            return [(phone.Interrupt(after_ms, soft, is_word=False), text)]
        case written.Press(keys, quiet_ms):
            return [*_waits(quiet_ms), (phone.Press(keys, awaits_answer=True), "")]
        case written.Pause(ms):
            return [(phone.Pause(ms), "")]
        case written.WaitForAgent(quiet_ms):
            return [(phone.WaitForAgent(quiet_ms), "")]
        case written.HangUp():
            return [(phone.HangUp(), "")]
        case written.Vanish():
            return [(phone.Vanish(), "")]
        case _:
            assert_never(step)


def _waits(quiet_ms: int) -> list[tuple[phone.Step, str]]:
    """For the agent to finish, unless that does not matter."""
    return [(phone.WaitForAgent(quiet_ms), "")] if quiet_ms else []
