"""What both sides of a call hear, for whoever records it: a tap on its audio path.

A relay without a tap is an ordinary one, and asks nothing of the kind. With a tap it tells, beside its work,
what came and what was sent: one append for a frame. Whatever is made of it is made elsewhere, and later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.bridge.relay import Relay
from callbridge.call.ear.playout import CLIP

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.ear.tape import Entry
    from callbridge.call.events import Event
    from callbridge.wire.realtime_events import AudioDelta


class TappedRelay(Relay):
    """A relay that tells of what passes."""

    __slots__ = ()

    def from_phone(self, text: str | bytes) -> Event | None:
        """See `Relay`. The message is told as it came: who records reads it, and Twilio's clock in it."""
        self._tap(text)
        return Relay.from_phone(self, text)

    def echoed(self, name: str, now: float) -> bool:
        """See `Relay`."""
        if (echoed := self._heard.proven(name, now)) is not None:
            self._tap(echoed)
        return Relay.echoed(self, name, now)

    def play_clip(self, clip: bytes, now: float, name: str = CLIP) -> None:
        """See `Relay`."""
        Relay.play_clip(self, clip, now, name)
        self._tap(self._heard.played(clip, now))

    def _play(self, delta: AudioDelta, now: float) -> Event | None:
        event = Relay._play(self, delta, now)
        if delta.response_id == self._gate.audible_response_id and delta.delta:
            self._tap(self._heard.played(delta.delta, now))
        return event


class Tap:
    """The tap of one call.

    Args:
        relay: the call's audio path.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def open(self, take: Callable[[Entry], None]) -> None:
        """`take` is told of everything from here on. It is called for each frame, and must be quick."""
        self._relay.tapped(take, take)
        # The same object as another kind: so nobody has to ask for each frame whether somebody records.
        self._relay.__class__ = TappedRelay

    def close(self) -> None:
        """Nobody is told any more."""
        self._relay.__class__ = Relay
        self._relay.tapped(_nobody, None)


def _nobody(_entry: Entry) -> None:
    """Who is told when nobody records; is never asked."""
