"""What NATS says when it does not keep a message, in words that say what to do. Pure."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.records.outbox.subjects import NatsReceiver

CHARACTERS_MAX: Final = 200
"""Of what a server says."""


class NatsFault(Exception):  # noqa: N818  # Said of a server, and no fault of ours.
    """NATS cannot be told anything at the moment. The text says why, without a secret.

    Args:
        text: why.
        is_denied: whether it is the user who may not do that.
    """

    def __init__(self, text: str, *, is_denied: bool = False) -> None:
        super().__init__(text)
        self.is_denied = is_denied


class MessageRefused(NatsFault):
    """The stream will never take this message, whoever asks again; it takes others."""


_TOO_LARGE: Final = 10054
_OTHER_STREAM: Final = 10060
_NOT_ENABLED: Final = frozenset({10039, 10076})
_FULL: Final = frozenset({10023, 10047, 10077})
"""JetStream's own codes, of https://github.com/nats-io/nats-server/blob/main/server/errors.json."""


def refusal_of(error: Mapping[str, Any], receiver: NatsReceiver) -> NatsFault:
    """What follows from an error that JetStream has answered."""
    said, code = shown(str(error.get("description", ""))), error.get("err_code")
    if code == _TOO_LARGE:
        return MessageRefused(f"the stream {receiver.stream} takes no message of this size")
    if code == _OTHER_STREAM:
        return NatsFault(
            f"{receiver.subjects} is kept by another stream than {receiver.stream}: set "
            "CALLBRIDGE_NATS_STREAM to its name, or another CALLBRIDGE_NATS_SUBJECT"
        )
    if code in _NOT_ENABLED:
        return NatsFault(f"JetStream is off for this user's account ({said}): switch it on")
    if code in _FULL:
        return NatsFault(f"the stream {receiver.stream} is full ({said}): give it more room, or have it drop")
    return NatsFault(f"JetStream refused it: {said or 'without a reason'} ({code})")


def no_stream(receiver: NatsReceiver) -> str:
    """Where there is no stream, and we may make none."""
    return (
        f"there is no stream {receiver.stream}, and this user may not make it: make one for "
        f"{receiver.subjects}, or allow $JS.API.STREAM.CREATE.{receiver.stream}"
    )


def not_made(receiver: NatsReceiver, error: Mapping[str, Any]) -> str:
    """Where the server does not make the stream."""
    said = shown(str(error.get("description", "")))
    return f"the stream {receiver.stream} for {receiver.subjects} could not be made: {said}"


def nobody_listens(receiver: NatsReceiver) -> str:
    """Where no stream takes a subject, or the server has no JetStream."""
    return f"no stream keeps {receiver.subjects}, or JetStream is off there"


def fault_of_stream(config: Mapping[str, Any], receiver: NatsReceiver) -> str:
    """Why a stream cannot be told anything; nothing where it can, or is not known."""
    if not config:
        return ""
    if config.get("no_ack"):
        return f"the stream {receiver.stream} acknowledges nothing (no_ack): make one that does"
    if config.get("sealed") or config.get("mirror"):
        return f"the stream {receiver.stream} takes no messages: it is sealed, or a mirror"
    if not any(_covers(subject, receiver.subjects) for subject in config.get("subjects") or ()):
        return (
            f"the stream {receiver.stream} does not keep {receiver.subjects}: add that to its subjects, or "
            "set CALLBRIDGE_NATS_SUBJECT"
        )
    return ""


def _covers(subject: str, wanted: str) -> bool:
    """Whether all that `wanted` means is among what `subject` means; both may have wildcards."""
    ours, theirs = wanted.split("."), subject.split(".")
    for place, part in enumerate(theirs):
        if part == ">":
            return place < len(ours)
        if place >= len(ours) or ours[place] == ">" or part not in {"*", ours[place]}:
            return False
    return len(theirs) == len(ours)


def no_answer(waited_s: float) -> str:
    """Where the server takes a message, and says nothing."""
    return f"it did not say within {waited_s:g} s that it keeps a message"


def not_reached(why: str) -> str:
    """Where no server lets us in."""
    if "uthoriz" in why or "uthentic" in why:
        return f"it does not let this user in ({why}): {_LOOK_AT_USER}"
    if "reset" in why or "EOF" in why or "empty response" in why:
        return f"it ends the connection before it lets us in ({why}): {_LOOK_AT_USER}"
    return f"it cannot be reached ({why}): does it run, and is NATS_URL right?"


_LOOK_AT_USER: Final = "look at the user in NATS_URL, or at CALLBRIDGE_NATS_CREDENTIALS"


def denied(said: str) -> NatsFault:
    """Where the user may not do what was asked."""
    return NatsFault(
        f"this user may not do that ({shown(said)}): see what it must be allowed", is_denied=True
    )


def broken(said: str) -> str:
    """Where a connection has ended."""
    return f"the connection broke ({said})" if said else "the connection broke"


def in_words(error: BaseException | None) -> str:
    """What the library has raised, without an address, which might have a user in it."""
    if error is None:
        return ""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # The loop's own words have the address in them.
    if isinstance(error, OSError):
        return shown(error.strerror or type(error).__name__)
    return shown(str(error)) or type(error).__name__


def shown(said: str) -> str:
    """What a server said, as a line of ours."""
    text = "".join(character if character.isprintable() else " " for character in said)
    text = re.sub(r"\S*://\S*", "", text.removeprefix("nats: "))
    return " ".join(text.split()).strip("'\" ")[:CHARACTERS_MAX]


def decoded(data: bytes) -> dict[str, Any]:
    """What JetStream has answered.

    Raises:
        NatsFault: it was something else.
    """
    try:
        found: dict[str, Any] = _decode(data)
    except msgspec.MsgspecError:
        raise NatsFault("something answered that is no JetStream") from None
    return found


_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
