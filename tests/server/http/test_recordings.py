"""Recordings at the control listener: heard under signed links, without the key; all else with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from callbridge.server.http.control import control_app, control_key
from desks import FrontDesk, made_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAME = "CA1-MZ1.opus"
SOUND = b"OggS and so on"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Who asks, of a service with one recording."""
    (tmp_path / NAME).write_bytes(SOUND)
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "CA2-MZ2.wav").write_bytes(b"RIFF")
    environment = {"CALLBRIDGE_RECORDINGS": str(tmp_path)}
    transport = httpx.ASGITransport(control_app(FrontDesk(environment).desk))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as found:
        yield found


RIGHT = {"Authorization": f"Bearer {control_key(made_settings())}"}


async def test_a_link_is_heard_by_whoever_has_it_until_it_expires(client: httpx.AsyncClient) -> None:
    told = (await client.get(f"/recordings/{NAME}/link?valid_s=60", headers=RIGHT)).json()
    assert (told["valid_s"], told["url"].partition("?")[0]) == (
        60.0,
        f"http://127.0.0.1:8081/recordings/{NAME}",
    )
    heard = await client.get(told["url"])
    assert (heard.status_code, heard.content, heard.headers["content-type"]) == (200, SOUND, "audio/ogg")
    assert "no-store" in heard.headers["cache-control"]
    part = await client.get(told["url"], headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"OggS")


async def test_nothing_is_told_to_who_has_no_good_link(client: httpx.AsyncClient) -> None:
    """Nor with a link for another one, and no path leads out of the directory."""
    url = (await client.get(f"/recordings/{NAME}/link", headers=RIGHT)).json()["url"]
    query = url.partition("?")[2]
    for path in (
        *(NAME, "CA2-MZ2.opus", "CA2-MZ2.wav", "unfinished%2FCA2-MZ2.wav", "..%2F..%2Fetc%2Fpasswd"),
        *(f"{NAME}?{query.replace('expires=', 'expires=9')}", f"CA2-MZ2.opus?{query}", f"{NAME}?{query}0"),
    ):
        assert (await client.get(f"/recordings/{path}", headers=RIGHT)).status_code in {403, 404}, path
    assert (await client.get(f"/recordings/{NAME}/link")).status_code == 401
    assert (await client.delete(f"/recordings/{NAME}")).status_code == 401
    assert (await client.get(url)).status_code == 200


async def test_a_recording_is_deleted_with_the_key(client: httpx.AsyncClient) -> None:
    url = (await client.get(f"/recordings/{NAME}/link", headers=RIGHT)).json()["url"]
    assert (await client.delete(f"/recordings/{NAME}", headers=RIGHT)).json() == {"name": NAME}
    assert (await client.delete(f"/recordings/{NAME}", headers=RIGHT)).status_code == 404
    assert (await client.get(url)).status_code == 404


@pytest.mark.parametrize("asked", [f"/recordings/{NAME}/link?valid_s=0", "/recordings/x/link"])
async def test_what_cannot_be_asked_is_told(client: httpx.AsyncClient, asked: str) -> None:
    answer = await client.get(asked, headers=RIGHT)
    assert answer.status_code == 422
    assert answer.json()["error"]
