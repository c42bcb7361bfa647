"""The phone's modules, run by node and held against the simulated phone: they must do what Twilio does."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.console.vendored import STATIC
from callbridge.simulators.audio import decode_mulaw
from callbridge.simulators.phone import Playback, StreamIdentity, messages
from callbridge.wire.audio import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node runs the page's modules outside of a browser")

IDENTITY = StreamIdentity(
    "AC" + "1" * 32, "CA" + "2" * 32, "MZ" + "3" * 32, (("token", "t"), ("caller", "+1"))
)
FRAME = bytes(range(160))
SAMPLES = [*range(-32_768, 32_768)]
MS = 8
"""Bytes in a millisecond."""

MESSAGES = [
    {"event": "media", "streamSid": IDENTITY.stream_sid, "media": {"payload": "AAECAw=="}},
    {"event": "mark", "streamSid": IDENTITY.stream_sid, "mark": {"name": "m"}},
    {"event": "clear", "streamSid": IDENTITY.stream_sid},
    {"event": "clear", "streamSid": "MZ-of-another"},
    {"event": "media", "streamSid": IDENTITY.stream_sid, "media": {"payload": "*"}},
    {"event": "media", "streamSid": IDENTITY.stream_sid, "media": {"payload": 1}},
    {"event": "media", "streamSid": IDENTITY.stream_sid, "media": {"payload": "", "track": "outbound"}},
    {"event": "mark", "streamSid": IDENTITY.stream_sid},
    {"event": "mark", "streamSid": IDENTITY.stream_sid, "mark": None},
    {"event": "toString", "streamSid": IDENTITY.stream_sid},
    {"event": "clear"},
    ["clear"],
    None,
]
TEXTS = [json.dumps(message) for message in MESSAGES] + ["no JSON"]

TONES = [
    *((rate, 8000, hz) for rate in (48_000, 44_100) for hz in (300, 1000, 3000, 5000, 7000)),
    *((8000, rate, hz) for rate in (48_000, 44_100, 16_000) for hz in (300, 1000, 3000)),
]


def random_run(seed: int) -> list[tuple[str, Any]]:
    """What may happen to an earpiece, in an order of chance."""
    rng = random.Random(seed)
    run: list[tuple[str, Any]] = []
    for step in range(60):
        match rng.choice(["add", "add", "mark", "mark", "play", "play", "play", "clear"]):
            case "add":
                audio = rng.randbytes(rng.choice([1, 8, 160, 803, 4000]))
                run.append(("add", base64.b64encode(audio).decode()))
            case "mark":
                run.append(("mark", f"m{step}"))
            case "play":
                run.append(("play", rng.choice([MS, 20 * MS, 160 * MS])))
            case name:
                run.append((name, None))
    return run


RUNS = [random_run(seed) for seed in range(40)]
MOUTH: list[tuple[str, Any]] = [
    ("hear", 400),
    ("muted", True),
    ("hear", 240),
    ("say", base64.b64encode(bytes([7] * 200)).decode()),
    ("hear", 320),
    ("say", base64.b64encode(bytes([9] * 200)).decode()),
    ("hear", 160),
    ("forget", None),
    ("hear", 160),
]


@pytest.fixture(scope="module")
def came_of_it(tmp_path_factory: pytest.TempPathFactory) -> Any:
    plan = {
        "identity": {
            "account_sid": IDENTITY.account_sid,
            "call_sid": IDENTITY.call_sid,
            "stream_sid": IDENTITY.stream_sid,
            "parameters": dict(IDENTITY.parameters),
        },
        "frame": base64.b64encode(FRAME).decode(),
        "samples": SAMPLES,
        "runs": RUNS,
        "tones": TONES,
        "mouth": MOUTH,
        "messages": TEXTS,
    }
    file = tmp_path_factory.mktemp("phone") / "plan.json"
    file.write_text(json.dumps(plan), encoding="utf-8")
    checks = Path(__file__).with_name("phone_checks.mjs")
    assert NODE is not None
    ran = subprocess.run(  # noqa: S603  # Our own file, by the node of this machine.
        [NODE, str(checks), str(STATIC / "talk"), str(file)], check=True, capture_output=True, timeout=60
    )
    return json.loads(ran.stdout)


def test_the_codec_is_that_of_the_house(came_of_it: Any) -> None:
    assert came_of_it["decoded"] == list(decode_mulaw(bytes(range(256))))
    assert bytes(came_of_it["encoded"]) == encode(SAMPLES)


def as_the_simulated_phone(run: Sequence[tuple[str, Any]]) -> tuple[list[tuple[str, Any, int]], int, bytes]:
    """The same on the simulated phone: what was told, its name or bytes, and how much was played by then."""
    playback, now, told, heard = Playback(), 0.0, list[tuple[str, Any, int]](), b""

    def echo() -> None:
        told.extend(("mark", mark.name, playback.heard_bytes(now)) for mark in playback.due_marks(now))

    for name, value in run:
        if name == "add":
            playback.add(base64.b64decode(value), now)
        elif name == "mark":
            playback.add_mark(value, now)
            echo()
        elif name == "clear":
            discarded = playback.clear(now).discarded_bytes
            told.append(("cleared", discarded, playback.heard_bytes(now)))
            echo()
        else:
            for _ in range(value // MS):  # The page's unit, too, is a millisecond.
                heard += playback.heard_between(now, now + 0.001)
                now += 0.001
            echo()
    return told, playback.heard_bytes(now), heard


@pytest.mark.parametrize("at", range(len(RUNS)))
def test_audio_marks_and_clears_are_those_of_the_simulated_phone(at: int, came_of_it: Any) -> None:
    """Same bytes, same marks in the same order, same bytes thrown away."""
    ours = came_of_it["runs"][at]
    told, played, heard = as_the_simulated_phone(RUNS[at])
    kept = {"mark": "name", "cleared": "discarded"}
    assert [(one["event"], one[kept[one["event"]]], one["played"]) for one in ours["told"]] == told
    assert ours["played"] == played
    sounds = [sample / 32768 for sample in decode_mulaw(heard)]
    assert [sample for sample in ours["heard"] if sample] == [sample for sample in sounds if sample]


def test_a_low_pass_keeps_the_voice_and_lets_nothing_fold_back_into_it(came_of_it: Any) -> None:
    full = 2**-0.5
    for (from_rate, to_rate, hz), found in zip(TONES, came_of_it["loudness"], strict=True):
        assert found["samples"] == pytest.approx(to_rate * 0.25, abs=to_rate * 0.02)
        if hz <= 3000:
            assert found["rms"] == pytest.approx(full, rel=0.02), (from_rate, to_rate, hz)
        else:
            assert found["rms"] < full / 1000, f"{hz} Hz would be heard as {8000 - hz} Hz"


def test_a_typed_sentence_takes_the_place_of_the_microphone_muted_or_not(came_of_it: Any) -> None:
    """What is left of one when the stream is over is forgotten."""
    sent = b"".join(base64.b64decode(frame) for frame in came_of_it["frames"])
    voice = encode([16_384])
    assert sent == voice * 400 + b"\xff" * 240 + b"\x07" * 200 + b"\xff" * 120 + b"\x09" * 160 + b"\xff" * 160


def test_what_it_sends_is_what_twilio_sends(came_of_it: Any) -> None:
    quiet = b"\xff" * 160
    expected = [
        messages.CONNECTED,
        messages.start(IDENTITY, 1),
        messages.media(IDENTITY, 2, 1, 99, quiet),
        messages.media(IDENTITY, 3, 2, 119, FRAME),
        messages.dtmf(IDENTITY, 4, "#"),
        messages.mark(IDENTITY, 5, "m-1"),
        messages.stop(IDENTITY, 6),
    ]
    assert [json.loads(text) for text in came_of_it["texts"]] == [json.loads(text) for text in expected]


def test_it_takes_what_twilio_takes_and_warns_of_the_rest(came_of_it: Any) -> None:
    for text, found in zip(TEXTS, came_of_it["read"], strict=True):
        match messages.read(text, IDENTITY.stream_sid):
            case messages.AgentAudio(audio):
                assert found == {"audio": base64.b64encode(audio).decode()}
            case messages.AgentMark(name):
                assert found == {"mark": name}
            case messages.AgentClear():
                assert found == {"clear": True}
            case messages.Refused(code, _):
                assert found["warning"].startswith(f"{code}: "), text
