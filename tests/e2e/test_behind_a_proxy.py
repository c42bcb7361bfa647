"""Calls behind a stock nginx: the same as without one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.phone import CallerScript, Interrupt, Say, WaitForAgent, WaitForEnd
from callbridge.simulators.voice_model import Answer, Call, Script, serve_model
from callbridge.simulators.voice_model import Say as Speech
from e2e.processes import services
from e2e.proxy import nginx
from e2e.stack import CONNECTED_AND_ENDED, variables
from ports import free_port
from random_calls import noise

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left")


def interrupted(rng: random.Random) -> Script:
    """A greeting, an answer long enough to be interrupted, goodbye."""
    return Script(
        answers=(
            Answer(say=(Speech(text="Welcome.", audio=noise(rng, 400)),)),
            Answer(say=(Speech(text="It is a long story.", audio=noise(rng, 4000)),), caller="Tell me."),
            Answer(
                say=(Speech(text="Goodbye.", audio=noise(rng, 300)),),
                calls=(Call(name="end_call"),),
                caller="Stop.",
            ),
        ),
        after_ms=50,
    )


@pytest.mark.heavy
async def test_a_call_behind_a_stock_nginx(tmp_path: Path) -> None:
    """A greeting, an interruption, a goodbye: nobody complains, and every question is answered."""
    rng = random.Random(5)
    caller = CallerScript(
        [
            WaitForAgent(quiet_ms=200),
            Say(noise(rng, 300)),
            Interrupt(700, noise(rng, 300)),
            WaitForEnd(),
        ]
    )
    port = free_port()
    async with serve_model(interrupted(rng)) as model:
        given = variables(f"http://127.0.0.1:{port}", model.url)
        async with (
            services(tmp_path, given) as (service,),
            nginx(tmp_path / "nginx", port, service.port),
        ):
            call = await service.line(model).call(caller)
        assert call.report.is_clean, call.report
        assert call.verbs == CONNECTED_AND_ENDED
        heard = call.heard(model.sessions[-1])
        assert [item.was_heard_to_its_end for item in heard] == [True, False, True]
        assert [event["reason"] for event in service.events("stream_ended")] == ["agent_hangup"]
    assert service.faults == []
