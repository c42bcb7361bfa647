"""`callbridge calls end` and `hand-over`: what is asked, and what is said of the answer."""

from __future__ import annotations

import httpx
import pytest

from callbridge.cli.calls.ordering import order
from callbridge.cli.control_client import ServiceError
from callbridge.server.http.orders import END_PATH, HAND_OVER_PATH
from desks import CALL


def ordered(path: str, status: int, body: object) -> tuple[str, list[str]]:
    """What is said of an answer, and what was asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        return httpx.Response(status, json=body)

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://127.0.0.1:8081") as client:
        return order([client], path, CALL), asked


@pytest.mark.parametrize(("path", "last"), [(END_PATH, "end"), (HAND_OVER_PATH, "hand-over")])
@pytest.mark.parametrize("carried_by", ["this process", "another process"])
def test_the_call_is_told_whoever_carries_it(path: str, last: str, carried_by: str) -> None:
    said, asked = ordered(path, 202, {"call_sid": CALL, "carried_by": carried_by})
    assert said == f"{CALL} was told; it is carried by {carried_by}"
    assert asked == [f"POST /calls/{CALL}/{last}"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, {"error": "No such call is live."}, "No such call is live."),
        (503, {"error": "cannot tell another one"}, "cannot tell another one"),
        (401, {}, "CALLBRIDGE_CONTROL_KEY"),
        (202, {"state": "serving"}, "Is --url right?"),
        (404, {"detail": "Not Found"}, "Is --url right?"),
    ],
)
def test_what_did_not_work_is_said(status: int, body: object, said: str) -> None:
    with pytest.raises(ServiceError, match=said.replace("?", r"\?")):
        ordered(END_PATH, status, body)


def test_workers_are_asked_until_one_knows_the_call() -> None:
    """Without a file each knows of its own calls alone."""

    def worker(status: int) -> httpx.Client:
        body = {"call_sid": CALL, "carried_by": "this process"} if status == 202 else {"error": "not here"}
        transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
        return httpx.Client(transport=transport, base_url="http://127.0.0.1:8081")

    assert "was told" in order([worker(404), worker(202), worker(500)], END_PATH, CALL)
    with pytest.raises(ServiceError, match="not here"):
        order([worker(404), worker(404)], END_PATH, CALL)
