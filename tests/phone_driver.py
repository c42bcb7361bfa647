"""A bridge on one stream of the simulated phone, in virtual time, and short ways to say what it sends."""

from __future__ import annotations

import base64
import json
from typing import Any, Self

from callbridge.simulators.phone.caller import CallerScript, WaitForEnd
from callbridge.simulators.phone.messages import StreamIdentity
from callbridge.simulators.phone.stream import Output, PhoneStream, Send, StreamSettings

SID = "MZ" + "1" * 32
LOUD = b"\x10" * 8
"""One millisecond of sound."""
ZERO = 1000.0
"""Virtual time does not begin at nothing, as no clock does."""


def new_stream(*steps: Any, **settings: Any) -> PhoneStream:
    """A stream whose caller does this, or waits for the end."""
    identity = StreamIdentity("AC" + "2" * 32, "CA" + "3" * 32, SID)
    return PhoneStream(identity, CallerScript(steps or (WaitForEnd(),)), StreamSettings(**settings))


def message(event: str, **fields: Any) -> str:
    """A message of the bridge."""
    return json.dumps({"event": event, "streamSid": SID, **fields})


def media(ms: int, sound: bytes = LOUD) -> str:
    """So much agent audio."""
    return message("media", media={"payload": base64.b64encode(sound * ms).decode()})


def mark(name: str) -> str:
    """A mark."""
    return message("mark", mark={"name": name})


class PhoneDriver:
    """Opens a stream and wakes it exactly at its deadlines."""

    def __init__(self, stream: PhoneStream) -> None:
        self.stream = stream
        self.now = ZERO
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.others: list[Output] = []
        self.take(stream.open(ZERO))

    def take(self, outputs: list[Output]) -> None:
        """Notes what the phone does, with the time in ms."""
        for output in outputs:
            if isinstance(output, Send):
                fields = json.loads(output.text)
                assert fields["event"] == output.event
                self.sent.append((round((self.now - ZERO) * 1000, 3), fields))
            else:
                self.others.append(output)

    def run_to(self, at_ms: float) -> Self:
        """Lets time pass."""
        until = ZERO + at_ms / 1000
        while (deadline := self.stream.deadline) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.take(self.stream.wake(self.now))
        self.now = until
        return self

    def say(self, *texts: str | bytes) -> Self:
        """Sends messages."""
        for text in texts:
            self.take(self.stream.receive(text, self.now))
        return self

    def sent_of(self, event: str) -> list[tuple[float, dict[str, Any]]]:
        """The phone's messages of one kind."""
        return [(at, fields) for at, fields in self.sent if fields["event"] == event]

    def echoes(self) -> list[tuple[float, str]]:
        """The marks that came back."""
        return [(at, fields["mark"]["name"]) for at, fields in self.sent_of("mark")]

    def codes(self) -> list[int]:
        """What Twilio complained about."""
        return [complaint.code for complaint in self.stream.complaints]
