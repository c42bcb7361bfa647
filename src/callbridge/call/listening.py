"""Those who listen to the same thing in a call, as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Told = ParamSpec("Told")


def together(listeners: Iterable[Callable[Told, None] | None]) -> Callable[Told, None] | None:
    """Tells all of them, in order; None where nobody listens, and nobody need be told."""
    all_of_them = [listener for listener in listeners if listener is not None]
    if len(all_of_them) < 2:
        return next(iter(all_of_them), None)

    def tell(*args: Told.args, **kwargs: Told.kwargs) -> None:
        for listener in all_of_them:
            listener(*args, **kwargs)

    return tell
