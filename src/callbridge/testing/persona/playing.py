"""A caller whom a text model plays: frame by frame, as the simulated phone asks for it.

It listens until the agent has finished, asks what its part says to what was heard, and says it. It never
talks for ever: each of its limits ends the call, with a complaint.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Protocol

from callbridge.simulators.phone.caller import (
    FRAME_MS,
    KEY_MS,
    SILENT,
    STILL_TALKING_MS,
    THINKING,
    Act,
    Departure,
)
from callbridge.testing.persona.reply import Goal, PersonaTurn, question_of
from callbridge.testing.persona.text_models import TextModelFault
from callbridge.wire.audio import FRAME_BYTES, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from callbridge.simulators.phone.caller import Ear
    from callbridge.testing.persona.heard_words import HeardWords
    from callbridge.testing.persona.persona import Persona
    from callbridge.testing.persona.reply import Reply
    from callbridge.testing.persona.text_models import TextModels

FAREWELL_MS: Final = 5_000
"""How long somebody who has said goodbye waits for the agent's."""

SPOKEN_OVER_MAX: Final = 3
"""An agent that begins anew so often while the persona thinks is talked over then."""


class Words(Protocol):
    """Who writes down what the caller says."""

    def begun(self, words: str, length_ms: float) -> None:
        """The caller begins to say this now."""


class PersonaCaller:
    """The caller.

    Args:
        persona: who they are.
        models: who is asked.
        audio_of: makes 8 kHz µ-law of words.
        words: is told what is said.
        is_more_to_come: whether the agent, who is quiet, will go on.
        is_live: time goes by while the text model thinks: over real sockets.
    """

    def __init__(
        self,
        persona: Persona,
        models: TextModels,
        *,
        audio_of: Callable[[str], bytes],
        words: Words,
        is_more_to_come: Callable[[], bool] = lambda: False,
        is_live: bool = False,
    ) -> None:
        self.complaints: list[str] = []
        self.turns: list[PersonaTurn] = []
        """The conversation, as the persona lived it."""
        self.goal: Goal = "open"
        """What it says of its goal, last. Advisory."""
        self.heard: Callable[[], Sequence[HeardWords]] = tuple
        """What was heard of the agent up to now, item by item."""
        self._persona, self._models = persona, models
        self._audio_of, self._words = audio_of, words
        self._is_more_to_come = is_more_to_come
        self._thread = ThreadPoolExecutor(1, "persona") if is_live else None
        self._noted: dict[str, int] = {}
        """How many words of each item are in `turns`."""
        self._ear: Ear
        self._stream_ms = self._earlier_ms = 0.0
        self._spoke_until_ms = float("-inf")
        self._replies = 0
        self._acts = self._live()

    @property
    def is_done(self) -> bool:
        """Always: whether the call ended too early is for the goal, a judge or the test to say."""
        return True

    def next_frame(self, ear: Ear) -> Act:
        """The next 20 ms."""
        if ear.at_ms < self._stream_ms:  # Another stream of the same call counts its time anew.
            self._earlier_ms += self._stream_ms
            self._spoke_until_ms = float("-inf")
        self._stream_ms, self._ear = ear.at_ms, ear
        limit_s = self._persona.limits.call_s
        if self._earlier_ms + ear.at_ms >= limit_s * 1000:
            return self._gives_up(f"the call reached the {limit_s:g} s of `limits.call_s`")
        return next(self._acts, Act(departure=Departure.HANG_UP))

    def close(self) -> None:
        """The call is over: what was heard last is noted, and nobody is asked any more."""
        self._note_heard()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    # --- What it does -------------------------------------------------------------------------

    def _live(self) -> Iterator[Act]:
        limits = self._persona.limits
        while (yield from self._listens(limits.silence_s * 1000)):
            if self._replies >= limits.turns:
                yield self._gives_up(f"the {limits.turns} turns of `limits.turns` were used up")
                return
            try:
                reply, audio = yield from self._thinks()
            except TextModelFault as fault:
                yield self._gives_up(str(fault))
                return
            yield from self._acts_out(reply, audio)
            if reply.hangs_up:
                yield from self._listens(FAREWELL_MS)
                return
        yield self._gives_up(f"waited {limits.silence_s:g} s and the agent said nothing")

    def _listens(self, patience_ms: float) -> Generator[Act, None, bool]:
        """Until the agent has finished; False when it has said nothing for so long."""
        began_ms = self._stream_ms
        while not self._has_finished():
            began_ms = min(began_ms, self._stream_ms)
            if self._ear.is_agent_speaking:
                began_ms = self._stream_ms
            elif self._stream_ms - began_ms >= patience_ms:
                return False
            yield SILENT
        return True

    def _has_finished(self) -> bool:
        began_ms, until_ms = self._ear.agent_began_ms, self._ear.agent_audible_until_ms
        if began_ms is None or until_ms is None:
            return False
        is_answer = began_ms >= self._spoke_until_ms or until_ms >= self._spoke_until_ms + STILL_TALKING_MS
        is_quiet = self._stream_ms - until_ms >= self._persona.answers_after_ms
        return is_answer and is_quiet and not self._is_more_to_come()

    def _thinks(self) -> Generator[Act, None, tuple[Reply, bytes]]:
        """What its part says to that. An agent that has begun anew meanwhile is listened to first."""
        for _ in range(SPOKEN_OVER_MAX):
            self._note_heard()
            left = self._persona.limits.turns - self._replies
            turns = tuple(self.turns)
            if self._thread is None:
                return self._asked(turns, left)
            asked = self._thread.submit(self._asked, turns, left)
            while not asked.done():
                yield THINKING
            if not self._ear.is_agent_speaking:
                break
            yield from self._listens(float("inf"))
        return asked.result()

    def _asked(self, turns: Sequence[PersonaTurn], turns_left: int) -> tuple[Reply, bytes]:
        reply = self._models.ask(question_of(self._persona, turns, turns_left))
        return reply, self._audio_of(reply.says) if reply.says else b""

    def _acts_out(self, reply: Reply, audio: bytes) -> Iterator[Act]:
        self._replies += 1
        self.goal = reply.goal
        self.turns.append(PersonaTurn("caller", reply.says, keys=reply.keys))
        if audio:
            self._words.begun(reply.says, milliseconds(len(audio)))
        for offset in range(0, len(audio), FRAME_BYTES):
            yield Act(audio[offset : offset + FRAME_BYTES])
        for key in reply.keys:
            yield Act(key=key)
            yield from [SILENT] * (KEY_MS // FRAME_MS - 1)
        self._spoke_until_ms = self._stream_ms

    def _gives_up(self, why: str) -> Act:
        if why not in self.complaints:
            self.complaints.append(why)
        return Act(departure=Departure.HANG_UP)

    # --- What it hears ------------------------------------------------------------------------

    def _note_heard(self) -> None:
        """Notes what was heard since the last time, as one turn of the agent's."""
        heard: list[str] = []
        is_cut = False
        for item in self.heard():
            words = item.words.split()
            new = words[self._noted.get(item.item_id, 0) :]
            self._noted[item.item_id] = len(words)
            if new:
                heard.append(" ".join(new))
                is_cut = not item.is_all
        if heard:
            self.turns.append(PersonaTurn("agent", " ".join(heard), was_cut=is_cut))
