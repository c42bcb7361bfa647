"""What a test expects of the tools that the model called: which, with which arguments, how often, what came.

A call counts as the model asked for it, whether it was run or not. What the agent's own code ran by itself
is no call of the model's.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import msgspec

from callbridge.testing.expecting.matching import check_names, differences, is_like, parsed, shown
from callbridge.testing.expecting.unmet import Unmet, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from callbridge.records.story import ToolUse
    from callbridge.testing.call_data import CallData

__tracebackhide__ = True

ANSWERED = frozenset({"answered", "stored"})
"""Outcomes of a tool that did what it was asked for."""


def uses_of(call: CallData) -> list[ToolUse]:
    """The calls of the model, in their order, with their times as the phone counts."""
    used = [
        msgspec.structs.replace(tool, began_ms=tool.began_ms + call.story_from_ms)
        for turn in call.story.turns
        for tool in turn.tools
        if not tool.is_ours
    ]
    return sorted(used, key=lambda tool: tool.began_ms)


class ToolCalls:
    """The calls of one tool with certain arguments."""

    def __init__(self, call: CallData, name: str, arguments: Mapping[str, Any]) -> None:
        self._call, self._all = call, uses_of(call)
        self._name, self._arguments = name, arguments
        self._of_name = [use for use in self._all if use.name == name]
        self._matching = [use for use in self._of_name if _fits(use, arguments)]
        self._unknown = [use for use in self._of_name if arguments and not use.arguments]
        """Of these nobody knows whether they match: the call keeps no words."""

    @property
    def label(self) -> str:
        """The call that is meant: `opening_hours(day="Sunday")`."""
        return f"{self._name}({', '.join(f'{name}={shown(it)}' for name, it in self._arguments.items())})"

    def counted(self, least: int, most: int | None = None) -> Unmet | None:
        """So many calls, no fewer and no more."""
        count = len(self._matching)
        if self._unknown and (least > count or most is not None):
            return self._unknowable()
        if least == 0 and not self._of_name and (silent := _nothing(self._call)):
            return silent
        if least <= count and (most is None or count <= most):
            return None
        wanted = f"at least {_times(least)}" if most is None else _times(least)
        was = f"it was called {_times(count)}" if count else "it was not"
        line = f"expected {self.label} to be called {wanted}; {was}"
        if least == most == 0:
            line = f"expected {self.label} never to be called; {was}"
        return Unmet(line, tuple(_listed(self._all)), tuple(self._near()))

    @property
    def answered(self) -> ToolCalls:
        """Those of them that were run and answered."""
        answered = copy(self)
        answered._matching = [use for use in self._matching if use.outcome in ANSWERED]
        return answered

    def ran(self, times: int) -> Unmet | None:
        """So many of these calls were run and answered: not refused, asked about first, failed or left."""
        if self._unknown:
            return self._unknowable()
        count = len(self.answered._matching)
        if count == times:
            return None
        line = f"expected {self.label} to run {_times(times)}; it ran {_times(count)}"
        return Unmet(line, tuple(_listed(self._all)), tuple(self._near()))

    def returned(self, result: Any) -> Unmet | None:
        """Each of these calls had that result."""
        wrong = [use for use in self._matching if not _has_result(use, result)]
        if self._matching and not wrong:
            return None
        wanted = f"expected {self.label} to return {shown(result)}"
        if not wrong:
            return Unmet(f"{wanted}; it was not called", tuple(_listed(self._all)), tuple(self._near()))
        if all(use.outcome in ANSWERED and not use.result for use in wrong):
            return missing(f"the result of {self.label}", "the call keeps no words", _listed(wrong))
        return Unmet(f"{wanted}; it returned something else", tuple(_listed(wrong)))

    def failed(self) -> Unmet | None:
        """Each of these calls ended otherwise than with an answer."""
        wrong = [use for use in self._matching if use.outcome in ANSWERED or not use.outcome]
        if self._matching and not wrong:
            return None
        wanted = f"expected {self.label} to fail"
        if not wrong:
            return Unmet(f"{wanted}; it was not called", tuple(_listed(self._all)), tuple(self._near()))
        return Unmet(f"{wanted}; it did not", tuple(_listed(wrong)))

    def _unknowable(self) -> Unmet:
        return missing(f"with what {self._name} was called", "the call keeps no words", _listed(self._all))

    def _near(self) -> Iterable[str]:
        """Calls of this tool with other arguments, and of tools whose names differ in case alone."""
        for use in self._of_name:
            if use not in self._matching:
                yield f"{_moment(use)}: {'; '.join(_differences(use, self._arguments))}"
        for use in self._all:
            if use.name != self._name and use.name.casefold() == self._name.casefold():
                yield f"{_moment(use)}: the tool is called {use.name}"


def exactly(call: CallData, names: Sequence[str]) -> Unmet | None:
    """These tools in this order, and no others."""
    check_names("tools", names)
    called = [use.name for use in uses_of(call)]
    if called == list(names):
        return None if called else _nothing(call)
    line = f"expected the tools {_enumerated(names)}, in this order; called were {_enumerated(called)}"
    return Unmet(line, tuple(_listed(uses_of(call))))


def only(call: CallData, names: Sequence[str]) -> Unmet | None:
    """No tools but these, however often."""
    check_names("only_tools", names)
    others = [use for use in uses_of(call) if use.name not in names]
    if not others:
        return None if uses_of(call) else _nothing(call)
    line = f"expected no tools but {_enumerated(names)}" if names else "expected no tool to be called"
    called = _enumerated(list(dict.fromkeys(use.name for use in others)))
    return Unmet(f"{line}; called was {called}", tuple(_listed(others)))


def _nothing(call: CallData) -> Unmet | None:
    """Where no agent took part, no tool of one was left alone either."""
    return None if call.story.turns else missing("the tools that were called", "the call has no turn")


# --- One call -------------------------------------------------------------------------------------------


def _fits(use: ToolUse, arguments: Mapping[str, Any]) -> bool:
    """The call has at least these arguments."""
    given = _given(use)
    return not arguments or (given is not None and not differences(given, arguments))


def _given(use: ToolUse) -> dict[str, Any] | None:
    """Its arguments; None where they are not known, or are no object."""
    value = parsed(use.arguments)
    return value if isinstance(value, dict) else None


def _differences(use: ToolUse, arguments: Mapping[str, Any]) -> list[str]:
    given = _given(use)
    if given is None:
        return [f"its arguments are {use.arguments!r}" if use.arguments else "its arguments were not kept"]
    return differences(given, arguments)


def _has_result(use: ToolUse, result: Any) -> bool:
    return use.outcome in ANSWERED and (is_like(result, use.result) or is_like(result, parsed(use.result)))


def _listed(uses: Iterable[ToolUse]) -> list[str]:
    return [f"{_moment(use)}: {_told(use)}" for use in uses] or ["no tool was called"]


def _moment(use: ToolUse) -> str:
    return f"{use.began_ms / 1000:.2f} s"


def _told(use: ToolUse) -> str:
    given = _given(use)
    inner = use.arguments if given is None else ", ".join(f"{name}={shown(it)}" for name, it in given.items())
    if use.outcome in ANSWERED:
        return f"{use.name}({inner}) -> {use.result or '(not kept)'}"
    return f"{use.name}({inner}) {use.outcome.replace('_', ' ') or 'did not end'}: {use.result}".rstrip(": ")


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _enumerated(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
