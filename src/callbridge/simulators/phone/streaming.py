"""A leg in a media stream: the socket is opened, driven to its end, and told of by callback."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callbridge.simulators.phone import webhooks
from callbridge.simulators.phone.leg import HungUp, new_sid
from callbridge.simulators.phone.leg_record import now
from callbridge.simulators.phone.media_socket import MediaSocket, Unreachable, open_socket
from callbridge.simulators.phone.messages import StreamIdentity
from callbridge.simulators.phone.stream import PhoneStream

if TYPE_CHECKING:
    from callbridge.simulators.phone.call_settings import CallSettings
    from callbridge.simulators.phone.caller import Caller
    from callbridge.simulators.phone.leg import Leg
    from callbridge.simulators.phone.steps import OpenStream


async def run_stream(leg: Leg, step: OpenStream, settings: CallSettings, caller: Caller) -> PhoneStream:
    """The stream of a `<Connect>`, at its end; one that could not be opened has ended, too.

    A leg that is sent elsewhere, or hung up by Twilio, stops the stream; a caller who hangs up ends it.
    """
    stream = PhoneStream(_identity(leg, step, settings), caller, settings.stream)
    leg.streams.append(stream)
    if step.fault is not None:
        stream.fail(*step.fault, now())
    else:
        await _drive(leg, stream, step, settings)
    for event in stream.take_events():
        leg.notify(event)
    for complaint in stream.complaints:
        leg.on_complaint(complaint)
    assert stream.end is not None, "a stream that was driven has ended"
    _call_back(leg, step, stream, "stream-error" if stream.end.fault else "stream-stopped")
    return stream


async def _drive(leg: Leg, stream: PhoneStream, step: OpenStream, settings: CallSettings) -> None:
    if settings.stays_on_this_machine and not webhooks.is_on_this_machine(step.url):
        stream.fail(31904, f"{step.url}: {webhooks.NOT_HERE}", now())
        return
    await asyncio.sleep(settings.stream_delay_ms / 1000)
    opened = await open_socket(step.url, leg.web.auth_token, settings.misbehaviours)
    if isinstance(opened, Unreachable):
        stream.fail(opened.code, opened.detail, now())
        return
    _call_back(leg, step, stream, "stream-started")
    socket = MediaSocket(
        stream,
        opened,
        network=settings.network,
        misbehaviours=settings.misbehaviours,
        hang_up_at=leg.begun_at + settings.max_call_s,
        on_event=leg.notify,
    )

    def leave() -> None:
        if isinstance(leg.cut, HungUp) and leg.cut.is_on_this_side:
            socket.hang_up()
        else:
            socket.stop()

    def leave_soon() -> None:
        # The driver opens the stream at its first turn; only then can it be left.
        asyncio.get_running_loop().call_soon(leave)

    leg.on_key = socket.press
    with leg.reacting(leave_soon):
        await socket.run()
    leg.on_key = None


def _identity(leg: Leg, step: OpenStream, settings: CallSettings) -> StreamIdentity:
    overrides = settings.parameter_overrides
    parameters = tuple((name, overrides.get(name, value)) for name, value in step.noun.parameters)
    return StreamIdentity(leg.line.account_sid, leg.sid, new_sid("MZ"), parameters)


def _call_back(leg: Leg, step: OpenStream, stream: PhoneStream, event: str) -> None:
    """Tell the stream status callback, beside the call and never in its way."""
    if step.status_callback is None:
        return
    parameters = webhooks.stream_parameters(leg.line, stream.identity.stream_sid, step.noun.name, event)
    if event == "stream-error" and stream.end is not None and stream.end.fault is not None:
        code, detail = stream.end.fault
        parameters["StreamError"] = f"{code} {detail}"
    assert leg.tasks is not None, "streams run inside the call"
    where = step.status_callback, step.noun.status_callback_method
    leg.callbacks.post(leg.tasks, where, parameters, name=event)
