"""HTTP tools against a real server: what the model is told, and what nobody can make them do."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from contextlib import asynccontextmanager
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from callbridge.agents.http.answers import Path
from callbridge.agents.http.parameters import Parameter
from callbridge.agents.http.pinned import resolve
from callbridge.agents.http.recipe import Recipe
from callbridge.agents.http.secrets import Secrets
from callbridge.agents.http.sending import Sender
from callbridge.agents.http.tool import http_tool
from callbridge.agents.tools.threads import ThreadsBusy
from callbridge.agents.tools.tool import Manner
from callbridge.agents.tools.toolbox import Toolbox
from callbridge.call.outcomes import ToolOutcome
from leftovers import leaves_nothing
from small_server import Asked, SmallServer, answered, small_server
from tool_runs import run_tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from callbridge.agents.http.answers import Wanted
    from callbridge.agents.tools.tool import ToolResult

CERTIFICATE = File(__file__).parents[2] / "loopback.pem"
SECRET = "pk/live+4711"
SLOTS = '{"data": {"slots": [{"start": "9:00", "doctor": {"name": "Ann"}}, {"start": "10:30"}]}}'


class Rig:
    """A tool that asks a small server for the slots of a day."""

    def __init__(self, server: SmallServer) -> None:
        self.server = server

    async def ask(
        self,
        day: str = "monday",
        *,
        method: Any = "GET",
        wanted: Wanted = "whole",
        timeout_s: float = 5.0,
        sender: Sender | None = None,
        origin: str = "",
    ) -> ToolResult:
        secrets = Secrets({"KEY": SECRET})
        recipe = Recipe(
            method,
            f"{origin or self.server.origin}/slots/{{day}}",
            [Parameter("day", "path")],
            {"Authorization": secrets.fill("Bearer ${KEY}")},
        )
        assert list(recipe.faults([recipe.origin])) == []
        tool = http_tool(
            "slots",
            "The free slots.",
            recipe,
            wanted=wanted,
            manner=Manner(timeout_s=timeout_s),
            sender=sender or Sender(),
            secrets=secrets,
        )
        toolbox = Toolbox()
        toolbox.add(tool)
        return await run_tool(toolbox, tool.name, json.dumps({"day": day}))


@asynccontextmanager
async def a_service(answer: bytes | Callable[[Asked], bytes | None] | None) -> AsyncIterator[Rig]:
    async with leaves_nothing():
        answers = answer if callable(answer) else lambda _: answer
        async with asyncio.timeout(20), small_server(answers) as server:
            yield Rig(server)


def error_in(result: ToolResult) -> str:
    """What the model is told of a failure; the secret is in no result."""
    assert SECRET not in result.output
    assert result.outcome is not ToolOutcome.ANSWERED
    return str(json.loads(result.output)["error"])


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
async def test_the_answer_is_told_whole() -> None:
    async with a_service(answered(SLOTS)) as rig:
        result = await rig.ask("30 April")
    assert (json.loads(result.output), result.outcome) == (json.loads(SLOTS), ToolOutcome.ANSWERED)
    (asked,) = rig.server.asked
    assert (asked.method, asked.target) == ("GET", "/slots/30%20April")
    assert asked.headers["authorization"] == f"Bearer {SECRET}"
    assert asked.headers["host"] == rig.server.origin.removeprefix("http://")
    assert "accept-encoding" not in asked.headers


async def test_of_an_answer_the_parts_are_told_that_were_asked_for() -> None:
    wanted = {name: Path(path) for name, path in {"times": "data.slots[*].start", "no": "data.no"}.items()}
    async with a_service(answered(SLOTS)) as rig:
        result = await rig.ask(wanted=wanted)
    assert json.loads(result.output) == {"times": ["9:00", "10:30"], "no": None}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answered("Closed on Sundays.", kind="text/plain; charset=utf-8"), "Closed on Sundays."),
        (answered("Müller".encode("latin-1"), kind="text/plain; charset=latin-1"), "Müller"),
        (answered("x", kind="text/plain; charset=none-such"), "x"),
        (answered("", status="204 No Content"), '{"status":"done"}'),
        (answered("", status="201 Created"), '{"status":"done"}'),
    ],
)
async def test_text_and_an_empty_answer_are_told(answer: bytes, told: str) -> None:
    async with a_service(answer) as rig:
        assert (await rig.ask(method="POST")).output == told


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answered("<h1>", kind="application/json"), "not the JSON"),
        (answered('{"a": 1, "a": 2}'), "not the JSON"),
        (answered('{"a": NaN}'), "not the JSON"),
        (answered("[" * 30_000), "not the JSON"),
        (answered(b"\xff\xfe{}"), "not the JSON"),
        (answered(b"\x89PNG", kind="image/png"), "not the JSON"),
        (answered("{}", more="Content-Encoding: gzip\r\n"), "compressed"),
        (answered(f'"{"x" * 9000}"'), "longer than 8192 bytes"),
        (answered(f'"{"x" * 70_000}"'), "more than 64 KiB"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n",
            "with",
        ),
        (answered("{}", status="404 Not Found"), "the service answered 404 Not Found"),
        (answered('{"why": "no\\n such day"}', status="422 X"), 'such day"}'),
        (answered("<h1>Oh no</h1>", status="500 X", kind="text/html"), "500 Internal Server Error"),
        (answered("x" * 100_000, status="500 X", kind="text/plain"), "x" * 400),
        (answered("{}", status="799 X"), "the service answered 799"),
        (b"SMTP ready\r\n\r\n", "broke off"),
        (b"", "did not answer within"),
    ],
)
async def test_what_goes_wrong_is_told_in_words(answer: bytes, why: str) -> None:
    async with a_service(answer) as rig:
        error = error_in(await rig.ask(timeout_s=0.5 if why in {"with", "did not answer within"} else 5.0))
    assert why in error
    assert len(error) < 500


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_told_and_not_followed(status: str) -> None:
    def answer(asked: Asked) -> bytes:
        return answered("", status=status, more="Location: /elsewhere\r\n")

    async with a_service(answer) as rig:
        assert f"a redirect ({status[:3]}), which is not followed" in error_in(await rig.ask())
    assert len(rig.server.asked) == 1


@pytest.mark.parametrize(("method", "is_in_doubt"), [("GET", False), ("POST", True), ("DELETE", True)])
async def test_a_slow_service_is_given_up_within_the_tools_time(method: str, *, is_in_doubt: bool) -> None:
    """What may have been done is not told as a failure."""
    async with a_service(None) as rig:
        result = await rig.ask(method=method, timeout_s=0.6)
    assert result.outcome is ToolOutcome.TIMED_OUT
    assert "did not answer within 0.54 s" in error_in(result)
    assert ("do not say that it failed" in error_in(result)) == is_in_doubt


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [
        ("POST", answered("<h1>Thank you"), "not the JSON"),
        ("PUT", answered(f'"{"x" * 9000}"'), "longer than 8192 bytes"),
        ("DELETE", answered("x" * 70_000, kind="text/plain"), "more than 64 KiB"),
        ("POST", answered("{}", more="Content-Encoding: gzip\r\n"), "compressed"),
    ],
)
async def test_what_was_done_is_done_whatever_is_answered(method: str, answer: bytes, told: str) -> None:
    """Told as a failure, it would be asked for again."""
    async with a_service(answer) as rig:
        result = await rig.ask(method=method)
    assert result.outcome is ToolOutcome.ANSWERED
    assert json.loads(result.output)["status"] == "done"
    assert told in json.loads(result.output)["answer"]


async def test_an_empty_answer_has_no_parts() -> None:
    async with a_service(answered("", status="204 No Content")) as rig:
        result = await rig.ask(method="POST", wanted={"number": Path("number")})
    assert (json.loads(result.output)["status"], result.outcome) == ("done", ToolOutcome.ANSWERED)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("answer", "is_doubtful"),
    [
        (answered("{}", status="500 X"), True),
        (answered("{}", status="504 X"), True),
        (b"SMTP ready\r\n\r\n", True),
        (answered("{}", status="409 X"), False),
        (answered("{}", status="503 X"), False),
    ],
)
async def test_what_may_have_been_done_is_not_done_again(
    method: str, answer: bytes, *, is_doubtful: bool
) -> None:
    """The outcome is one of those that no later session runs again."""
    async with a_service(answer) as rig:
        result = await rig.ask(method=method)
    is_in_doubt = is_doubtful and method == "POST"
    assert ("do not say that it failed" in error_in(result)) == is_in_doubt
    assert result.outcome is (ToolOutcome.TIMED_OUT if is_in_doubt else ToolOutcome.FAILED)


async def test_who_cannot_be_reached_was_asked_nothing() -> None:
    async with a_service(None) as rig:
        pass
    error = error_in(await rig.ask(method="POST"))
    assert error == "the service cannot be reached; nothing was done"


async def test_each_request_has_a_connection_of_its_own() -> None:
    async with a_service(answered("1")) as rig:
        results = await asyncio.gather(*(rig.ask(str(n)) for n in range(3)))
    assert [result.output for result in results] == ["1"] * 3
    assert rig.server.connections == 3


# --- Secrets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_a_secret_that_comes_back_is_not_told(status: str, kind: str) -> None:
    """A service may answer with what it was sent, also in letters of JSON that are written otherwise."""
    echo = json.dumps({"you sent": [f"Bearer {SECRET}"], SECRET: 1}).replace("pk/live", "pk\\u002flive")
    echo = (
        echo if kind == "application/json" and status == "200 OK" else f"Bearer {SECRET} k=pk%2Flive%2B4711"
    )
    async with a_service(answered(echo, status=status, kind=kind)) as rig:
        result = await rig.ask()
    assert "4711" not in result.output
    assert "[secret]" in result.output


async def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong, and however much is logged."""
    caplog.set_level(logging.DEBUG)
    broken = [answered(SECRET, status="500 X", kind="text/plain"), b"SMTP\r\n\r\n", answered(SLOTS)]
    with structlog.testing.capture_logs() as lines:
        for answer in broken:
            async with a_service(answer) as rig:
                await rig.ask()
        await rig.ask()  # Nobody is there any more.
    assert [line["event"] for line in lines] == ["http_tool_failed"] * 3
    assert SECRET not in repr(lines) + caplog.text


# --- Where it goes --------------------------------------------------------------------------------------


class Resolver:
    """Answers with one list of addresses after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        return self._answers.pop(0)


@pytest.mark.parametrize(
    "addresses",
    [
        *(["127.0.0.1"], ["10.0.0.7"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["fd00:ec2::254"]),
        *(["64:ff9b::7f00:1"], ["8.8.8.8", "127.0.0.1"], ["0.0.0.0"]),  # noqa: S104  # Nothing listens.
    ],
)
async def test_a_name_that_leads_inside_is_not_followed(addresses: list[str]) -> None:
    """One such address among others is enough."""
    async with a_service(answered(SLOTS)) as rig:
        port = rig.server.origin.rpartition(":")[2]
        sender = Sender(resolve=Resolver(addresses))
        error = error_in(await rig.ask(sender=sender, origin=f"https://api.example.com:{port}"))
    assert error == "the name of the service leads to an address that is not allowed; nothing was done"
    assert rig.server.connections == 0


async def test_this_machine_means_this_machine() -> None:
    """`localhost` on the list lets nobody into the network around it."""
    async with a_service(answered(SLOTS)) as rig:
        assert "not allowed" in error_in(await rig.ask(sender=Sender(resolve=Resolver(["192.168.0.1"]))))
        assert "not allowed" in error_in(await rig.ask(sender=Sender(resolve=Resolver(["8.8.8.8"]))))


async def test_the_address_that_was_looked_at_is_the_one_that_is_called() -> None:
    """A name server that answers otherwise the second time is not asked a second time."""
    resolver = Resolver(["127.0.0.1"], ["10.0.0.1"])
    async with a_service(answered(SLOTS)) as rig:
        assert (await rig.ask(sender=Sender(resolve=resolver))).outcome is ToolOutcome.ANSWERED
        assert resolver.asked == ["localhost"]
        assert "not allowed" in error_in(await rig.ask(sender=Sender(resolve=resolver)))


async def test_the_next_address_is_tried() -> None:
    resolver = Resolver(["::1", "127.0.0.2", "127.0.0.1"])
    async with a_service(answered(SLOTS)) as rig:
        assert (await rig.ask(sender=Sender(resolve=resolver))).outcome is ToolOutcome.ANSWERED


@pytest.mark.parametrize("fault", [OSError("no such name"), ThreadsBusy()])
async def test_a_name_that_nobody_has_is_told(fault: Exception) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise fault

    async with a_service(answered(SLOTS)) as rig:
        assert "cannot be reached" in error_in(await rig.ask(sender=Sender(resolve=resolve)))


async def test_a_name_is_looked_up_beside_the_loop() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80)
    with pytest.raises(OSError, match="label"):
        await resolve("a" * 70, 80)


@pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])
async def test_tls_goes_by_the_name() -> None:
    """The connection goes to an address; the certificate is that of the name, and is asked for."""
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(CERTIFICATE)
    names: list[str | None] = []
    server_tls.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    async with leaves_nothing(), small_server(lambda _: answered(SLOTS), server_tls) as server:
        rig = Rig(server)
        sender = Sender(resolve=Resolver(["127.0.0.1"]), tls=trusting)
        assert (await rig.ask(sender=sender)).outcome is ToolOutcome.ANSWERED
        assert "cannot be reached" in error_in(await rig.ask())  # Nobody vouches for it.
    assert names == ["localhost", "localhost"]


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with a_service(answered(SLOTS)) as rig:
        assert (await rig.ask()).outcome is ToolOutcome.ANSWERED
