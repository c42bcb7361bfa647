"""Scripted faults of the API: answers that hang, that are lost, that say the wrong thing. Pure.

The worst ones are those after which the thing was done all the same: who asks again, does it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.simulators.account.rest import RestRequest


class FaultKind(StrEnum):
    """What goes wrong."""

    HANG = "hang"
    """The answer comes `seconds` later: a slow list, or one that outlasts every client."""
    LOST = "lost"
    """The connection is cut in place of an answer."""
    FAILED = "failed"
    """500, code 20500."""
    DOWN = "down"
    """503, code 20503."""
    BUSY = "busy"
    """429, code 20429: certainly not done."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, at which requests, and how often."""

    kind: FaultKind
    seconds: float = 30.0
    """Of a hang."""
    method: str = ""
    """Any when empty."""
    resource: str = ""
    """Part of the path, as `Calls` or `Messages`; any when empty."""
    times: int = 1
    is_done: bool | None = None
    """Whether what was asked for is done all the same. By itself: of a hang, a lost answer and a 500 it is,
    of a 503 it is not, of a 429 never. A hang without it ends without an answer."""

    @property
    def does_it(self) -> bool:
        """Whether what was asked for is done."""
        if self.kind is FaultKind.BUSY:
            return False
        return self.kind is not FaultKind.DOWN if self.is_done is None else self.is_done

    def meets(self, request: RestRequest) -> bool:
        """Whether it is about this request."""
        return self.method in {"", request.method} and self.resource in request.path


class Faults:
    """Those that are still to come, in order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()

    def met_by(self, request: RestRequest) -> Fault | None:
        """The first that is about the request; it is used up by that."""
        for index, (fault, left) in enumerate(self._waiting):
            if fault.meets(request):
                if left > 1:
                    self._waiting[index] = (fault, left - 1)
                else:
                    del self._waiting[index]
                return fault
        return None
