"""The faults of a peer, as they go on the wire."""

from __future__ import annotations

import json

import pytest

from callbridge.simulators.phone import messages
from callbridge.simulators.phone.messages import StreamIdentity
from callbridge.simulators.phone.misbehaviour import (
    FLOOD_KEYS,
    FLOOD_SPEED,
    Misbehaviour,
    RawBytes,
    Spoiler,
    Wire,
)
from callbridge.simulators.phone.stream import Send

IDENTITY = StreamIdentity("AC1", "CA1", "MZ1", (("token", "abc"),))
CONNECTED = Send(messages.CONNECTED, "connected")
START = Send(messages.start(IDENTITY, 1), "start")


def wire(*misbehaviours: Misbehaviour) -> list[Wire]:
    spoiler = Spoiler(frozenset(misbehaviours))
    sent = spoiler.spoil(CONNECTED) + spoiler.spoil(START)
    for chunk in range(1, 13):
        text = messages.media(IDENTITY, chunk + 1, chunk, 79 + 20 * chunk, b"\xff" * 160)
        sent += spoiler.spoil(Send(text, "media"))
    return sent


def test_good_behaviour_changes_nothing() -> None:
    sent = wire()
    assert sent[:2] == [CONNECTED.text, START.text]
    assert len(sent) == 14


def test_no_start_means_silence_after_connected() -> None:
    assert wire(Misbehaviour.NO_START) == [CONNECTED.text]


def test_media_before_start() -> None:
    sent = wire(Misbehaviour.MEDIA_BEFORE_START)
    assert len(sent) == 15
    assert sent[2] == START.text
    early = json.loads(str(sent[1]))
    assert (early["event"], early["streamSid"]) == ("media", "MZ1")
    assert len(early["media"]["payload"]) == 216


def test_a_wrong_token_replaces_every_parameter() -> None:
    start = json.loads(str(wire(Misbehaviour.WRONG_TOKEN)[1]))
    assert start["start"]["customParameters"] == {"token": "cbax"}


def test_a_stream_of_both_tracks_says_so_and_its_frames_have_twins() -> None:
    sent = wire(Misbehaviour.BOTH_TRACKS, Misbehaviour.OUTBOUND_MEDIA)
    assert json.loads(str(sent[1]))["start"]["tracks"] == ["inbound", "outbound"]
    tracks = [json.loads(str(message))["media"]["track"] for message in sent[2:]]
    assert tracks == ["inbound", "outbound"] * 12


def test_floods_begin_with_the_tenth_frame() -> None:
    assert len(wire(Misbehaviour.AUDIO_FLOOD)) == 2 + 9 + 3 * FLOOD_SPEED
    keys = wire(Misbehaviour.KEY_FLOOD)[12:-2]
    assert len(keys) == FLOOD_KEYS
    assert json.loads(str(keys[0]))["dtmf"]["digit"] == "5"


@pytest.mark.parametrize(
    ("misbehaviour", "kind"),
    [
        (Misbehaviour.DUPLICATE_START, str),
        (Misbehaviour.GARBAGE, str),
        (Misbehaviour.OVERSIZED, str),
        (Misbehaviour.BINARY, bytes),
        (Misbehaviour.BROKEN_FRAME, RawBytes),
    ],
)
def test_single_faults_follow_the_tenth_frame(misbehaviour: Misbehaviour, kind: type) -> None:
    sent = wire(misbehaviour)
    assert len(sent) == 15
    assert isinstance(sent[12], kind)
    assert (sent[12] == START.text) == (misbehaviour is Misbehaviour.DUPLICATE_START)
    others = {Misbehaviour.GARBAGE, Misbehaviour.BINARY} - {misbehaviour}
    assert len(wire(misbehaviour, *others)) == 15 + len(others)
