"""A process that has just become ready serves its first call as well as any other."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

import pytest

from callbridge.simulators.phone import WaitForEnd
from callbridge.simulators.voice_model import serve_model
from e2e.processes import services
from e2e.stack import CONNECTED_AND_ENDED, hello_and_goodbye, variables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from callbridge.simulators.voice_model.server import ModelServer

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("nothing_left", "without_debugging")]

STARTS: Final = int(os.environ.get("STARTS", "20"))
"""`STARTS=50 pytest -m heavy tests/e2e/test_starts.py` for more of them."""

AFTER_READY_S: Final = 0.1


async def test_the_first_call_after_a_start_hears_its_greeting(
    tmp_path: Path, figures: Callable[[str], None]
) -> None:
    async with serve_model(hello_and_goodbye()) as model:
        first_sounds_ms = []
        for number in range(STARTS):
            (own := tmp_path / str(number)).mkdir()
            first_sounds_ms.append(await first_call(own, model))
    figures(
        f"{STARTS} starts, a call {AFTER_READY_S * 1000:.0f} ms after each /readyz: all greetings heard; "
        f"the agent is heard after at most {max(first_sounds_ms)} ms"
    )


async def first_call(folder: Path, model: ModelServer) -> int:
    """When its caller began to hear the agent, in milliseconds."""
    given = variables("", model.url, CALLBRIDGE_STATE_PATH=str(folder / "state.db"))
    async with services(folder, given) as (service,):
        await asyncio.sleep(AFTER_READY_S)
        call = await service.line(model).call([WaitForEnd()])
    assert call.report.is_clean, call.report
    assert call.verbs == CONNECTED_AND_ENDED
    (greeting,) = call.heard(model.sessions[-1])
    assert greeting.was_heard_to_its_end, greeting
    assert service.faults == []
    assert call.report.greeting is not None
    return call.report.greeting.from_ms
