"""The server that docs/nats.md sets up: nats-server takes it, and both of its users may do what they need."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from callbridge.records.outbox.body import body_of
from callbridge.records.outbox.sample import sample_event
from callbridge.server.config.nats import nats_servers, read_nats
from callbridge.server.errands.nats_check import ask_nats
from callbridge.server.process.outbox.nats_connection import nats_connection
from desks import made_settings
from documented import ROOT
from e2e.test_told_to_nats import consumer, seen
from leftovers import until
from nats_server import PROGRAM, nats_server

LOOPBACK = Path(__file__).parents[1] / "loopback.pem"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    """Its configuration, with the passwords in the environment."""
    monkeypatch.setenv("CALLS_PASSWORD", "secret-1")
    monkeypatch.setenv("BOARD_PASSWORD", "secret-2")
    (text,) = re.findall(r"```\n(listen: .*?)```", (ROOT / "docs" / "nats.md").read_text(), re.DOTALL)
    return str(text)


def known_here(page: str) -> str:
    """With this machine's certificate; and without what a server of before 2.10 does not know."""
    assert PROGRAM is not None
    told = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    major, minor = map(int, re.findall(r"\d+", told)[:2])
    text = re.sub(r'"/etc/nats/server\.(pem|key)"', f'"{LOOPBACK}"', page)
    return text if (major, minor) >= (2, 10) else re.sub(r"\n *sync_interval: always[^\n]*", "", text)


@pytest.mark.skipif(PROGRAM is None, reason="NATS is not installed: apt-get install nats-server")
def test_a_server_takes_its_configuration(page: str, tmp_path: Path) -> None:
    """As it stands there, but for the files that it names."""
    (tmp_path / "nats.conf").write_text(known_here(page).replace("/var/lib/nats", str(tmp_path)))
    assert PROGRAM is not None
    done = subprocess.run(  # noqa: S603
        [PROGRAM, "-t", "-c", tmp_path / "nats.conf"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stderr + done.stdout


@pytest.mark.heavy
async def test_its_users_may_do_what_they_need(page: str, tmp_path: Path) -> None:
    """And the consumer of the examples reads what callbridge has told."""
    _, *lines = known_here(page).replace("{", "{{").replace("}", "}}").splitlines()
    configuration = "\n".join(lines).replace("/var/lib/nats", "{folder}/store")
    with nats_server(configuration) as server:
        settings = made_settings(
            {
                "NATS_URL": f"tls://callbridge:secret-1@localhost:{server.port}",
                "CALLBRIDGE_NATS_CA": str(LOOPBACK),
                "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
            }
        )
        receiver = read_nats(settings)
        assert receiver is not None
        (event,) = [sample_event(1e9)]
        async with nats_connection(receiver, nats_servers(settings)) as connection:
            await connection.publish(receiver.message(event, body_of(event), connection.bytes_max))
        (found,) = await ask_nats(settings)
        assert "takes callbridge.> into the stream callbridge" in found.what
        board = tmp_path / "board.db"
        url = f"tls://board:secret-2@localhost:{server.port}"
        async with consumer(url, board, SSL_CERT_FILE=str(LOOPBACK)):
            assert await until(lambda: board.exists() and seen(board) == {event.call_sid: [event.id]})
