"""How soon a caller hears the agent, with the model dialled ahead and without: two calls over real sockets.

On one machine every handshake is done in a millisecond, so both ends are given the time that they take in
life.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from callbridge.cli.demo_agent import agent
from callbridge.server.http.app import create_app
from callbridge.server.process.listening.listening import tcp_listener, uvicorn_config
from callbridge.server.process.listening.serving import serving
from callbridge.simulators.phone import CallerScript, CallSettings, HangUp, SimulatedCall, WaitForAgent
from callbridge.simulators.voice_model import SessionSettings, demo_script, serve_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.server.config.settings import Settings

HANDSHAKE_MS: Final = 500
"""A socket to the Realtime API, TLS included: 0.5 to 0.75 s were measured by others."""

STREAM_DELAY_MS: Final = 500
"""Twilio, from its TwiML to its media socket: within a second."""


async def greeting_times_ms(
    make_settings: Callable[[int, str, bool], Settings],
) -> tuple[int | None, int | None]:
    """From dialling to the agent's first sound, in ms: with the model dialled ahead, and without.

    Args:
        make_settings: the settings for a port, the model's address, and whether it is dialled ahead.
    """
    async with asyncio.TaskGroup() as tasks:
        ahead = tasks.create_task(_greeting_time_ms(make_settings, predial=True), name="with predial")
        after = tasks.create_task(_greeting_time_ms(make_settings, predial=False), name="without predial")
    return ahead.result(), after.result()


async def _greeting_time_ms(
    make_settings: Callable[[int, str, bool], Settings], *, predial: bool
) -> int | None:
    session = SessionSettings(handshake_ms=HANDSHAKE_MS)
    async with serve_model(demo_script(), settings=session) as model:
        with contextlib.closing(tcp_listener()) as listener:
            settings = make_settings(listener.getsockname()[1], model.url, predial)
            async with serving(uvicorn_config(create_app(settings, agent), settings), listener):
                caller = CallerScript([WaitForAgent(quiet_ms=0), HangUp()])
                call = CallSettings(
                    account_sid=settings.twilio_account_sid,
                    auth_token=settings.twilio_auth_token.get_secret_value(),
                    stream_delay_ms=STREAM_DELAY_MS,
                )
                report = await SimulatedCall(settings.voice_url, caller, call).run()
    return report.streams[0].first_audio_from_call_ms
