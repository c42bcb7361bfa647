"""One attempt against real sockets: what is sent, and what is told of receivers that do not behave."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import standardwebhooks

from callbridge.agents.http.kept_connections import KeptConnections
from callbridge.records.outbox.sample import sample_event
from callbridge.records.outbox.signing import signing_key
from callbridge.records.outbox.webhook import Made, Webhook
from callbridge.server.process.outbox import webhook_posting
from callbridge.server.process.outbox.webhook_posting import Posted, Posting
from leftovers import leaves_nothing
from small_server import Asked, answered, small_server

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = f"whsec_{'A' * 32}"


def webhook(url: str, **changes: Any) -> Webhook:
    given = {"name": "crm", "keys": (signing_key(SECRET),), "events": frozenset({"call.completed"})}
    return Webhook(url=url, **given | changes)


async def posted(answer: Callable[[Asked], bytes | None], **changes: Any) -> Posted:
    """What becomes of one attempt with a receiver that answers so."""
    async with leaves_nothing(), small_server(answer) as server, KeptConnections() as connections:
        return await Posting(connections).post(webhook(f"{server.origin}/hook", **changes), sample_event(1.0))


async def test_a_receiver_gets_what_it_can_trust() -> None:
    """And over a connection that is kept for the next one."""
    async with leaves_nothing(), small_server(lambda _: answered("", status="204 No Content")) as server:
        async with KeptConnections() as connections:
            posting = Posting(connections)
            told = [await posting.post(webhook(f"{server.origin}/hook?a=1"), sample_event(1.0)) for _ in "12"]
        assert told == [Posted(204), Posted(204)]
        assert server.connections == 1
        first, second = server.asked
    assert (first.method, first.target) == ("POST", "/hook?a=1")
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.json["id"]
    assert standardwebhooks.Webhook(SECRET).verify(first.body, first.headers)["type"] == "call.completed"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            answered('{"message": "no property hs_x"}', status="400 Bad Request"),
            Posted(400, 'it answered 400 Bad Request: {"message": "no property hs_x"}'),
        ),
        (
            answered("<html>secret</html>", status="500 Oops", kind="text/html"),
            Posted(500, "it answered 500 Internal Server Error"),
        ),
        (
            answered("", status="307 Moved", more="Location: http://localhost:1/\r\n"),
            Posted(
                307, "it answered 307 Temporary Redirect; redirects are not followed: set the new address"
            ),
        ),
        (
            answered("", status="429 Slow", more="Retry-After: 17\r\n"),
            Posted(429, "it answered 429 Too Many Requests", 17.0),
        ),
        (answered("", status="410 Gone"), Posted(410, "it answered 410 Gone")),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Posted(error="the connection with the service broke off")),
    ],
)
async def test_what_a_receiver_answers_is_told(answer: bytes, expected: Posted) -> None:
    assert await posted(lambda _: answer) == expected


async def test_secrets_that_come_back_are_not_kept() -> None:
    """A receiver that shows what it was sent, and with it a header."""

    def echo(asked: Asked) -> bytes:
        return answered(
            f"bad: {asked.headers['authorization']}\n\x00" + "x" * 900, status="401 No", kind="text/plain"
        )

    hide = {"hide": lambda text: text.replace("token-4711", "[secret]")}
    told = await posted(echo, headers={"Authorization": "Bearer token-4711"}, **hide)
    assert told.error.startswith("it answered 401 Unauthorized: bad: Bearer [secret] x")
    assert len(told.error) < 250


async def test_a_receiver_that_says_nothing_has_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert webhook_posting.ANSWER_S == 10.0
    monkeypatch.setattr(webhook_posting, "ANSWER_S", 0.05)
    assert await posted(lambda _: None) == Posted(error="the service did not answer within 0.05 s")


async def test_nobody_there() -> None:
    async with leaves_nothing(), small_server(lambda _: b"") as server:
        origin = server.origin
    async with leaves_nothing(), KeptConnections() as connections:
        told = await Posting(connections).post(webhook(origin), sample_event(1.0))
    assert told == Posted(error="the service cannot be reached")


async def test_a_name_that_leads_inside_is_for_internal_receivers_alone() -> None:
    """Whatever the name server says, and it may say another thing the next time."""

    async def inside(_host: str, _port: int) -> list[str]:
        return ["10.0.0.7"]

    async with leaves_nothing(), KeptConnections(resolve=inside) as connections:
        told = await Posting(connections).post(webhook("https://crm.example.com/"), sample_event(1.0))
    assert told == Posted(error="the name of the service leads to an address that is not allowed")


async def test_a_template_that_fails_costs_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raises may have a caller's words in it: its kind is told alone. One that hangs keeps nobody."""

    def broken(_story: object) -> dict[str, Any]:
        raise KeyError("+14155550100")

    assert await posted(lambda _: None, template=Made(broken)) == Posted(error="its template raised KeyError")
    let_go = threading.Event()
    monkeypatch.setattr(webhook_posting, "TEMPLATE_S", 0.05)
    told = await posted(lambda _: None, template=Made(lambda _story: {"is": let_go.wait(30)}))
    let_go.set()
    assert told == Posted(error="its template took longer than 0.05 s")


async def test_a_template_that_is_wrong_is_not_tried_again() -> None:
    told = await posted(lambda _: None, template=Made(lambda _story: 1))  # type: ignore[arg-type, return-value]  # Wrong.
    assert told == Posted(error="the function answers a int, and no WebhookRequest", is_hopeless=True)
    assert await posted(lambda _: None, template=Made(lambda _story: None)) == Posted(is_skipped=True)
