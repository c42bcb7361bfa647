"""Attacks at the media socket: who has seen a signature, and callers whose phone is hostile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from callbridge.simulators.phone import messages
from callbridge.telephony.signed_tokens import LIFETIME_S
from e2e.raw import CALLED, media, raw_phone, start
from e2e.test_floods import FLOODS, WHOSE, Flood
from e2e.test_intruders import INTRUDERS, Intruder, intrude, refused, token_of
from raw_peer import Frame, Opcode, closing, more, take_frame, text
from websocket_cases import CASES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from e2e.target import Target
    from raw_peer import RawPeer

CAPTURED_SOCKETS: Final = 300
SOCKETS_PER_S: Final = 70
SOCKETS_S: Final = 3.0
OWN_CALLS_AT_ONCE: Final = 2
"""Of the attackers: a deployment need not have room for more."""

TIMES_MAX: Final = 4000
"""Of one message: more are not even read."""

FLOODED: Final = 1008
"""How a stream is closed that says more than a telephone can."""

ENDS_WITHIN_S: Final = 8.0

# --- Before a start ------------------------------------------------------------------------------------


async def captured_upgrade(target: Target) -> None:
    """A signature that was seen opens sockets that never start, all of them held."""
    async with AsyncExitStack() as open_:
        for number in range(CAPTURED_SOCKETS):
            await open_.enter_async_context(raw_phone(target.line))
            if number % 10 == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(1)


async def captured_upgrades_go_on(target: Target) -> None:
    """The same, so many a second, while good callers come."""
    async with AsyncExitStack() as open_:
        for _ in range(int(SOCKETS_PER_S * SOCKETS_S)):
            await open_.enter_async_context(raw_phone(target.line))
            await asyncio.sleep(1 / SOCKETS_PER_S)


async def bad_tokens(target: Target) -> None:
    """Starts with a token that is missing, forged, of another call or time, or used: closed with 1008."""
    expired = token_of(secret=target.line.settings.own_secret, at=time.time() - 2 * LIFETIME_S)
    for intruder in (*INTRUDERS, Intruder("expired by now", expired, "expired")):
        assert await refused(target.line, intruder) == (1008, "rejected_auth"), intruder
    for phone in target.live:
        assert await intrude(target.line, phone.streams[0].identity) == (1008, "rejected_auth")


async def odd_frames(target: Target) -> None:
    """What a WebSocket peer may do and what it may not, before it says who it is."""
    for case in CASES:
        async with raw_phone(target.line) as peer:
            with contextlib.suppress(ConnectionError):
                await peer.send(*case.frames, closing(1000))
            await asyncio.wait_for(peer.read_rest(), ENDS_WITHIN_S)


# --- In a call of one's own ----------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def admitted(target: Target) -> AsyncIterator[tuple[str, RawPeer]]:
    """A call of the attacker's, in which the agent is heard: its CallSid, and its phone."""
    sid, caller = target.new_sid(), target.new_caller()
    token = await target.token(sid, caller)
    parameters = {"token": token, "caller": caller, "called": CALLED}
    async with raw_phone(target.line) as peer:
        begin = start(sid, "", customParameters=parameters), media(sid)
        await peer.send(*(text(json.dumps(message)) for message in begin))
        frame = await asyncio.wait_for(peer.read_frame(), ENDS_WITHIN_S)
        assert frame is not None
        assert frame.opcode == Opcode.TEXT, frame
        yield sid, peer
    await target.hung_up(sid)


def said(name: str, message: str, times: int = TIMES_MAX) -> Flood:
    return Flood(name, text(message), times, "")


def odd(name: str, frame: Frame, times: int = 1, *before: Frame) -> Flood:
    return Flood(name, frame, times, "", before)


OUTBOUND: Final = messages.media(WHOSE, 3, 2, 99, b"\x80" * 160).replace('"inbound"', '"outbound"')
KEYS: Final = ("", "55", "\\u0000", "\\ud800", "\\u001b[2J", "x" * 10_000)

HOSTILE: Final[Sequence[Flood]] = (
    *(replace(flood, times=min(flood.times, TIMES_MAX)) for flood in FLOODS),
    said("outbound media", OUTBOUND),
    *(
        said(f"odd key {key[:9]}", messages.dtmf(WHOSE, 3, "5").replace('"5"', f'"{key}"'), 60)
        for key in KEYS
    ),
    said("starts", json.dumps(start(WHOSE.call_sid, "x"))),
    said("stops", messages.stop(WHOSE, 3)),
    said("deep", '{"event":' * 10_000, 60),
    said("numbers", '{"event":"media","sequenceNumber":"' + "9" * 20_000 + '"}', 60),
    odd("binary", Frame(Opcode.BINARY, b"\x00\xff" * 80), TIMES_MAX),
    odd("giant", text('{"event":"' + "x" * 4_000_000 + '"}')),
    odd("giant in pieces", more(b"x" * 30_000), 200, text("", fin=False)),
    odd("reserved bits", replace(text("x"), reserved=7)),
    odd("not masked", replace(text("x"), is_wrongly_masked=True)),
    odd("long ping", Frame(Opcode.PING, b"x" * 126)),
    odd("closes", closing(1000), 1000),
    odd("bad close", closing(999, b"\xff")),
    odd("no code", Frame(Opcode.CLOSE, b"\x03")),
)


async def hostile_phones(target: Target) -> None:
    """Floods, odd frames and odd messages of callers who were admitted: each ends its own stream at most."""
    at_once = asyncio.Semaphore(OWN_CALLS_AT_ONCE)

    async def one(flood: Flood) -> None:
        async with at_once:
            await _pour(target, flood)

    async with asyncio.TaskGroup() as tasks:
        for flood in HOSTILE:
            tasks.create_task(one(flood), name=flood.name)


async def _pour(target: Target, flood: Flood) -> None:
    async with admitted(target) as (_, peer), asyncio.TaskGroup() as tasks:
        # What it is sent is read meanwhile, or its own window would stop it.
        reading = tasks.create_task(asyncio.wait_for(peer.read_rest(), ENDS_WITHIN_S))
        with contextlib.suppress(ConnectionError):
            data = b"".join(
                frame.encode(masks=True) for frame in (*flood.before, *[flood.frame] * flood.times)
            )
            for begin in range(0, len(data), 65536):
                await peer.send(data[begin : begin + 65536])
                await asyncio.sleep(0)  # Calls are played in the same process.
            await peer.send(closing(1000))
        code = _close_code(await reading)
    assert not flood.ends or code == FLOODED, f"{flood.name}: closed with {code}"


def _close_code(data: bytes) -> int | None:
    """The code with which the service has closed; none where the connection was cut."""
    unread = bytearray(data)
    while (frame := take_frame(unread, masked=False)) is not None:
        if frame.opcode == Opcode.CLOSE:
            return int.from_bytes(frame.payload[:2])
    return None
