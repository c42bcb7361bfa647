"""What the demo shows while its call goes on."""

from __future__ import annotations

import asyncio
import io

from rich.console import Console

from callbridge.cli.demo_screen import Screen
from callbridge.simulators.phone.events import AgentAudioStarted


def test_what_is_held_back_is_shown_when_the_call_and_its_loop_are_over() -> None:
    """An agent who was heard last, and whose words never came."""
    shown = io.StringIO()
    screen = Screen(Console(file=shown, width=100), ())

    async def call() -> None:
        screen.show_phone(AgentAudioStarted(asyncio.get_running_loop().time()))

    asyncio.run(call())
    assert shown.getvalue() == ""
    screen.finish()
    assert "“…”" in shown.getvalue()
