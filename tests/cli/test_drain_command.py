"""`callbridge drain`: what it asks, what it says, and when it gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from typer.testing import CliRunner

from callbridge.cli import app as cli
from callbridge.cli import control_client
from callbridge.cli.control_client import ServiceError, every_client, own_addresses
from callbridge.cli.drain import MISSES_MAX, DrainError, take_calls_again, wait_for_the_last_call
from desks import NEEDED, made_settings
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable


class Service:
    """A service that has these numbers of live calls, one per question; None: it does not answer."""

    def __init__(self, *numbers: int | None, status: int = 200, body: bytes | None = None) -> None:
        self._numbers = list(numbers)
        self._status = status
        self._body = body
        self.asked: list[str] = []
        self.said: list[str] = []
        self.now = 0.0
        self.is_signalled = False

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        live = self._numbers.pop(0)
        if live is None:
            raise httpx.ConnectError("connection refused")
        if self._body is not None:
            return httpx.Response(self._status, content=self._body)
        state = "serving" if request.method == "DELETE" and not self.is_signalled else "draining"
        return httpx.Response(self._status, json={"state": state, "live_calls": live})

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def drain(self, wait_s: float = 3600) -> None:
        with self.client() as client:
            wait_for_the_last_call(
                [client], wait_s, say=self.said.append, clock=lambda: self.now, sleep=self._sleep
            )

    def undo(self) -> None:
        with self.client() as client:
            take_calls_again([client], say=self.said.append)

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._answer), base_url="http://127.0.0.1:8081")


def test_the_number_is_said_when_it_changes() -> None:
    """It is asked once a second; a call that came back counts again. An empty service is drained at once."""
    service = Service(0)
    service.drain()
    assert (service.asked, service.said, service.now) == (["POST /drain"], ["no call is live"], 0)
    service = Service(3, 3, 2, 2, 1, 2, 1, 0)
    service.drain()
    assert service.asked == ["POST /drain", *["GET /drain"] * 7]
    assert service.now == 7
    one, two = "1 call is live", "2 calls are live"
    assert service.said == ["3 calls are live", two, one, two, one, "no call is live"]


def test_a_drain_is_undone_unless_a_signal_has_come() -> None:
    service = Service(1)
    service.undo()
    assert (service.asked, service.said) == (["DELETE /drain"], ["it takes calls"])
    stopping = Service(1)
    stopping.is_signalled = True
    with pytest.raises(DrainError, match="Too late: a signal"):
        stopping.undo()


@pytest.mark.parametrize("wait_s", [0, 3, 2.5])
def test_time_is_up_in_words(wait_s: float) -> None:
    service = Service(*[2] * 10)
    with pytest.raises(DrainError, match=rf"After {wait_s:g} s: 2 calls are live\. .* run this again"):
        service.drain(wait_s)
    assert wait_s <= service.now < wait_s + 1


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([2, *[None] * MISSES_MAX], r"cannot be reached: connection refused.*2 calls are live"),
        ([None], r"127\.0\.0\.1:8081 cannot be reached: .* Is it running"),
    ],
    ids=["it ended meanwhile", "it never answered"],
)
def test_a_service_that_cannot_be_reached_is_no_success(numbers: list[int | None], words: str) -> None:
    """At the first question that is told at once."""
    service = Service(*numbers)
    with pytest.raises(ServiceError, match=words):
        service.drain()
    assert service.asked == ["POST /drain", *["GET /drain"] * (len(numbers) - 1)]


def test_a_lost_answer_is_no_failure() -> None:
    service = Service(2, *[None] * (MISSES_MAX - 1), 1, *[None] * (MISSES_MAX - 1), 0)
    service.drain()
    assert service.said[-1] == "no call is live"


class Workers:
    """Two workers, each a line of what they are at each question, and the port of one that leaves.

    An entry is the name of the process, its state, and its calls; None: nobody listens; "": no answer.
    """

    def __init__(self, *ports: list[tuple[str, str, int] | str | None]) -> None:
        self._ports = ports
        self.asked: list[str] = []
        self.said: list[str] = []

    def clients(self) -> list[httpx.Client]:
        return [
            httpx.Client(
                transport=httpx.MockTransport(self._answerer(number)), base_url=f"http://[::1]:{number}"
            )
            for number in range(len(self._ports))
        ]

    def _answerer(self, number: int) -> Callable[[httpx.Request], httpx.Response]:
        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(f"{request.method} {number}")
            match self._ports[number].pop(0):
                case None:
                    raise httpx.ConnectError("connection refused")
                case (process, state, live):
                    report = {"state": state, "live_calls": live, "process": process}
                    return httpx.Response(200, json=report | {"is_replaced": number == 2})
                case _:
                    raise httpx.ReadTimeout("")

        return answer

    def drain(self) -> None:
        wait_for_the_last_call(
            self.clients(), 9, say=self.said.append, clock=lambda: 0.0, sleep=lambda _: None
        )


def test_who_takes_the_place_of_a_worker_is_drained_as_well() -> None:
    """A rolling restart meanwhile: who leaves is asked at the last port, until nobody is there any more."""
    workers = Workers(
        [
            ("a", "draining", 2),
            ("b", "serving", 0),
            ("b", "draining", 0),
            ("b", "draining", 0),
            "",
            *[("b", "draining", 0)] * 2,
        ],
        [*[("c", "draining", 1)] * 3, ("c", "draining", 1), *[("c", "serving", 0)] * 2],
        [None, ("a", "draining", 1), ("a", "draining", 0), None, None, None],
    )
    workers.drain()
    assert workers.said == [
        "3 calls are live",
        "a process was replaced meanwhile: the new one is to take no calls either",
        "2 calls are live",
        "1 call is live",
        "no call is live",
    ]
    assert [asked for asked in workers.asked if asked.startswith("POST")] == [
        *("POST 0", "POST 1", "POST 2"),
        "POST 0",
    ]


def test_a_worker_that_leaves_keeps_nobody_from_taking_a_drain_back() -> None:
    workers = Workers([("b", "serving", 0)], [("c", "serving", 1)], [("a", "handing_over", 1)])
    take_calls_again(workers.clients(), say=workers.said.append)
    assert workers.said == ["it takes calls"]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, None, "refuses: its CALLBRIDGE_CONTROL_KEY, or the TWILIO_AUTH_TOKEN"),
        (404, None, r"no callbridge that can be drained \(HTTP 404"),
        (500, None, "HTTP 500"),
        (200, b"<html>", "no callbridge"),
        (200, b'{"state": "draining"}', "no callbridge"),
        (302, None, "HTTP 302"),
    ],
)
def test_other_answers_are_told_in_words(status: int, body: bytes | None, words: str) -> None:
    with pytest.raises(ServiceError, match=words):
        Service(0, status=status, body=body).drain()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:8081"),  # noqa: S104 - not listened on
        ("::", "http://127.0.0.1:8081"),
        ("127.0.0.1", "http://127.0.0.1:8081"),
        ("10.1.2.3", "http://10.1.2.3:8081"),
        ("::1", "http://[::1]:8081"),
    ],
)
def test_the_service_is_looked_for_on_this_machine(host: str, address: str) -> None:
    assert own_addresses(made_settings({"CALLBRIDGE_CONTROL_HOST": host})) == [address]


TWO_WORKERS = [8081, 8082, 8083]
BY_SETTINGS = [8081, 8082, 8083, 8084]


@pytest.mark.parametrize(
    ("said", "ports"),
    [
        ({8081: TWO_WORKERS}, TWO_WORKERS),
        ({8081: [8081]}, [8081]),
        ({8082: TWO_WORKERS}, TWO_WORKERS),
        ({8082: [8082]}, BY_SETTINGS),
        ({8081: [*range(8081, 9081)]}, BY_SETTINGS),
        ({8081: "?"}, BY_SETTINGS),
        ({}, BY_SETTINGS),
    ],
    ids=["several", "alone", "the first hangs", "another service", "too many", "no service", "nobody"],
)
def test_the_service_says_where_its_workers_are_asked(
    monkeypatch: pytest.MonkeyPatch, said: dict[int, object], ports: list[int]
) -> None:
    """`serve --workers` is not in the settings of who asks, or the settings have changed since."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.port not in said:
            raise httpx.ReadTimeout("")
        return httpx.Response(200, json={"live_calls": 0, "control_ports": said[request.url.port]})

    def client(_settings: object, url: str) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(answer), base_url=url)

    monkeypatch.setattr(control_client, "service_client", client)
    given = {
        "CALLBRIDGE_WORKERS": "3",
        "CALLBRIDGE_STATE_PATH": "state.db",
        "CALLBRIDGE_CONTROL_PORT": "8081",
    }
    with every_client(made_settings(given), None) as clients:
        assert [client.base_url.port for client in clients] == ports


def test_without_settings_it_ends_in_words(only_these: pytest.MonkeyPatch) -> None:
    ended = CliRunner().invoke(cli, ["drain"], env={"COLUMNS": "200"})
    assert ended.exit_code == 1
    assert "TWILIO_AUTH_TOKEN is not set." in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "cannot be reached"),
        ("ftp://127.0.0.1", "cannot be reached"),
        ("nowhere", "is --url right?"),
        ("http://127.0.0.1:1:1", "--url is no address"),
        ("http://10.1.2.3:8081", "for everybody to read"),
        ("http://calls.example.com", "for everybody to read"),
    ],
)
def test_nobody_there_ends_in_words(only_these: pytest.MonkeyPatch, url: str | None, words: str) -> None:
    port = free_port()
    arguments = ["drain"] if url is None else ["drain", "--url", url]
    ended = CliRunner().invoke(
        cli, arguments, env=NEEDED | {"CALLBRIDGE_CONTROL_PORT": str(port), "COLUMNS": "200"}
    )
    assert ended.exit_code == 1
    assert isinstance(ended.exception, SystemExit), ended.exception
    assert words in ended.output
