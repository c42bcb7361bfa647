"""The public name: it is waited for until it leads to this very process, and looked after."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI

from bell import Bell
from callbridge.cli.development.public_name import PublicName
from callbridge.cli.development.trouble import DevTrouble
from callbridge.server.http.process_proof import ProcessProof

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RESOLVER = "https://resolver.test/dns"
NAME = "https://soft-words.trycloudflare.com"


class Internet(httpx.AsyncBaseTransport):
    """Resolvers, and what stands behind addresses, as httpx asks for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, proof: ProcessProof) -> None:
        self.addresses: list[str] | None = []
        """Of every name; None: nobody can be asked."""
        self.app: FastAPI | None = None
        """Behind every address; None: no connection."""
        self.asked: list[httpx.Request] = []
        self.own = FastAPI()
        proof.add_to(self.own)
        monkeypatch.setattr(PublicName, "_client", lambda _: httpx.AsyncClient(transport=self))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "resolver.test":
            if self.addresses is None:
                raise httpx.ConnectError("no way out")
            answers = [{"type": 5, "data": "alias."}, *({"type": 1, "data": one} for one in self.addresses)]
            return httpx.Response(200, text=json.dumps({"Answer": answers}), request=request)
        self.asked.append(request)
        if self.app is None:
            raise httpx.ConnectError("refused")
        return await httpx.ASGITransport(self.app).handle_async_request(request)


async def test_it_says_what_it_waits_for_until_this_process_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolvers do not know, one without a server, another server, then us."""
    proof = ProcessProof()
    internet, said = Internet(monkeypatch, proof), list[str]()

    def say(why: str) -> None:
        said.append(why)
        match len(said):
            case 1:
                internet.addresses = ["203.0.113.7"]
            case 2:
                internet.app = FastAPI()
            case _:
                internet.app = internet.own

    name = PublicName(NAME, proof, [RESOLVER])
    async with asyncio.timeout(10):
        await name.wait(say, ask_every_s=0)
    assert said == [
        "the name soft-words.trycloudflare.com is not known yet",
        "no connection (ConnectError)",
        "somebody answers with HTTP 404, and not this process",
    ]
    last = internet.asked[-1]
    assert (last.url.host, last.headers["host"]) == ("203.0.113.7", "soft-words.trycloudflare.com")
    assert last.extensions["sni_hostname"] == "soft-words.trycloudflare.com"


async def test_without_a_public_resolver_the_name_itself_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = ProcessProof()
    internet = Internet(monkeypatch, proof)
    internet.addresses, internet.app = None, internet.own
    await PublicName(NAME, proof, [RESOLVER]).wait(pytest.fail)
    assert internet.asked[-1].url.host == "soft-words.trycloudflare.com"


async def test_the_proof_of_another_process_is_none_and_the_wait_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof, other = ProcessProof(), ProcessProof()
    internet = Internet(monkeypatch, proof)
    other.path = proof.path
    internet.addresses, internet.app = ["203.0.113.7"], FastAPI()
    other.add_to(internet.app)
    with pytest.raises(DevTrouble, match="HTTP 200, and not this process"):
        await PublicName(NAME, proof, [RESOLVER]).wait(lambda _: None, wait_s=0, ask_every_s=0)


class Endless(httpx.AsyncByteStream):
    """An answer without end, of a server that never lets anybody wait."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"x" * 64


async def test_of_a_stranger_s_answer_no_more_is_read_than_the_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever mistypes their own address may meet anybody."""
    stranger = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless()))
    monkeypatch.setattr(PublicName, "_client", lambda _: httpx.AsyncClient(transport=stranger))
    name = PublicName("http://127.0.0.1:8080", ProcessProof(), [])
    async with asyncio.timeout(5):
        with pytest.raises(DevTrouble, match="HTTP 200, and not this process"):
            await name.wait(lambda _: None, wait_s=0, ask_every_s=0)


async def test_a_name_that_is_lost_is_told_once_and_so_is_its_return(monkeypatch: pytest.MonkeyPatch) -> None:
    proof, bell, said = ProcessProof(), Bell(), list[str]()
    internet = Internet(monkeypatch, proof)
    internet.addresses, internet.app = ["203.0.113.7"], internet.own

    def say(words: str) -> None:
        said.append(words)
        bell.ring()

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(PublicName(NAME, proof, [RESOLVER]).watch(say, every_s=0))
        internet.app = None
        await bell.until(lambda: bool(said))
        for _ in range(50):  # It goes on asking, and does not say it again.
            await asyncio.sleep(0)
        internet.app = internet.own
        await bell.until(lambda: len(said) > 1)
        watching.cancel()
    lost = f"{NAME} does not lead here any more: no connection (ConnectError). No call comes in."
    assert said == [lost, f"{NAME} leads here again."]
