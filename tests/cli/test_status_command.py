"""`callbridge status`: what it says of each process, and what its exit status says."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from callbridge.cli.control_client import NoAnswerError, ServiceError
from callbridge.cli.status import tell_metrics, tell_status
from callbridge.server.http.control import Neighbour, Readiness

WELL = Readiness(
    state="serving",
    declines_for=[],
    process="fa470dcc67e60458",
    others=[],
    state_file="well",
    records="well",
    models_down=[],
    live_calls=3,
    places_taken=4,
    places=250,
    spent_dollars_hour=1.5,
    spent_dollars_day=12.0,
)


def service(*answers: httpx.Response) -> list[httpx.Client]:
    """A process for each of these answers, whatever it is asked."""

    def client(answer: httpx.Response) -> httpx.Client:
        transport = httpx.MockTransport(lambda _: answer)
        return httpx.Client(transport=transport, base_url="http://127.0.0.1:8081")

    return [client(answer) for answer in answers]


def readiness(status: int = 200, **changed: Any) -> httpx.Response:
    return httpx.Response(status, content=msgspec.json.encode(msgspec.structs.replace(WELL, **changed)))


def test_a_service_that_is_well_takes_calls() -> None:
    said: list[str] = []
    assert tell_status(service(readiness()), say=said.append)
    assert "\n".join(said).splitlines() == [
        "process    fa470dcc67e60458, serving",
        "new calls  are taken",
        "live calls 3; 4 of 250 places are taken",
        "spent      $1.50 in an hour, $12.00 in a day",
        "models     well",
        "state      well",
        "records    well",
    ]


def test_one_worker_that_declines_is_told_with_its_reasons_and_its_neighbours() -> None:
    said: list[str] = []
    troubled = readiness(
        503,
        declines_for=["state", "model_outage"],
        state_file="the database is away",
        models_down=["gpt-realtime-2.1"],
        others=[Neighbour(process="0" * 16, is_leaving=True, live_calls=2)],
    )
    assert not tell_status(service(readiness(), troubled), say=said.append)
    _, told = said[0].split("\n\n")
    for line in (
        "new calls  are declined: state, model_outage",
        "models     down: gpt-realtime-2.1",
        "state      the database is away",
        "beside it  0000000000000000, live calls: 2, leaves",
    ):
        assert line in told.splitlines()


def test_a_worker_that_is_replaced_takes_no_new_calls_and_declines_none() -> None:
    said: list[str] = []
    assert tell_status(service(readiness(state="draining", is_replaced=True)), say=said.append)
    assert said[0].splitlines()[:2] == [
        "process    fa470dcc67e60458, draining",
        "new calls  go to the worker that replaces it",
    ]


def test_a_worker_that_does_not_answer_keeps_nobody_from_hearing_the_others() -> None:
    """Its event loop hangs, or it has just been started. Where nobody listens nobody leaves."""

    def client(error: type[httpx.TransportError]) -> httpx.Client:
        def fail(_request: httpx.Request) -> httpx.Response:
            raise error("not now")

        return httpx.Client(transport=httpx.MockTransport(fail), base_url="http://127.0.0.1:8082")

    said: list[str] = []
    hangs, nobody = client(httpx.ReadTimeout), client(httpx.ConnectError)
    assert not tell_status([*service(readiness()), hangs, nobody], say=said.append)
    first, second = said[0].split("\n\n")
    assert first.startswith("process    fa470dcc67e60458")
    assert second.startswith("process    does not answer at http://127.0.0.1:8082")
    assert tell_status([*service(readiness()), nobody], say=said.append)
    with pytest.raises(NoAnswerError, match="cannot be reached: not now"):
        tell_status([hangs, nobody], say=said.append)


def test_metrics_are_those_of_every_worker() -> None:
    said: list[str] = []
    workers = service(httpx.Response(200, text="calls 1\n"), httpx.Response(200, text="calls 2\n"))
    tell_metrics(workers, say=said.append)
    assert [line for line in said if line[0] != "#"] == ["calls 1", "calls 2"]
    assert said[0] == said[2] == "# The process at http://127.0.0.1:8081:"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(401), "refuses"),
        (httpx.Response(404), "no callbridge"),
        (httpx.Response(200, text="<html>"), "no callbridge"),
    ],
)
def test_what_is_no_service_of_ours_is_said_to_be_none(answer: httpx.Response, told: str) -> None:
    with pytest.raises(ServiceError, match=told):
        tell_status(service(answer), say=lambda _: None)
