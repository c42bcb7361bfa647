# ruff: noqa: INP001 - a program of its own, run by its path
"""A bridge in the style of Twilio's FastAPI sample for the Realtime API: what many services began as.

Two coroutines per call, `json.loads` and `json.dumps` for every message, the audio decoded and encoded again,
a mark after every delta, uvicorn as it comes. Written anew for this comparison; it keeps the sample's way of
working and none of its text. Like the sample it checks no signature and knows no token.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import Any

import uvicorn
import websockets
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

REALTIME_URL = os.environ["REALTIME_URL"]
OPENAI_API_KEY = os.environ["OPENAI_API_KEY"]
LOGGED_EVENTS = {"error", "session.created", "session.updated", "response.done"}

app = FastAPI()


class Conversation:
    """What the two coroutines of a call share."""

    def __init__(self) -> None:
        self.stream_sid: str | None = None
        self.media_timestamp = 0
        self.response_began_at: int | None = None
        self.last_item: str | None = None
        self.marks: list[str] = []


@app.websocket("/media-stream")
async def media_stream(phone: WebSocket) -> None:
    """One call."""
    await phone.accept()
    headers = {"Authorization": f"Bearer {OPENAI_API_KEY}"}
    url = f"{REALTIME_URL}?model=gpt-realtime-2.1"
    async with websockets.connect(url, additional_headers=headers) as model:
        await begin_session(model)
        conversation = Conversation()
        await asyncio.gather(
            phone_to_model(phone, model, conversation), model_to_phone(phone, model, conversation)
        )


async def begin_session(model: websockets.ClientConnection) -> None:
    """µ-law both ways, and the agent speaks first."""
    audio = {
        "input": {"format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad"}},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
    }
    session = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": "Be brief.",
        "audio": audio,
    }
    await model.send(json.dumps({"type": "session.update", "session": session}))
    await model.send(json.dumps({"type": "response.create"}))


async def phone_to_model(
    phone: WebSocket, model: websockets.ClientConnection, conversation: Conversation
) -> None:
    """The caller's audio, until the caller is gone."""
    try:
        async for text in phone.iter_text():
            message = json.loads(text)
            if message["event"] == "media":
                conversation.media_timestamp = int(message["media"]["timestamp"])
                audio = {"type": "input_audio_buffer.append", "audio": message["media"]["payload"]}
                await model.send(json.dumps(audio))
            elif message["event"] == "start":
                conversation.stream_sid = message["start"]["streamSid"]
            elif message["event"] == "mark" and conversation.marks:
                conversation.marks.pop(0)
    except WebSocketDisconnect:
        pass
    await model.close()


async def model_to_phone(
    phone: WebSocket, model: websockets.ClientConnection, conversation: Conversation
) -> None:
    """The agent's audio, until the model is gone."""
    async for text in model:
        event = json.loads(text)
        if event["type"] in LOGGED_EVENTS:
            print("event:", event["type"])  # noqa: T201 - the sample does so
        if event["type"] == "response.output_audio.delta":
            await play(phone, event, conversation)
        elif event["type"] == "input_audio_buffer.speech_started":
            await interrupt(phone, model, conversation)


async def play(phone: WebSocket, event: dict[str, Any], conversation: Conversation) -> None:
    """One delta, and a mark after it."""
    payload = base64.b64encode(base64.b64decode(event["delta"])).decode("utf-8")
    sid = conversation.stream_sid
    await phone.send_json({"event": "media", "streamSid": sid, "media": {"payload": payload}})
    if conversation.response_began_at is None:
        conversation.response_began_at = conversation.media_timestamp
    conversation.last_item = event.get("item_id")
    await phone.send_json({"event": "mark", "streamSid": sid, "mark": {"name": "part"}})
    conversation.marks.append("part")


async def interrupt(phone: WebSocket, model: websockets.ClientConnection, conversation: Conversation) -> None:
    """The caller speaks: cut what is still unheard."""
    if not conversation.marks or conversation.response_began_at is None:
        return
    heard_ms = conversation.media_timestamp - conversation.response_began_at
    cut = {"item_id": conversation.last_item, "content_index": 0, "audio_end_ms": heard_ms}
    await model.send(json.dumps({"type": "conversation.item.truncate"} | cut))
    await phone.send_json({"event": "clear", "streamSid": conversation.stream_sid})
    conversation.marks.clear()
    conversation.response_began_at = conversation.last_item = None


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]))
