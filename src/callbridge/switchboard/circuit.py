"""The circuit breaker before the voice model: when new calls are not even tried.

A caller of a model that is down would wait for a dial that fails, and then hear the fallback. While the
circuit is open new calls get the fallback at once. No call is ever a probe: a task of the server dials the
model when `probe_due` says so, and reports how that went.

What another process has found out is a hint: the model is probed from here at once, and what that comes to
counts. A machine whose own way to the model is broken closes nobody's line for longer than one dial.

Pure: the time is passed in, always of one clock that never goes back.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable
from typing import Final

FAILURES_IN_A_ROW: Final = 5
FAILURES_WITHIN_S: Final = 10.0
"""So many failures in so short a time, and no success between them: the model is down. A success begins the
count anew: at 20 starts a second even 3 % of failing dials, which a second dial mends, would otherwise
make five failures in ten seconds and shut out everybody."""

ATTEMPTS_LOOKED_AT: Final = 20
FAILURES_OF_THEM: Final = 10
"""Half of the latest attempts: a model that answers now and then is no better than one that does not."""

ATTEMPTS_KEPT_S: Final = 300.0
"""Older attempts say nothing of now. On a quiet line twenty attempts may be a day's."""

OPEN_S: Final = 15.0
"""Before the first probe. Recovery is noticed within 30 s: these 15, or 5 to the next probe, and its dial of
at most 6 s."""

PROBE_EVERY_S: Final = 5.0
"""A model that comes back is not to be met by a storm of dials."""

WANTED_S: Final = 3600.0
"""A model that no call has asked for in so long a time is not probed any more, and forgotten."""


class State(enum.StrEnum):
    """Where a circuit stands."""

    CLOSED = "closed"
    """All is well: calls are tried."""

    OPEN = "open"
    """No call is tried, and no probe yet."""

    HALF_OPEN = "half_open"
    """No call is tried; probes are."""


class Circuit:
    """What the latest attempts to reach the model say about the next one.

    An attempt is a dial up to its confirmed session, of a call or of a probe. A session that was had and then
    lost is none: it says nothing about the next dial.
    """

    def __init__(self, open_s: float = OPEN_S, probe_every_s: float = PROBE_EVERY_S) -> None:
        """A closed circuit.

        Args:
            open_s: how long it stays open before the first probe.
            probe_every_s: the least time between two probes.
        """
        assert open_s >= 0
        assert probe_every_s > 0
        self._open_s, self._probe_every_s = open_s, probe_every_s
        self._opened_at: float | None = None
        self._half_open_at = self._next_probe_at = 0.0
        self._failed_in_a_row: deque[float] = deque(maxlen=FAILURES_IN_A_ROW)
        # When, and whether it failed.
        self._attempts: deque[tuple[float, bool]] = deque(maxlen=ATTEMPTS_LOOKED_AT)

    def __repr__(self) -> str:
        since = "closed" if self._opened_at is None else f"open since {self._opened_at:.1f}"
        return f"<Circuit {since}>"

    @property
    def opened_at(self) -> float | None:
        """Since when it is open; nothing while it is closed."""
        return self._opened_at

    @property
    def next_probe_at(self) -> float | None:
        """When the next probe is due; nothing while the circuit is closed."""
        return None if self._opened_at is None else self._next_probe_at

    def state(self, now: float) -> State:
        """Where it stands."""
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if now < self._half_open_at else State.HALF_OPEN

    def is_open(self, now: float) -> bool:
        """Whether new calls get the fallback at once; a half-open circuit lets none through either."""
        return self.state(now) is not State.CLOSED

    def probe_due(self, now: float) -> bool:
        """Whether to dial the model now. Asking takes the turn: the next one comes `probe_every_s` later."""
        if self.state(now) is not State.HALF_OPEN or now < self._next_probe_at:
            return False
        self._next_probe_at = now + self._probe_every_s
        return True

    def succeeded(self, now: float) -> None:
        """The model answered."""
        match self.state(now):
            case State.CLOSED:
                self._failed_in_a_row.clear()
                self._attempts.append((now, False))
            case State.OPEN:
                pass  # Dialled before it opened: a model that fails half of the time answers the other half.
            case State.HALF_OPEN:
                self._close()

    def failed(self, now: float, is_fatal: bool = False) -> None:
        """The model could not be reached, or refused us.

        A rate limit is not to be told here: the model is well, and `Admission.rate_limited` slows us down.

        Args:
            now: the time.
            is_fatal: no second try can mend it, such as a key that is not valid.
        """
        if self._opened_at is not None:
            return  # A failed probe, or a dial from before: it stays open, and the next probe is due already.
        self._failed_in_a_row.append(now)
        self._attempts.append((now, True))
        if is_fatal or self._is_down(now):
            self._open(now)

    def suspected(self, now: float) -> None:
        """Another process has found the model down. It is looked at from here at once, before any call is."""
        if self._opened_at is None:
            self._opened_at = self._half_open_at = self._next_probe_at = now

    def hoped_for(self, now: float) -> None:
        """Another process has reached the model again. It is looked at from here at once."""
        if self._opened_at is not None:
            self._half_open_at = self._next_probe_at = now

    def _is_down(self, now: float) -> bool:
        in_a_row = self._failed_in_a_row
        if len(in_a_row) == FAILURES_IN_A_ROW and now - in_a_row[0] <= FAILURES_WITHIN_S:
            return True
        failures = sum(has_failed for at, has_failed in self._attempts if now - at <= ATTEMPTS_KEPT_S)
        return failures >= FAILURES_OF_THEM

    def _open(self, now: float) -> None:
        self._opened_at = now
        self._half_open_at = self._next_probe_at = now + self._open_s

    def _close(self) -> None:
        self._opened_at = None
        # What was before the outage must not open it again at the first failure.
        self._failed_in_a_row.clear()
        self._attempts.clear()


class Circuits:
    """A circuit for each model that calls ask for: a model that is down closes no line of another.

    Args:
        new: makes the circuit of a model that was not asked for before.
    """

    def __init__(self, new: Callable[[], Circuit] = Circuit) -> None:
        self._new = new
        self._circuits: dict[str, Circuit] = {}
        self._wanted_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Circuits {self._circuits}>"

    def is_open(self, model: str, now: float) -> bool:
        """Whether a call that asks for this model gets the fallback at once."""
        self._wanted_at[model] = now
        return model in self._circuits and self._circuits[model].is_open(now)

    def succeeded(self, model: str, now: float) -> None:
        """The model answered."""
        self._of(model, now).succeeded(now)

    def failed(self, model: str, now: float, *, is_fatal: bool = False) -> None:
        """The model could not be reached, or refused us; see `Circuit.failed`."""
        self._of(model, now).failed(now, is_fatal)

    def suspected(self, model: str, now: float) -> None:
        """Another process has found it down; see `Circuit.suspected`. It matters where calls ask for it."""
        if model in self._wanted_at:
            self._of(model, now).suspected(now)

    def hoped_for(self, model: str, now: float) -> None:
        """Another process has reached it again."""
        if model in self._circuits:
            self._circuits[model].hoped_for(now)

    def probes_due(self, now: float) -> list[str]:
        """The models to dial now. Asking takes their turn."""
        self._forget(now)
        return [model for model, circuit in self._circuits.items() if circuit.probe_due(now)]

    @property
    def next_probe_at(self) -> float | None:
        """When the next probe of any is due; None while all are closed."""
        times = [circuit.next_probe_at for circuit in self._circuits.values()]
        return min((at for at in times if at is not None), default=None)

    def open_models(self, now: float) -> list[str]:
        """The models that are not tried at the moment."""
        return [model for model, circuit in self._circuits.items() if circuit.is_open(now)]

    def states(self, now: float) -> dict[str, State]:
        """Where the circuit of each model stands. Who only looks asks for no model."""
        return {model: circuit.state(now) for model, circuit in self._circuits.items()}

    def _of(self, model: str, now: float) -> Circuit:
        if model not in self._circuits:
            self._circuits[model], self._wanted_at[model] = self._new(), now
        return self._circuits[model]

    def _forget(self, now: float) -> None:
        for model in [model for model, at in self._wanted_at.items() if now - at > WANTED_S]:
            del self._wanted_at[model]
            self._circuits.pop(model, None)
