"""Our own service, certified in virtual time: it passes everything."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, cast

import pytest

from callbridge import Agent
from callbridge.server.config.settings import read_settings
from callbridge.server.http.app import create_app
from callbridge.server.process.listening.listening import uvicorn_config
from callbridge.server.process.listening.serving import serving
from callbridge.testing.certifying import Certificate, Outcome, Target, certify
from callbridge.testing.running import run_beside
from callbridge.testing.serving import ACCOUNT_SID, AUTH_TOKEN, variables
from callbridge.testing.virtual.loop import VirtualLoop

if TYPE_CHECKING:
    import socket

agent = Agent(instructions="You answer the telephone.", greeting="Hello!")


@agent.tool
def opening_hours() -> str:
    """When we are open."""
    return "from eight until two"


async def _certified() -> Certificate:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    _, model_port = loop.network.listener().getsockname()
    with contextlib.closing(loop.network.listener()) as listener:
        _, port = listener.getsockname()
        settings = read_settings(variables(port, f"ws://127.0.0.1:{model_port}/v1/realtime", {}))
        wall_of_now = time.time() - loop.time()
        app = create_app(settings, agent, clock=loop.time, wall_clock=lambda: wall_of_now + loop.time())
        target = Target(
            url=f"http://127.0.0.1:{port}/twilio/voice",
            account_sid=ACCOUNT_SID,
            auth_token=AUTH_TOKEN,
            model_port=model_port,
            tool="opening_hours",
        )
        async with serving(uvicorn_config(app, settings), cast("socket.socket", listener)):
            return await certify(target)


@pytest.mark.heavy
async def test_our_own_service_passes_everything() -> None:
    report = await run_beside(_certified, is_virtual=True)
    wrong = {check.id: (check.outcome, check.evidence) for check in report.checks}
    assert {name: found for name, found in wrong.items() if found[0] is not Outcome.PASSED} == {}
    assert report.verdict == "passed"
