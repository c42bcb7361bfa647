"""What the caller of a call did, as steps of a test, with the stretches of its sound that they are. Pure.

When a step comes follows from what was heard: into an utterance of the agent, or so long behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.records.story import Span
from callbridge.records.timeline import joined
from callbridge.testing.steps import HangUp, Interrupt, Pause, Press, Say, Vanish
from callbridge.wire.audio import FRAME_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.records.story import CallStory, Turn
    from callbridge.testing.steps import CallerStep

PAUSE_MS: Final = 400
"""A shorter pause lies between words, a longer one ends an utterance: as the simulated phone has it."""

LEAD_MS, TAIL_MS = 240, 240
"""So much is kept around what the model took for speech: it begins soft, and ends so."""

KEY_MS: Final = 200
"""A key and the pause behind it, as the simulated phone presses them."""

WORDLESS: Final = "(words were not kept)"


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something that the caller said in one go, as far as the agent was not heard in between."""

    words: str
    spans: tuple[Span, ...]

    @property
    def began_ms(self) -> int:
        """In the time of the call."""
        return self.spans[0].began_ms

    @property
    def ended_ms(self) -> int:
        """Alike."""
        return max(span.ended_ms for span in self.spans)


@dataclass(frozen=True, slots=True)
class Done:
    """A step, and what of the caller's sound it is."""

    step: CallerStep
    sound: Span | None = None


def done_in(story: CallStory) -> list[Done]:
    """All that the caller did, in its order."""
    agent = utterances_of_agent(story)
    acts: list[tuple[int, Utterance | str]] = [(one.began_ms, one) for one in _utterances(story, agent)]
    acts += [(_pressed_ms(turn), turn.keys) for turn in story.turns if turn.keys]
    done: list[Done] = []
    before_ms = 0
    for at_ms, act in sorted(acts, key=lambda each: each[0]):
        if isinstance(act, str):
            pause_ms, quiet_ms = _wait(at_ms, before_ms, agent)
            done += [*_paused(pause_ms), Done(Press(act, quiet_ms))]
            before_ms = at_ms + KEY_MS * len(act)
        else:
            done += _said(act, before_ms, agent)
            before_ms = act.ended_ms + TAIL_MS
    return [*done, *_left(story, before_ms, agent)]


def _pressed_ms(turn: Turn) -> int:
    """When the first key of a turn was pressed, as far as it is known: so long ahead of the answer."""
    waited_ms = 0 if turn.latency is None else turn.latency.whole_ms
    return max(turn.began_ms - waited_ms - KEY_MS * (len(turn.keys) - 1), 0)


def utterances_of_agent(story: CallStory) -> tuple[Span, ...]:
    """When the agent was heard; what is apart by less than a pause between words is one."""
    spans = [spoken.span for turn in story.turns for spoken in turn.agent if spoken.span is not None]
    widened = joined(Span(span.began_ms, span.ended_ms + PAUSE_MS) for span in spans)
    return tuple(Span(span.began_ms, span.ended_ms - PAUSE_MS) for span in widened)


def _utterances(story: CallStory, agent: Sequence[Span]) -> list[Utterance]:
    """What the caller said between two utterances of the agent is one: nobody had answered the first part."""
    found: list[Utterance] = []
    for turn in _spoken_turns(story):
        last = found[-1] if found else None
        if last is not None and not _was_heard(agent, last.ended_ms, turn.spans[0].began_ms):
            words = f"{last.words} {turn.caller or ''}".strip()
            found[-1] = Utterance(words, (*last.spans, *turn.spans))
        else:
            found.append(Utterance(turn.caller or "", turn.spans))
    return found


def _spoken_turns(story: CallStory) -> Iterator[Turn]:
    return (turn for turn in story.turns if turn.spans)


def _was_heard(agent: Sequence[Span], from_ms: int, to_ms: int) -> bool:
    """Whether the agent was heard in between."""
    return any(span.began_ms < to_ms and span.ended_ms > from_ms for span in agent)


def _said(said: Utterance, before_ms: int, agent: Sequence[Span]) -> Iterator[Done]:
    began_ms = max(said.began_ms - LEAD_MS, before_ms)
    sound = Span(began_ms, said.ended_ms + TAIL_MS)
    words = said.words or WORDLESS
    into = next((span for span in agent if span.began_ms < said.began_ms < span.ended_ms), None)
    if into is not None:
        yield Done(Interrupt(max(began_ms - into.began_ms, 0), words), sound)
        return
    pause_ms, quiet_ms = _wait(began_ms, before_ms, agent)
    yield from _paused(pause_ms)
    yield Done(Say(words, quiet_ms=quiet_ms), sound)


def _wait(at_ms: int, before_ms: int, agent: Sequence[Span]) -> tuple[int, int]:
    """How long the caller was silent before a step: on their own, else since the agent had finished."""
    ended_ms = max((span.ended_ms for span in agent if span.ended_ms <= at_ms), default=0)
    if ended_ms > before_ms:
        return 0, max(at_ms - ended_ms, FRAME_MS)
    return max(at_ms - before_ms, 0), 0


def _paused(pause_ms: int) -> Iterator[Done]:
    if pause_ms:
        yield Done(Pause(pause_ms))


def _left(story: CallStory, before_ms: int, agent: Sequence[Span]) -> Iterator[Done]:
    """How the caller went: after the agent's last word without any step, else when they did."""
    ends_ms = [stream.ended_ms for stream in story.streams if stream.ended_ms is not None]
    if not ends_ms or story.end_reason not in {"caller_hangup", "media_lost"}:
        return
    end_ms = max(ends_ms)
    was_speaking = any(span.began_ms > before_ms and span.ended_ms >= end_ms - PAUSE_MS for span in agent)
    was_answered = any(span.began_ms >= before_ms for span in agent)
    if story.end_reason == "media_lost":
        yield from _paused(max(end_ms - before_ms, 0))
        yield Done(Vanish())
    elif was_speaking or not was_answered:
        yield from _paused(max(end_ms - before_ms, 0))
        yield Done(HangUp())
