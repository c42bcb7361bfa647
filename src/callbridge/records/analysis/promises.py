"""Said versus done: what the agent promised in words that were heard, against what its tools did. Pure.

The text model only points at promises. Whether the words were heard, and whether a tool stands behind them,
is read off the call itself: a model that reads a transcript believes what the agent says.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.records.analysis.findings import Promise
    from callbridge.records.story import CallStory, ToolUse

DONE: Final = frozenset({"answered", "stored"})
"""The outcomes of a tool that has done what it was asked (`ToolOutcome.is_answer`)."""

_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


class Verdict(StrEnum):
    """What became of a promise."""

    DONE = "done"
    """Its tool has answered."""
    FAILED = "failed"
    """Its tool was asked for, and has not done it."""
    UNKNOWN = "unknown"
    """Its tool was started, and nothing more is known."""
    NOT_DONE = "not_done"
    """Its tool was never asked for."""
    NO_TOOL = "no_tool"
    """No tool of the agent's does that: somebody has to."""
    UNHEARD = "unheard"
    """The agent said so, and was cut off before the caller heard it."""


class Checked(msgspec.Struct, frozen=True):
    """A promise and what became of it."""

    words: str
    what: str
    turn: int
    verdict: Verdict
    tool: str = ""


def check_promises(promises: Iterable[Promise], story: CallStory) -> tuple[Checked, ...]:
    """Each promise that the agent has truly made, with its verdict. What it never said is left out."""
    checked = (_check(promise, story) for promise in promises)
    return tuple(each for each in checked if each is not None)


def _check(promise: Promise, story: CallStory) -> Checked | None:
    words = _plain(promise.words)
    if not words:
        return None
    tool = promise.tool or ""
    for turn in story.turns:
        if words in _plain(turn.heard):
            return Checked(promise.words, promise.what, turn.number, _verdict(tool, story), tool)
    for turn in story.turns:
        if words in _plain(" ".join(spoken.words for spoken in turn.agent)):
            return Checked(promise.words, promise.what, turn.number, Verdict.UNHEARD, tool)
    return None


def _verdict(tool: str, story: CallStory) -> Verdict:
    """By the best that the tool has come to in this call, before the promise or after it."""
    if not tool:
        return Verdict.NO_TOOL
    uses = [use for turn in story.turns for use in turn.tools if use.name == tool]
    if any(use.outcome in DONE for use in uses):
        return Verdict.DONE
    return _short_of_done(uses)


def _short_of_done(uses: list[ToolUse]) -> Verdict:
    if not uses:
        return Verdict.NOT_DONE
    return Verdict.UNKNOWN if any(not use.outcome for use in uses) else Verdict.FAILED


def _plain(text: str) -> str:
    """Words alone, between spaces: a model copies punctuation as it likes, and no half of a word."""
    return f" {' '.join(_BETWEEN_WORDS.sub(' ', text.casefold()).split())} " if text.strip() else ""
