"""What a test has written for a call, looked at before it is played: a mistake is told where it is. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar, get_args

from callbridge.testing.moves import ModelMove
from callbridge.testing.persona.persona import Improvised, Persona, RealModel
from callbridge.testing.steps import CallerStep

if TYPE_CHECKING:
    from collections.abc import Collection

    from callbridge.testing.persona.casting import CallerPart, ModelPart

__tracebackhide__ = True
"""A failing test of a user shows their own lines."""

T = TypeVar("T")


def checked_caller(caller: CallerPart) -> CallerPart:
    """The caller as they were written.

    Raises:
        TypeError: this is no list of steps.
    """
    return caller if isinstance(caller, Persona) else _checked("caller", caller, get_args(CallerStep))


def checked_model(model: ModelPart) -> ModelPart:
    """The model as it was written.

    Raises:
        TypeError: this is no list of moves.
    """
    return (
        model if isinstance(model, Improvised | RealModel) else _checked("model", model, get_args(ModelMove))
    )


def check_names(given: Collection[str], known: Collection[str]) -> None:
    """Of the arguments of a call.

    Raises:
        TypeError: there is no argument of such a name.
    """
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            meant = f"did you mean {close[0]}=?" if close else f"there are: {', '.join(known)}"
            raise TypeError(f"a call has no argument {name}=; {meant}")


def _checked(what: str, given: T, kinds: tuple[type, ...]) -> T:
    # A text would be a list of its letters.
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"{what}={given!r}: write a list, such as {what}=[{given!r}]")
    for one in given:
        if not isinstance(one, kinds):
            names = ", ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"{what}=[…]: {one!r} cannot stand there; it may be: {names}")
    return given
