"""A call followed while it happens, by `callbridge calls follow` over the control listener."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from typer.testing import CliRunner

from callbridge.call.facts import TurnEnded
from callbridge.cli import app as cli
from callbridge.server.http.control import control_app
from callbridge.server.process.listening.listening import control_config, tcp_listener
from callbridge.server.process.listening.serving import serving
from callbridge.simulators.phone import HangUp, Say, WaitForAgent
from callbridge.simulators.voice_model import Answer, Script
from callbridge.simulators.voice_model import Say as Speech
from e2e.stack import stack, variables
from leftovers import until
from random_calls import noise

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.heavy]


async def test_what_is_said_and_done_is_seen_as_it_happens() -> None:
    """Words of both sides before the turn that they belong to is over; the end of the service is the end."""
    rng = random.Random("followed")
    script = Script(
        answers=(
            Answer(say=(Speech(text="Welcome.", audio=noise(rng, 300)),)),
            Answer(
                say=(Speech(text="We do. Two kinds.", audio=noise(rng, 400)),),
                caller="Do you have bread?",
                transcript_after_ms=10,
            ),
        ),
        after_ms=20,
    )
    async with stack(script) as running, contextlib.AsyncExitStack() as opened:
        desk, listener = running.desk, opened.enter_context(contextlib.closing(tcp_listener()))
        await opened.enter_async_context(
            serving(control_config(control_app(desk), running.settings), listener)
        )
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(asyncio.to_thread(_followed, listener.getsockname()[1]))
            assert await until(lambda: desk.feed.hearer("CA1") is not None)
            hears = WaitForAgent(quiet_ms=100)
            call = await running.call([hears, Say(noise(rng, 400)), hears, HangUp()])
            assert await until(lambda: len(call.of(TurnEnded)) == 2)
            desk.feed.close()
        shown = following.result()
    texts = [line[18:] for line in shown.splitlines()]
    said = [text for text in texts if text.startswith(("agent", "caller"))]
    assert said[0] == "agent   “Welcome.”"
    assert sorted(said[1:]) == ["agent   “Two kinds.”", "agent   “We do.”", "caller  “Do you have bread?”"]
    (told,) = [text for text in texts if text.startswith("·       turn 2")]
    assert texts.index(told) > max(map(texts.index, said))
    assert texts[-1].endswith("the service stops")
    assert call.sid[-6:] in shown


def _followed(port: int) -> str:
    given = variables("http://127.0.0.1:1", "ws://127.0.0.1:1")
    ended = CliRunner().invoke(cli, ["calls", "follow", "--url", f"http://127.0.0.1:{port}"], env=given)
    assert ended.exit_code == 0, ended.output
    return ended.output
