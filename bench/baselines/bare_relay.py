# ruff: noqa: INP001 - a program of its own, run by its path
"""The two sockets of a call as callbridge has them, and next to nothing between them.

A uvloop socket to the phone, an aiofastnet one to the model, WebSocket frames by picows, a message handed on
in the callback that read it. It believes every word: audio is cut out of one text and pasted into the other,
unparsed. No signature, no token, no ledger, no gate, no bound on what a peer may send or leave unread. A mark
follows every 200 ms of audio, as in callbridge.

What callbridge takes above this is the price of what it does for a call.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import uvloop
from picows import WSListener, WSMsgType, ws_connect, ws_create_server

if TYPE_CHECKING:
    from picows import WSFrame, WSTransport, WSUpgradeRequest

URL = f"{os.environ['REALTIME_URL']}?model=gpt-realtime-2.1"
HEADERS = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
TEXT = WSMsgType.TEXT

_FORMAT = {"format": {"type": "audio/pcmu"}}
_SESSION = {"type": "realtime", "audio": {"input": _FORMAT, "output": _FORMAT | {"voice": "marin"}}}
SESSION_UPDATE = json.dumps({"type": "session.update", "session": _SESSION}).encode()
RESPONSE_CREATE = b'{"type":"response.create"}'

MEDIA, PAYLOAD = b'{"event":"media"', b'"payload":"'
DELTA, AUDIO = b'{"type":"response.output_audio.delta"', b'"delta":"'
APPEND = b'{"type":"input_audio_buffer.append","audio":"'


class Phone(WSListener):
    """One call's socket with Twilio."""

    def __init__(self) -> None:
        self.model: WSTransport | None = None
        self.dialling: asyncio.Task[object] | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade was answered."""
        self.transport = transport

    def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
        """One message of Twilio, in one frame."""
        text = frame.get_payload_as_bytes()
        if text.startswith(MEDIA):
            if self.model is not None:
                begin = text.index(PAYLOAD) + len(PAYLOAD)
                self.model.send(TEXT, APPEND + text[begin : text.index(b'"', begin)] + b'"}')
        elif text.startswith(b'{"event":"start"'):
            stream = json.loads(text)["start"]["streamSid"]
            self.media = f'{{"event":"media","streamSid":"{stream}","media":{{"payload":"'.encode()
            mark = {"event": "mark", "streamSid": stream, "mark": {"name": "part"}}
            self.mark = json.dumps(mark).encode()
            self.dialling = asyncio.create_task(self.dial())

    async def dial(self) -> None:
        """Opens the other socket."""
        await ws_connect(lambda: Model(self), URL, extra_headers=HEADERS)

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """The caller is gone."""
        if self.model is not None:
            self.model.disconnect()


class Model(WSListener):
    """The same call's socket with the voice model."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.deltas = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One event of the model, in one frame."""
        text = frame.get_payload_as_bytes()
        if text.startswith(DELTA):
            begin = text.index(AUDIO) + len(AUDIO)
            phone = self.phone
            phone.transport.send(TEXT, phone.media + text[begin : text.index(b'"', begin)] + b'"}}')
            self.deltas += 1
            if self.deltas % 2 == 0:
                phone.transport.send(TEXT, phone.mark)
        elif text.startswith(b'{"type":"session.created"'):
            transport.send(TEXT, SESSION_UPDATE)
        elif text.startswith(b'{"type":"session.updated"'):
            self.phone.model = transport
            transport.send(TEXT, RESPONSE_CREATE)

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        """The model is gone."""
        self.phone.transport.disconnect()


def answer(_request: WSUpgradeRequest) -> Phone:
    """Takes every call."""
    return Phone()


async def serve() -> None:
    """Until it is killed."""
    server = await ws_create_server(answer, "127.0.0.1", int(os.environ["PORT"]), use_aiofastnet=False)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
