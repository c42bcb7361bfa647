"""All checks, in the order in which they are shown, and those that were asked for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.testing.certifying.checks import audio, ends, failures, session, trust, turns
from callbridge.testing.certifying.target import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.testing.certifying.check import Check

CHECKS: tuple[Check, ...] = (
    *session.CHECKS,
    *audio.CHECKS,
    *turns.CHECKS,
    *ends.CHECKS,
    *failures.CHECKS,
    *trust.CHECKS,
)


def chosen(only: Sequence[str]) -> tuple[Check, ...]:
    """The checks with these ids, or of these groups (`truncation` for all that begin with it); all for none.

    Raises:
        TargetError: one is none.
    """
    if not only:
        return CHECKS
    for name in only:
        if not any(_is_named(check, name) for check in CHECKS):
            groups = dict.fromkeys(check.id.partition(".")[0] for check in CHECKS)
            raise TargetError(f"no check is called {name!r}; the groups are {', '.join(groups)}")
    return tuple(check for check in CHECKS if any(_is_named(check, name) for name in only))


def _is_named(check: Check, name: str) -> bool:
    return check.id == name or check.id.startswith(f"{name}.")
