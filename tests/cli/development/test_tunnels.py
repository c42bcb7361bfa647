"""Tunnels: how each is opened, how its end is noticed, and what is said where there is none."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import fake_cloudflared
from callbridge.cli.development import tunnels
from callbridge.cli.development.trouble import DevTrouble
from callbridge.cli.development.tunnels import open_tunnel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="cloudflared")
def _cloudflared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PATH", f"{fake_cloudflared.installed(tmp_path / 'bin')}:{os.environ['PATH']}")
    monkeypatch.setenv(fake_cloudflared.PID_FILE, str(tmp_path / "pid"))
    return monkeypatch


@pytest.mark.usefixtures("cloudflared")
async def test_cloudflared_says_its_name_leads_here_and_its_end_is_noticed(tmp_path: Path) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        writer.close()

    async with (
        asyncio.timeout(20),
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        open_tunnel("cloudflared", server.sockets[0].getsockname()[1]) as tunnel,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(tunnel.url.rpartition(":")[2]))
        assert await reader.read() == b"here"
        writer.close()
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert "cloudflared has ended with status -9" in await tunnel.ended()


@pytest.mark.usefixtures("cloudflared")
async def test_cloudflared_goes_with_its_context(tmp_path: Path) -> None:
    async with asyncio.timeout(20), open_tunnel("cloudflared", 1):
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_tunnel_that_cloudflare_refuses_is_told_in_its_words(cloudflared: pytest.MonkeyPatch) -> None:
    cloudflared.setenv(fake_cloudflared.MODE, "refused")
    with pytest.raises(DevTrouble, match="429 Too Many Requests") as told:
        async with open_tunnel("cloudflared", 1):
            pass
    assert "try again in some minutes" in told.value.remedy


@pytest.mark.parametrize(
    ("kind", "what", "remedy"),
    [
        ("cloudflared", "cloudflared is not installed", "Install it: "),
        ("ngrok", "ngrok is not installed", "pip install 'callbridge[ngrok]'"),
        ("bore", "there is no such kind", "Write cloudflared, ngrok or an https:// address"),
    ],
)
async def test_what_is_not_there_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, what: str, remedy: str
) -> None:
    """And nothing is downloaded."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ngrok", None)
    with pytest.raises(DevTrouble, match=what) as told:
        async with open_tunnel(kind, 1, "token"):
            pass
    assert remedy in told.value.remedy


class Ngrok(ModuleType):
    """As much of the package as is used."""

    closed = 0

    async def forward(self, port: int, authtoken: str) -> Ngrok:
        if authtoken != "good":
            raise ValueError("failed to connect session\n\nERR_NGROK_107")
        self.port = port
        return self

    def url(self) -> str:
        return "https://abc.ngrok-free.app"

    async def close(self) -> None:
        self.closed += 1


async def test_ngrok_opens_one_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ngrok = Ngrok("ngrok")
    monkeypatch.setitem(sys.modules, "ngrok", ngrok)
    async with open_tunnel("ngrok", 8080, "good") as tunnel:
        assert (tunnel.url, ngrok.port, ngrok.closed) == ("https://abc.ngrok-free.app", 8080, 0)
    assert ngrok.closed == 1
    for token, said in (
        ("", "NGROK_AUTHTOKEN is not set"),
        ("bad", "failed to connect session ERR_NGROK_107"),
    ):
        with pytest.raises(DevTrouble, match=said):
            async with open_tunnel("ngrok", 8080, token):
                pass


async def test_an_address_of_ones_own_needs_no_tunnel() -> None:
    async with open_tunnel("https://calls.example.com/", 8080) as tunnel:
        assert tunnel.url == "https://calls.example.com"


async def test_a_tunnel_without_a_name_is_not_waited_for_without_end(
    cloudflared: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin" / "cloudflared").write_text("#!/bin/sh\necho 'still thinking' >&2\nexec sleep 60\n")
    cloudflared.setattr(tunnels, "START_S", 0.3)
    with pytest.raises(DevTrouble, match="still thinking"):
        async with open_tunnel("cloudflared", 1):
            pass
