"""What a test expects of words: those that reached the ear, those that were to be said, the caller's.

What was heard of an answer that was cut is told by how much of its audio was heard.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from callbridge.testing.expecting.matching import has_words, likeness
from callbridge.testing.expecting.unmet import Unmet, missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.records.story import CallStory, Turn
    from callbridge.testing.expecting.matching import Words

__tracebackhide__ = True

NEAR = 0.5
"""From so many of the words on a text is worth showing as nearly right."""

_VERBS = {"heard": "to be heard", "said": "to be said by the agent", "caller": "to be said by the caller"}


def said(
    story: CallStory, whose: Literal["heard", "said", "caller"], words: Words, turn: int | None
) -> Unmet | None:
    """These words stand in what was heard, said, or said by the caller."""
    texts = _texts(story, whose, turn)
    if any(has_words(text, words) for _, text in texts):
        return None
    wanted = f"expected {_quoted(words)} {_VERBS[whose]}{_where(turn)}"
    if turn is not None and turn not in {one.number for one in story.turns}:
        return Unmet(f"{wanted}; the call has no such turn", tuple(_listed(_texts(story, whose, None))))
    if not texts:
        return _nothing(story, whose, wanted)
    near = (*_cut(story, whose, words), *_alike(story, whose, words, turn))
    return Unmet(f"{wanted}; it was not", tuple(_listed(texts)), near)


def not_said(
    story: CallStory, whose: Literal["heard", "said", "caller"], words: Words, turn: int | None
) -> Unmet | None:
    """These words stand nowhere in it."""
    texts = _texts(story, whose, turn)
    found = [(number, text) for number, text in texts if has_words(text, words)]
    if not found:
        if texts:
            return None
        unknown = turn is not None and turn not in {one.number for one in story.turns}
        why = f"not {_quoted(words)}{_where(turn)}"
        return missing(why, "the call has no such turn") if unknown else _nothing(story, whose, why)
    return Unmet(
        f"expected {_quoted(words)} not {_VERBS[whose]}{_where(turn)}; it was", tuple(_listed(found))
    )


def _nothing(story: CallStory, whose: str, wanted: str) -> Unmet:
    """Either nobody spoke, or nothing was kept of it: an expectation of words tells nothing then."""
    spoken = [turn for turn in story.turns if (turn.spans if whose == "caller" else turn.agent)]
    if spoken:
        why = (
            "no words of it are kept"
            if whose == "caller"
            else "nothing of it was heard, or no words are kept"
        )
        return missing(
            f"{wanted}; what was said", why, (f"turn {turn.number}: (no words)" for turn in spoken)
        )
    who = "the caller has" if whose == "caller" else "the agent has"
    return missing(f"{wanted}; what was said", f"{who} said nothing")


def _texts(story: CallStory, whose: str, turn: int | None) -> list[tuple[int, str]]:
    chosen = [one for one in story.turns if turn is None or one.number == turn]
    return [(one.number, text) for one in chosen if (text := _text(one, whose))]


def _text(turn: Turn, whose: str) -> str:
    match whose:
        case "heard":
            return turn.heard or " ".join(spoken.heard for spoken in turn.agent if spoken.heard)
        case "said":
            return " ".join(spoken.words for spoken in turn.agent if spoken.words)
        case _:
            return turn.caller or ""


def _cut(story: CallStory, whose: str, words: Words) -> Iterable[str]:
    """The agent was to say it, and was not heard to that point."""
    if whose != "heard":
        return
    for turn in story.turns:
        for spoken in turn.agent:
            if spoken.heard != spoken.words and has_words(spoken.words, words):
                how = f"cut after {spoken.heard_ms} ms" if spoken.heard_ms else "never heard"
                yield f"turn {turn.number} was to say it and was {how} of {spoken.sent_ms}: {spoken.words!r}"


def _alike(story: CallStory, whose: str, words: Words, turn: int | None) -> Iterable[str]:
    """Elsewhere, or with some of the words."""
    for number, text in _texts(story, whose, None):
        if turn is not None and number != turn and has_words(text, words):
            yield f"it is in turn {number}: {text!r}"
        elif likeness(text, words) >= NEAR and (turn is None or number == turn):
            yield f"turn {number} has {likeness(text, words):.0%} of its words: {text!r}"


def _listed(texts: Iterable[tuple[int, str]]) -> list[str]:
    return [f"turn {number}: {text!r}" for number, text in texts] or ["nothing"]


def _quoted(words: Words) -> str:
    return f"/{words.pattern}/" if isinstance(words, re.Pattern) else repr(words)


def _where(turn: int | None) -> str:
    return "" if turn is None else f" in turn {turn}"
