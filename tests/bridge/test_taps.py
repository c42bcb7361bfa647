"""A tap on the audio path: all that passes, in its order, and nothing at all without one."""

from __future__ import annotations

import base64
import json
from typing import Any

from callbridge.bridge.relay import Relay
from callbridge.bridge.taps import Tap, TappedRelay
from callbridge.call.ear.gate import Gate, Uplink
from callbridge.call.ear.tally import Tally
from callbridge.call.ear.tape import Cut, Echoed, Entry, Played
from callbridge.call.events import StreamAdmitted
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.outbox import Outbox
from callbridge.wire.audio import silence
from memory_call import PLAN

CLIP = silence(100)


class Rig:
    """A tapped relay of a call that is on."""

    def __init__(self, uplink: Uplink = Uplink.OPEN) -> None:
        self.gate = Gate(uplink, Limits().held_audio_ms_max, audible_response_id="resp_1")
        tally = Tally()
        admitted = StreamAdmitted(PLAN, "", "")
        out = Outbox("CA1", "MZ1", 0.0)
        self.call = CallMachine(admitted, gate=self.gate, tally=tally, out=out, spread=0.5)
        self.sent: list[dict[str, Any]] = []
        self.relay = Relay(self.gate, tally, lambda frame: self.sent.append(json.loads(frame)))
        self.relay.serve(self.call)
        self.relay.send_to_model = lambda _frame: None
        self.tap, self.told = Tap(self.relay), list[Entry]()
        self.tap.open(self.told.append)


def media(number: int) -> str:
    payload = base64.b64encode(bytes([number]) * 160).decode()
    return json.dumps(
        {"event": "media", "streamSid": "MZ1", "media": {"payload": payload, "timestamp": str(20 * number)}}
    )


def delta(audio: bytes, response_id: str = "resp_1") -> str:
    return json.dumps(
        {
            "type": "response.output_audio.delta",
            "response_id": response_id,
            "item_id": "item_1",
            "delta": base64.b64encode(audio).decode(),
        }
    )


def test_the_caller_is_told_as_they_come_whatever_becomes_of_it() -> None:
    """Held, passed on or dropped: each frame once, and not again when what was held leaves."""
    rig = Rig(Uplink.HELD)
    rig.relay.from_phone(media(1))
    rig.gate.uplink = Uplink.OPEN
    rig.relay.open_uplink()
    rig.relay.from_phone(media(2))
    rig.gate.uplink = Uplink.SHUT
    rig.relay.from_phone(media(3))
    assert rig.told == [media(1), media(2), media(3)]


def test_what_is_played_has_its_place_and_what_is_muted_has_none() -> None:
    rig = Rig()
    rig.relay.from_model(delta(b"a" * 800), 1.0)
    rig.relay.from_model(delta(b"x" * 800, "resp_of_somebody"), 1.0)
    rig.relay.from_model(delta(b"b" * 1600), 1.05)
    rig.relay.play_clip(CLIP, 1.1)
    run = rig.call.playout.played(b"", 0.0).run
    assert rig.told == [
        Played(1.0, run, 1.0, 0, b"a" * 800),
        Played(1.05, run, 1.0, 800, b"b" * 1600),
        Played(1.1, run, 1.0, 2400, CLIP),
    ]


def test_echoes_and_clears_are_told_with_what_they_prove() -> None:
    """Those that the machine takes itself, too; an echo that a clear has caused proves nothing."""
    rig = Rig()
    rig.relay.from_model(delta(b"a" * 4000), 1.0)
    rig.relay.from_model(delta(b"b" * 4000), 1.0)
    names = [message["mark"]["name"] for message in rig.sent if message["event"] == "mark"]
    run = rig.call.playout.played(b"", 0.0).run
    del rig.told[:]
    rig.relay.echoed(names[0], 1.6)
    rig.call.playout.cut(1.75, 60)
    rig.relay.echoed(names[1], 1.8)
    assert rig.told == [Echoed(1.6, run, 4000, 1.5), Cut(1.75, run, 6000)]


def test_a_relay_without_a_tap_is_an_ordinary_one() -> None:
    rig = Rig()
    assert type(rig.relay) is TappedRelay
    rig.tap.close()
    assert type(rig.relay) is Relay
    rig.relay.from_phone(media(1))
    rig.relay.from_model(delta(b"a" * 8000), 1.0)
    rig.call.playout.cut(1.2, 60)
    assert rig.told == []
