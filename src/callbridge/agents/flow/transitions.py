"""The ways out of a step, as data: when each is taken, and where it leads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from callbridge.agents.tools.given import AnyTool

Predicate: TypeAlias = Callable[[Any], object]
"""Says whether something is so. It runs between two words of a call: it must not block."""

ConfidenceSource: TypeAlias = Literal["model", "transcript"]

_OF: Final = re.compile(r"[A-Za-z0-9_]{1,48}", re.ASCII)
"""What the name of a tool takes."""

KEYS: Final = frozenset("0123456789*")
"""What can be pressed. `#` says that one is done."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One way out of a step."""

    to: str
    """The step to which it leads."""

    @property
    def words(self) -> str:
        """When it is taken: what stands at its arrow, and in the fact that it was."""
        raise NotImplementedError

    def faults(self) -> Iterator[str]:
        """What of it cannot be so, in words."""
        yield from ()


@dataclass(frozen=True, slots=True)
class OnRequest(Transition):
    """The model has understood that the caller wants it."""

    description: str

    @property
    def tool(self) -> str:
        """The name of the tool by which the model says so."""
        return f"go_to_{self.to}"

    @property
    @override
    def words(self) -> str:
        return f"asked: {self.description}"

    @override
    def faults(self) -> Iterator[str]:
        if not self.description.strip():
            yield f"asked({self.to!r}): say in words when the model is to go there"


@dataclass(frozen=True, slots=True)
class OnCapture(Transition):
    """The form of the step is complete, or the values that were kept so far are as wanted."""

    when: Predicate | None

    @property
    @override
    def words(self) -> str:
        return "captured" if self.when is None else f"captured{_named(self.when)}"


@dataclass(frozen=True, slots=True)
class OnRefusal(Transition):
    """The caller does not want to give a value for the form of the step."""

    field: str

    @property
    @override
    def words(self) -> str:
        return f"refused: {self.field}" if self.field else "refused"


@dataclass(frozen=True, slots=True)
class OnFailures(Transition):
    """So many attempts have failed since the step was entered."""

    times: int

    @property
    @override
    def words(self) -> str:
        return f"failed {_times(self.times)}"

    @override
    def faults(self) -> Iterator[str]:
        if self.times < 1:
            yield f"failed({self.times}, to={self.to!r}): nothing fails less than once"


@dataclass(frozen=True, slots=True)
class OnVisits(Transition):
    """The step is entered for the so-manieth time in the call."""

    times: int

    @property
    @override
    def words(self) -> str:
        return f"entered {_times(self.times)}"

    @override
    def faults(self) -> Iterator[str]:
        if self.times < 2:
            yield f"visited({self.times}, to={self.to!r}): the step would never be stayed in; write 2 or more"


@dataclass(frozen=True, slots=True)
class OnResult(Transition):
    """A tool has answered, and its answer is as wanted."""

    tool: str
    when: Predicate | None

    @property
    @override
    def words(self) -> str:
        return f"{self.tool} answered{'' if self.when is None else _named(self.when)}"


@dataclass(frozen=True, slots=True)
class OnConfidence(Transition):
    """Somebody is that sure, from 0 to 1: the model of something, the transcriber of the caller's words."""

    of: str
    at_least: float | None
    below: float | None
    source: ConfidenceSource

    @property
    def tool(self) -> str:
        """The name of the tool by which the model says how sure it is; empty where it is not asked."""
        return f"sure_of_{self.of}" if self.source == "model" else ""

    @property
    @override
    def words(self) -> str:
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"below {self.below:g}"] if self.below is not None else []
        return f"{self.source} sure of {self.of}: {' and '.join(bounds)}"

    def holds(self, confidence: float) -> bool:
        """Whether that is as sure as wanted."""
        is_enough = self.at_least is None or confidence >= self.at_least
        return is_enough and (self.below is None or confidence < self.below)

    @override
    def faults(self) -> Iterator[str]:
        bounds = [bound for bound in (self.at_least, self.below) if bound is not None]
        where = f"confidence({self.of!r}, to={self.to!r})"
        if not _OF.fullmatch(self.of):
            yield f"{where}: name it with letters, digits and _"
        if not bounds:
            yield f"{where}: say from where on it counts, with at_least or below"
        elif any(not 0 <= bound <= 1 for bound in bounds):
            yield f"{where}: confidence goes from 0 to 1"
        elif bounds == sorted(bounds, reverse=True) and len(bounds) == 2:
            yield f"{where}: nothing is at least {bounds[0]:g} and below {bounds[1]:g}"


@dataclass(frozen=True, slots=True)
class OnKey(Transition):
    """The caller has pressed it."""

    keys: str

    @property
    @override
    def words(self) -> str:
        return f"key {self.keys}"

    @override
    def faults(self) -> Iterator[str]:
        if not self.keys or not KEYS.issuperset(self.keys):
            yield f"key({self.keys!r}, to={self.to!r}): write digits and *; with # a caller says: I am done"


@dataclass(frozen=True, slots=True)
class OnUnreached(Transition):
    """Nobody took the call to whom the caller was to be put through, and they are back."""

    @property
    @override
    def words(self) -> str:
        return "nobody took the call"


def _named(predicate: Predicate) -> str:
    """A function has a name that says something; a lambda has none."""
    name = getattr(predicate, "__name__", "<lambda>")
    return " as wanted" if name == "<lambda>" else f": {name.replace('_', ' ').strip()}"


def _times(times: int) -> str:
    return "once" if times == 1 else f"{times} times"


# --- What users write ---------------------------------------------------------------------------------


def asked(to: str, description: str) -> Transition:
    """The caller wants it. The model gets a tool by which it says so.

    Args:
        to: the step to which it leads.
        description: when to go there, for the model: `the caller wants an appointment`.
    """
    return OnRequest(to, description)


def captured(*, to: str, when: Predicate | None = None) -> Transition:
    """The form that the step captures is complete, also when it was before the step was entered.

    Args:
        to: the step to which it leads.
        when: says of the values that were kept so far, by field, whether they are enough: it may look at how
            many there are, or at one of them. Without it the whole form must be captured.
    """
    return OnCapture(to, when)


def refused(field: str = "", *, to: str) -> Transition:
    """The caller does not want to give a value.

    Args:
        field: of the form that the step captures; any of them by default.
        to: the step to which it leads.
    """
    return OnRefusal(to, field)


def failed(times: int, *, to: str) -> Transition:
    """So many attempts have failed since the step was entered.

    An attempt is a call of one of the step's tools, or of its form's, that ended without an answer: the tool
    failed, took too long, or refused what it was given. Being asked to confirm something first is none.

    Args:
        times: how many.
        to: the step to which it leads.
    """
    return OnFailures(to, times)


def visited(times: int, *, to: str) -> Transition:
    """The step is entered for the so-manieth time in this call: 3 for the third.

    Args:
        times: how many, 2 at least.
        to: the step to which it leads.
    """
    return OnVisits(to, times)


def answered(
    tool: str | Callable[..., object] | AnyTool, *, to: str, when: Predicate | None = None
) -> Transition:
    """A tool has answered.

    Args:
        tool: one of the step's, or one that the agent has in every step: itself, or its name.
        to: the step to which it leads.
        when: says of what it has answered whether the way is to be taken. It gets what the model is told: a
            text, or what stands in its JSON.
    """
    name = tool if isinstance(tool, str) else getattr(tool, "name", None) or getattr(tool, "__name__", "")
    return OnResult(to, str(name), when)


def confidence(
    of: str,
    *,
    to: str,
    at_least: float | None = None,
    below: float | None = None,
    source: ConfidenceSource = "model",
) -> Transition:
    """Somebody has said how sure they are, from 0 to 1.

    Args:
        of: what is to be judged: `intent`.
        to: the step to which it leads.
        at_least: from here on.
        below: up to here, and not quite.
        source: who says so. `model`: the voice model itself, in a tool that it gets for it. `transcript`: the
            model that writes down the caller's words, by the probabilities that it gives them, after each
            utterance. Its words may come behind the agent's answer, and not every such model tells.
    """
    return OnConfidence(to, of, at_least, below, source)


def unreached(*, to: str) -> Transition:
    """The caller was to be put through to somebody since the step was entered, and nobody took the call.

    Args:
        to: the step to which it leads.
    """
    return OnUnreached(to)


def key(keys: str, *, to: str) -> Transition:
    """The caller presses a key on their telephone.

    Args:
        keys: `2`, or more than one: `99`.
        to: the step to which it leads.
    """
    return OnKey(to, keys)
