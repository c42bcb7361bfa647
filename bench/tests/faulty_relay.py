"""A bridge that loses, doubles, swaps and delays audio by a plan: what the generator counts can be checked.

Of every ten frames of a call, up or down, the third is lost, the sixth comes twice, and the eighth comes
after the ninth. Each is late by `DELAY_S`. A program: the tests start it as they start any bridge.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

DELAY_S = 0.04


class FaultyWay:
    """One direction of one call."""

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._frames: asyncio.Queue[tuple[float, str]] = asyncio.Queue()

    def pass_on(self, text: str) -> None:
        self._frames.put_nowait((asyncio.get_running_loop().time() + DELAY_S, text))

    async def run(self) -> None:
        held = ""
        count = 0
        while True:
            due, text = await self._frames.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            count += 1
            match count % 10:
                case 3:
                    continue
                case 6:
                    await self._send(text)
                    await self._send(text)
                case 8:
                    held = text
                case 9:
                    await self._send(text)
                    await self._send(held)
                case _:
                    await self._send(text)


async def answer(phone: ServerConnection) -> None:
    async with connect(os.environ["REALTIME_URL"], proxy=None) as model:
        up, down = FaultyWay(model.send), FaultyWay(phone.send)
        async with asyncio.TaskGroup() as tasks:
            helpers = [tasks.create_task(work) for work in (up.run(), down.run(), hear_model(model, down))]
            await hear_phone(phone, model, up)
            for helper in helpers:
                helper.cancel()


async def hear_phone(phone: AsyncIterable[str | bytes], model: ClientConnection, up: FaultyWay) -> None:
    async for text in phone:
        message = json.loads(text)
        if message["event"] == "start":
            await model.send('{"type":"session.update","session":{}}')
            await model.send('{"type":"response.create"}')
        elif message["event"] == "media":
            up.pass_on(
                json.dumps({"type": "input_audio_buffer.append", "audio": message["media"]["payload"]})
            )


async def hear_model(model: AsyncIterable[str | bytes], down: FaultyWay) -> None:
    async for text in model:
        event = json.loads(text)
        if event["type"] == "response.output_audio.delta":
            down.pass_on(
                json.dumps({"event": "media", "streamSid": "MZ", "media": {"payload": event["delta"]}})
            )


async def main() -> None:
    async with serve(answer, "127.0.0.1", int(os.environ["PORT"])) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
