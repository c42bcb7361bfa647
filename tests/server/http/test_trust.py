"""Whom the service answers: by signature under any known token, or on this machine alone; what it logs."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from fastapi import WebSocket
from starlette.requests import Request

from callbridge.observe.first_of_kind import COUNT_EVERY_S
from callbridge.server.http.trust import Trust
from callbridge.telephony.signatures import sign
from desks import ACCOUNT, AUTH_TOKEN, BASE, UNSIGNED, FrontDesk

FORM = [("AccountSid", ACCOUNT), ("CallSid", "CA1")]
PATH = "/twilio/voice"
HERE = ("127.0.0.1", 50_000)


def scope_of(
    kind: str, headers: dict[str, str], client: tuple[str, int] | None, **more: Any
) -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    path = "/media-stream" if kind == "websocket" else PATH
    scope = {"type": kind, "method": "POST", "path": path, "query_string": b"", "headers": raw}
    return scope | {"client": client} | more


async def _nothing(*_: Any) -> Any:
    raise AssertionError("nothing is read or sent")


def webhook(headers: dict[str, str], client: tuple[str, int] | None = HERE, **more: Any) -> Request:
    return Request(scope_of("http", headers, client, **more))


def upgrade(headers: dict[str, str], client: tuple[str, int] | None = HERE, **more: Any) -> WebSocket:
    return WebSocket(scope_of("websocket", headers, client, **more), _nothing, _nothing)


def lines_of(trust: Trust, *headers: dict[str, str], form: list[tuple[str, str]] = FORM) -> list[Any]:
    """What is logged of webhooks with these headers, all of which are refused."""
    with structlog.testing.capture_logs() as logs:
        for one in headers:
            assert not trust.accepts_webhook(webhook(one), form)
    return logs


LOCAL = {"Host": "127.0.0.1:8080"}
STRANGE: list[tuple[dict[str, str], tuple[str, int] | None]] = [
    *[
        (LOCAL | {name: "1.2.3.4"}, HERE)
        for name in (
            *("Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"),
            *(
                "CF-Connecting-IP",
                "CF-Ray",
                "Fly-Client-IP",
                "Fly-Forwarded-Port",
                "ngrok-skip-browser-warning",
            ),
            *("True-Client-IP", "X-Amzn-Trace-Id", "Origin", "Sec-Fetch-Site"),
        )
    ],
    *[
        ({"Host": host}, HERE)
        for host in (
            "some-words.trycloudflare.com",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "",
            "[::1",
            "localhost@x",
        )
    ],
    ({}, HERE),
    (LOCAL, ("10.0.0.7", 1)),
    (LOCAL, ("", 1)),
    (LOCAL, None),
]
"""Headers and client of requests that have come from elsewhere."""


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:8080", "[::1]:8080", "127.0.0.9"])
def test_with_signatures_off_this_machine_is_answered(host: str) -> None:
    trust = Trust(FrontDesk(UNSIGNED).desk)
    for client in (HERE, ("::1", 1)):
        assert trust.accepts_webhook(webhook({"Host": host}, client), FORM)
        assert trust.accepts_upgrade(upgrade({"Host": host}, client), "/media-stream")


@pytest.mark.parametrize(("headers", "client"), STRANGE)
def test_with_signatures_off_what_came_from_elsewhere_is_refused(
    headers: dict[str, str], client: tuple[str, int] | None
) -> None:
    """By whatever shows it, and whatever its signature; each of the two with a line in words."""
    trust = Trust(FrontDesk(UNSIGNED).desk)
    signed = headers | {"X-Twilio-Signature": sign(AUTH_TOKEN, UNSIGNED["PUBLIC_BASE_URL"] + PATH, FORM)}
    with structlog.testing.capture_logs() as logs:
        assert not trust.accepts_webhook(webhook(signed, client), FORM)
        assert not trust.accepts_upgrade(upgrade(headers, client), "/media-stream")
    assert [line["event"] for line in logs] == ["webhook_refused", "upgrade_refused"]
    for line in logs:
        assert "signatures are not checked" in line["reason"]
        assert "CALLBRIDGE_VALIDATE_SIGNATURES" in line["remedy"]


def test_with_signatures_off_a_wrong_mount_is_told() -> None:
    """There is no signature that would show it, and its TwiML would lead nowhere."""
    prefixed = UNSIGNED | {"PUBLIC_BASE_URL": "http://127.0.0.1:8080/calls"}
    for environment, root_path in ((UNSIGNED, "/calls"), (prefixed, "/phone")):
        trust = Trust(FrontDesk(environment).desk)
        with structlog.testing.capture_logs() as logs:
            assert not trust.accepts_webhook(webhook(LOCAL, root_path=root_path), FORM)
        assert f"mounted at {root_path}" in logs[0]["reason"]
    assert Trust(FrontDesk(prefixed).desk).accepts_webhook(webhook(LOCAL, root_path="/calls"), FORM)


def test_every_known_token_signs() -> None:
    """For webhooks and upgrades; one that is not known does not."""
    trust = Trust(FrontDesk({"CALLBRIDGE_OTHER_AUTH_TOKENS": "next,ie1"}).desk)
    for token, is_known in ((AUTH_TOKEN, True), ("next", True), ("ie1", True), ("next,ie1", False)):
        form_signed = {"X-Twilio-Signature": sign(token, BASE + PATH, FORM)}
        assert trust.accepts_webhook(webhook(form_signed), FORM) is is_known
        socket_signed = {"X-Twilio-Signature": sign(token, "wss://calls.example.com/media-stream")}
        assert trust.accepts_upgrade(upgrade(socket_signed), "/media-stream") is is_known


def test_a_stale_address_is_told_by_both_addresses() -> None:
    """The line of a tunnel that was started anew."""
    headers = {
        "Host": "new.example",
        "X-Twilio-Signature": sign(AUTH_TOKEN, f"https://new.example{PATH}", FORM),
    }
    (line,) = lines_of(Trust(FrontDesk().desk), headers)
    assert line["reason"] == f"PUBLIC_BASE_URL is {BASE}, and Twilio asked https://new.example{PATH}"
    assert line["remedy"] == "Set PUBLIC_BASE_URL=https://new.example"


def test_many_of_a_kind_are_one_line_and_then_a_count() -> None:
    """A stranger's flood costs a line a minute; it hides neither other kinds nor those for our account."""
    front = FrontDesk()
    trust, wrong = Trust(front.desk), {"X-Twilio-Signature": "x"}
    unsigned: dict[str, str] = {}
    assert len(lines_of(trust, *[wrong] * 50, *[unsigned] * 50, form=[])) == 2
    assert len(lines_of(trust, *[wrong] * 50, *[unsigned] * 50)) == 2
    front.now += COUNT_EVERY_S
    (line,) = lines_of(trust, wrong)
    assert line["count"] == 50
