"""How Twilio asks a webhook: how long it waits, and what it tries again.

Pure. An address may say so itself, in its fragment, as `#rc=5&rt=3000`: connection overrides
(twilio.com/docs/usage/webhooks/webhooks-connection-overrides).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BOUNDS_MS: Final = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000)}
RETRIES_MAX: Final = 5
POLICIES: Final = frozenset({"4xx", "5xx", "ct", "rt"})


@dataclass(frozen=True, slots=True)
class Manner:
    """The defaults are Twilio's."""

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0
    retries: int = 1
    policy: frozenset[str] = frozenset({"ct"})
    """What is tried again: connections that do not come about, answers that do not, statuses."""

    def retries_after(self, outcome: str | int) -> bool:
        """Whether this is tried again: a status, or a failure by the name that the policy has for it."""
        return (outcome if isinstance(outcome, str) else f"{outcome // 100}xx") in self.policy


def read_overrides(fragment: str) -> Manner:
    """The manner that the fragment of an address asks for. What Twilio does not know changes nothing."""
    manner = Manner()
    for override in fragment.split("&"):
        name, _, value = override.partition("=")
        if (read := _READERS.get(name)) is not None:
            manner = read(manner, value)
    return manner


def _connect(manner: Manner, value: str) -> Manner:
    return replace(manner, connect_s=_seconds("ct", value, manner.connect_s))


def _read(manner: Manner, value: str) -> Manner:
    return replace(manner, read_s=_seconds("rt", value, manner.read_s))


def _total(manner: Manner, value: str) -> Manner:
    return replace(manner, total_s=_seconds("tt", value, manner.total_s))


def _retries(manner: Manner, value: str) -> Manner:
    return replace(manner, retries=int(value)) if value in map(str, range(RETRIES_MAX + 1)) else manner


def _policy(manner: Manner, value: str) -> Manner:
    policy = POLICIES if value == "all" else frozenset(value.split(",")) & POLICIES
    return replace(manner, policy=policy) if policy else manner


def _seconds(name: str, value: str, default_s: float) -> float:
    least, most = BOUNDS_MS[name]
    is_valid = value.isascii() and value.isdigit() and least <= int(value) <= most
    return int(value) / 1000 if is_valid else default_s


_READERS: Final[dict[str, Callable[[Manner, str], Manner]]] = {
    "ct": _connect,
    "rt": _read,
    "tt": _total,
    "rc": _retries,
    "rp": _policy,
}
