"""What is told over NATS: under which subject, with which headers, and how long it may be. Pure.

A subject is made of what happened and of the call's SID, which consumers filter by; never of a number or a
word of a call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from callbridge.records.outbox.body import BODY_BYTES_MAX, VERSION, in_bytes
from callbridge.records.outbox.events import is_wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.records.outbox.events import Event

NATS: Final = "nats"
"""What the receiver is called in lists."""

MESSAGE_ID: Final = "Nats-Msg-Id"
"""A stream drops what comes twice under one, within its duplicate window
(https://docs.nats.io/using-nats/developer/develop_jetstream/model_deep_dive#message-deduplication)."""

EXPECTED_STREAM: Final = "Nats-Expected-Stream"
"""The server refuses what another stream would keep."""

EVENT: Final = "Callbridge-Event"
SCHEMA_VERSION: Final = "Callbridge-Version"

TOKEN_CHARACTERS_MAX: Final = 64
_NO_TOKEN: Final = re.compile(r"[^A-Za-z0-9_-]")

_HEAD_BYTES: Final = 512
"""What subject and headers may take of a message, beside its body."""


class MessageTooLarge(Exception):  # noqa: N818  # Said of what is to be sent.
    """The server takes no message of this length; the text says which it takes."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent of an event."""

    subject: str
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsReceiver:
    """A stream of NATS, as the outbox knows it."""

    subject: str
    """What all subjects begin with."""
    stream: str
    events: frozenset[str]
    name: str = NATS
    keeps_order: bool = True

    @property
    def address(self) -> str:
        """The stream. That it is kept by other servers makes it no other one."""
        return self.stream

    @property
    def subjects(self) -> str:
        """All of its subjects."""
        return f"{self.subject}.>"

    def wants(self, kind: str) -> bool:
        """Whether events of this kind are told."""
        return is_wanted(kind, self.events)

    def message(self, event: Event, body: dict[str, Any], bytes_max: int) -> Message:
        """What is sent of an event.

        Args:
            event: what happened.
            body: callbridge's own body of it. What is too long loses parts, and says so.
            bytes_max: how long a message may be, its headers included.

        Raises:
            MessageTooLarge: it is longer, whatever is left out.
        """
        room = min(BODY_BYTES_MAX, bytes_max - _HEAD_BYTES)
        content = in_bytes(body, room)
        if len(content) > room:
            raise MessageTooLarge(f"it has {len(content)} bytes, and the server takes {max(room, 0)}")
        headers = {
            MESSAGE_ID: event.id,
            EXPECTED_STREAM: self.stream,
            EVENT: event.kind,
            SCHEMA_VERSION: str(VERSION),
        }
        return Message(subject_of(self.subject, event.kind, event.call_sid), headers, content)


def subject_of(prefix: str, kind: str, call_sid: str) -> str:
    """`callbridge.call.completed.CA…`, `callbridge.fact.tool_used.CA…`: always two tokens and the call."""
    return f"{prefix}.{'.'.join(map(_token, kind.split('.', 1)))}.{_token(call_sid)}"


def _token(text: str) -> str:
    """`text` as one token: without full stops, wildcards and space."""
    return _NO_TOKEN.sub("_", text)[:TOKEN_CHARACTERS_MAX] or "_"
