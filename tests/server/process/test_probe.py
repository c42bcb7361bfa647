"""The probe: dials while the circuit is open, at its times, and only then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from callbridge.bridge.legs.leg import DialError, Read, SocketLeg
from callbridge.call.events import Leg, LegGone, ModelDialFailed
from callbridge.server.process import probe
from callbridge.switchboard.circuit import OPEN_S, PROBE_EVERY_S
from desks import FrontDesk
from leftovers import until

REFUSED = ModelDialFailed("HTTP 503: overloaded", 503)
OPENED_AT = 100.0


class _Leg:
    """A session that a probe has opened."""

    def __init__(self, first_words: str | None = '{"type":"session.created","session":{}}') -> None:
        self.closed_with: list[tuple[int, str]] = []
        self._first_words = first_words

    async def read(self, said: Read) -> LegGone:
        """Says its first words and stays; without any it is gone at once."""
        if self._first_words is None:
            return LegGone(Leg.MODEL, 3000, "invalid_request_error.invalid_api_key")
        said(self._first_words)
        await asyncio.Event().wait()
        raise AssertionError("unreachable: nobody sets the event")

    async def close(self, code: int, reason: str) -> None:
        self.closed_with.append((code, reason))


class _Model:
    """Answers each dial as it is told to; notes when, and for which model."""

    def __init__(self, front: FrontDesk, *answers: ModelDialFailed | _Leg) -> None:
        self._front, self._answers = front, list(answers)
        self.dials: list[tuple[float, str]] = []

    async def dial(self, model: str) -> SocketLeg:
        """The next answer."""
        self.dials.append((self._front.now, model))
        answer = self._answers.pop(0)
        if isinstance(answer, ModelDialFailed):
            raise DialError(answer)
        return answer  # type: ignore[return-value]  # Only `read` and `close` are asked of it.


@contextlib.asynccontextmanager
async def probing(
    monkeypatch: pytest.MonkeyPatch, *answers: ModelDialFailed | _Leg
) -> AsyncIterator[tuple[FrontDesk, _Model]]:
    """A prober whose sleep turns the clock on."""
    front = FrontDesk()
    front.now = OPENED_AT
    model = _Model(front, *answers)
    front.desk.dialer = model
    sleep = asyncio.sleep

    async def pass_time(seconds: float) -> None:
        front.now += seconds
        await sleep(0)

    monkeypatch.setattr(probe, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": pass_time}))
    task = asyncio.create_task(probe.probe_forever(front.desk))
    try:
        yield front, model
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def open_circuit(front: FrontDesk) -> None:
    front.desk.circuits.failed(front.desk.settings.realtime_model, front.now, is_fatal=True)
    front.desk.circuit_opened.set()


async def test_a_model_that_is_well_is_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with probing(monkeypatch) as (front, model):
        await asyncio.create_task(asyncio.sleep(0))  # It began later: the prober has taken its first step.
        assert model.dials == []
        assert front.now == OPENED_AT


async def test_the_first_success_closes_the_circuit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes come at their times; the session that was opened is closed, and no more are made."""
    leg = _Leg()
    with structlog.testing.capture_logs() as logs:
        async with probing(monkeypatch, REFUSED, REFUSED, leg) as (front, model):
            open_circuit(front)
            assert await until(lambda: not front.desk.circuit_opened.is_set())
            first = OPENED_AT + OPEN_S
            name = front.desk.settings.realtime_model
            assert model.dials == [(first + number * PROBE_EVERY_S, name) for number in range(3)]
            assert not front.desk.circuits.open_models(front.now)
    assert leg.closed_with == [(1000, "")]
    told = ["model_outage", "model_probe_failed", "model_probe_failed", "model_back"]
    assert [line["event"] for line in logs] == told


@pytest.mark.parametrize(
    ("answer", "is_well"),
    [
        (ModelDialFailed("HTTP 429", 429, "rate_limit_exceeded"), True),
        (ModelDialFailed("HTTP 429", 429), True),
        (ModelDialFailed("HTTP 429", 429, "insufficient_quota"), False),
        (ModelDialFailed("HTTP 401", 401, "invalid_api_key"), False),
        (ModelDialFailed("cannot connect"), False),
    ],
    ids=["rate limit", "429 without a code", "no quota", "wrong key", "not there"],
)
async def test_a_rate_limit_says_that_the_model_is_well(
    monkeypatch: pytest.MonkeyPatch, answer: ModelDialFailed, is_well: bool
) -> None:
    """It would have served us at another moment; without money or key it would not."""
    async with probing(monkeypatch, answer, _Leg(), _Leg()) as (front, model):
        for outages in (0, 1):  # The second one is probed like the first.
            open_circuit(front)
            assert await until(lambda: not front.desk.circuit_opened.is_set())
            assert len(model.dials) == (1 if is_well else 2) + outages
            assert not front.desk.circuits.open_models(front.now)


@pytest.mark.parametrize(
    "first_words",
    [None, '{"type":"error","error":{"code":"invalid_api_key","message":"No."}}', "not JSON", ...],
    ids=["closed", "refused", "garbage", "silent"],
)
async def test_a_socket_without_a_session_is_no_success(
    monkeypatch: pytest.MonkeyPatch, first_words: Any
) -> None:
    """The vendor may open the socket for a key that it then refuses: calls would meet the same. The wait for
    its first words has a bound.
    """
    refused, well = _Leg(first_words), _Leg()
    if first_words is ...:
        monkeypatch.setattr(probe, "GREETED_WITHIN_S", 0.01)
        monkeypatch.setattr(refused, "read", lambda _said: asyncio.Event().wait())
    async with probing(monkeypatch, refused, well) as (front, model):
        open_circuit(front)
        assert await until(lambda: not front.desk.circuits.open_models(front.now))
        assert len(model.dials) == 2
    assert refused.closed_with == well.closed_with == [(1000, "")]
