"""How an expectation says that it is not met: in one line, then what was found, then what came near.

Here and in its neighbours nothing of a call is decided anew: they read what it has left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__tracebackhide__ = True
"""Who reads a failed test wants their own line, not ours."""


LINES_MAX: Final = 20
"""Of what was found: an agent that calls one tool a hundred times is understood by then."""


LINE_CHARACTERS_MAX: Final = 1000
"""Of one of them: a tool may answer with a megabyte."""


class Unmet(msgspec.Struct, frozen=True):
    """One expectation that a call does not meet."""

    line: str
    """What was expected, and what is so."""
    found: tuple[str, ...] = ()
    """What there is in the call, line by line."""
    near: tuple[str, ...] = ()
    """What would have met it, had it been a little different."""
    is_missing: bool = False
    """Nothing was measured: the call can prove it neither way, and so it is not met."""

    @property
    def text(self) -> str:
        """All of it, for people."""
        return "\n".join([self.line, *_listed("found", self.found), *_listed("near", self.near)])


class ExpectationError(AssertionError):
    """A call was not as expected.

    Args:
        unmet: what is not so; one, or all that `call.expect.all()` has collected.
    """

    def __init__(self, unmet: Sequence[Unmet]) -> None:
        self.unmet = tuple(unmet)
        super().__init__(_told(self.unmet))


ExpectationError.__module__ = "callbridge.testing"
"""Where users have it from, and so that the last lines of a run have room for what it says."""


def missing(what: str, why: str, found: Iterable[str] = ()) -> Unmet:
    """A measurement that the call has not: that is worse than a bad one, and never 0."""
    return Unmet(f"{what} was not measured: {why}", tuple(found), is_missing=True)


def _told(unmet: Sequence[Unmet]) -> str:
    if len(unmet) == 1:
        return unmet[0].text
    numbered = (_indented(f"{number}. ", one.text) for number, one in enumerate(unmet, 1))
    return "\n".join([f"{len(unmet)} expectations are not met", *numbered])


def _indented(mark: str, text: str) -> str:
    first, *rest = text.splitlines()
    return "\n".join([f"  {mark}{first}", *(f"  {' ' * len(mark)}{line}" for line in rest)])


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    shown = [f"    {_shortened(line)}" for line in lines[:LINES_MAX]]
    if len(lines) > LINES_MAX:
        shown.append(f"    … and {len(lines) - LINES_MAX} more")
    return [f"  {title}:", *shown] if lines else []


def _shortened(line: str) -> str:
    left = len(line) - LINE_CHARACTERS_MAX
    return line if left <= 0 else f"{line[:LINE_CHARACTERS_MAX]}… and {left} characters more"
