"""A client of the simulated voice model in virtual time, and short ways to say what it saw."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Self

from callbridge.simulators.voice_model import Answer, Output, RealtimeSession, Script, Send, SessionSettings

Event = dict[str, Any]

PCMU: Event = {"type": "audio/pcmu"}

DELTAS = {
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
    "response.function_call_arguments.delta",
}


def loud(duration_ms: int) -> bytes:
    """µ-law that any detector takes for speech: a 1 kHz square wave."""
    return (b"\x20" * 4 + b"\xa0" * 4) * duration_ms


def quiet(duration_ms: int) -> bytes:
    """µ-law silence."""
    return b"\xff" * (8 * duration_ms)


def telephone(**session: Any) -> Event:
    """The session of a bridge to the telephone."""
    audio = {"input": {"format": PCMU}, "output": {"format": PCMU}}
    return {"type": "realtime", "audio": audio, **session}


def answers(*said: str, **fields: Any) -> Script:
    """A script that says these texts, one answer each."""
    return Script(answers=tuple(Answer(say=(text,), **fields) for text in said))


def scripted(*said: Answer, **fields: Any) -> Script:
    """A script of these answers."""
    return Script(answers=said, **fields)


class ModelClient:
    """Connected to one session; time passes only when it is told to."""

    def __init__(self, script: Script | None = None, **settings: Any) -> None:
        self.now = 100.0
        self.session = RealtimeSession(script or answers("Hello."), SessionSettings(**settings))
        self.outputs: list[tuple[float, Output]] = []
        self.events: list[Event] = []
        self.times: list[float] = []
        self._take(self.session.open(self.now))

    @classmethod
    def configured(cls, script: Script | None = None, **settings: Any) -> Self:
        """Connected, and set up for the telephone."""
        client = cls(script, **settings)
        client.configure()
        return client

    def respond(self, seconds: float) -> list[Event]:
        """Ask for a response and let time pass."""
        return self.send("response.create") + self.run(seconds)

    def send(self, kind: str, **fields: Any) -> list[Event]:
        """Send an event and return what came back at once."""
        return self.send_raw(json.dumps({"type": kind, **fields}))

    def send_raw(self, message: str | bytes) -> list[Event]:
        """Send a frame as it is."""
        return self._take(self.session.receive(message, self.now))

    def configure(self, **session: Any) -> Event:
        """Set up for the telephone; the effective session."""
        (event,) = self.send("session.update", session=telephone(**session))
        assert event["type"] == "session.updated", event
        effective: Event = event["session"]
        return effective

    def detect(self, **turn_detection: Any) -> None:
        """Set up for the telephone with these fields of `server_vad`, or of the type that is given."""
        kind = {"type": "server_vad"}
        session = telephone()
        session["audio"]["input"]["turn_detection"] = kind | turn_detection
        (event,) = self.send("session.update", session=session)
        assert event["type"] == "session.updated", event

    def append(self, audio: bytes) -> list[Event]:
        """Append audio all at once."""
        return self.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    def say(self, audio: bytes) -> list[Event]:
        """Append audio in frames of 20 ms, in real time."""
        seen = len(self.events)
        for start in range(0, len(audio), 160):
            self.run(0.02)
            self.append(audio[start : start + 160])
        return self.events[seen:]

    def run(self, seconds: float) -> list[Event]:
        """Let time pass."""
        seen, until = len(self.events), self.now + seconds
        while (deadline := self.session.deadline) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self._take(self.session.wake(self.now))
        self.now = until
        return self.events[seen:]

    def of(self, kind: str) -> list[Event]:
        """All events of a type."""
        return [event for event in self.events if event["type"] == kind]

    def audio(self, item_id: str) -> bytes:
        """The audio that came for an item."""
        deltas = self.of("response.output_audio.delta")
        return b"".join(base64.b64decode(event["delta"]) for event in deltas if event["item_id"] == item_id)

    def at(self, kind: str) -> float:
        """When the last event of a type came."""
        stamped = zip(self.times, self.events, strict=True)
        times = [at for at, event in stamped if event["type"] == kind]
        return times[-1] if times else math.nan

    def _take(self, outputs: list[Output]) -> list[Event]:
        seen = len(self.events)
        for output in outputs:
            self.outputs.append((self.now, output))
            if not isinstance(output, Send):
                continue
            try:
                event = json.loads(output.text)
            except json.JSONDecodeError:
                continue
            self.events.append(event)
            self.times.append(self.now)
        return self.events[seen:]


def ladder(text: str) -> list[str]:
    """The types that are written in it."""
    return text.split()


CREATED = ladder("response.created")
DONE = ladder("response.done rate_limits.updated")
CLOSING = ladder("""
    response.output_audio.done response.output_audio_transcript.done response.content_part.done
    conversation.item.done response.output_item.done
""")
"""How a spoken item ends."""


def kinds(events: list[Event]) -> list[str]:
    """The types in order, runs of deltas as one line."""
    seen: list[str] = []
    for event in events:
        kind = "(deltas)" if event["type"] in DELTAS else event["type"]
        if kind != "(deltas)" or seen[-1:] != [kind]:
            seen.append(kind)
    return seen


def error_of(events: list[Event]) -> tuple[str | None, str, str | None]:
    """Code, message and param of the one error that was answered."""
    assert [event["type"] for event in events] == ["error"], events
    error = events[0]["error"]
    return error["code"], error["message"], error["param"]
