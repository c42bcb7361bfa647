"""Frames of a real call, bent and broken, into both legs of a call in any stage.

Nothing that a peer sends may break us: a message is understood, or counted as bad, and the call ends by its
documented bounds alone. A seed stands in every failure.
"""

from __future__ import annotations

import gc
import json
import math
import random
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.bridge.relay import Relay
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.entrance import Entrance
from callbridge.call.facts import EndReason, StreamEnded
from callbridge.call.limits import Limits
from callbridge.call.machine import CallMachine
from callbridge.call.phases import Phase
from callbridge.call.wishes import HangUp
from callbridge.wire import media_streams, realtime_commands, realtime_events
from callbridge.wire.errors import ProtocolError
from random_calls import random_world
from worlds import PLAN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams import Wire

FRAMES = 8_000
"""Broken frames on each leg; a long run has more."""

FRAMES_OF_A_LONG_RUN = 1_000_000

CHUNKS = 10

LIMITS = Limits(bad_messages_within_s=math.inf)

LENGTH_MAX = 400
"""Frames of one call. Many calls find more than long ones: a broken frame may end one."""


@dataclass(frozen=True)
class Recording:
    """What both peers said in a call, in their order."""

    both: tuple[tuple[e.Leg, str], ...]

    def of(self, leg: e.Leg) -> list[str]:
        """The frames of one."""
        return [text for whose, text in self.both if whose is leg]


@cache
def recording() -> Recording:
    """A call with interruptions, keys and tools."""
    both: list[tuple[e.Leg, str]] = []
    for seed in (2, 5):
        world = random_world(seed, keys=True)
        stream = world.streams[0]
        phone_said, model_said = stream._phone_said, stream.model_said  # The doors, to listen at.

        def from_phone(text: str | bytes, door: Callable[[str | bytes], None] = phone_said) -> None:
            both.append((e.Leg.PHONE, str(text)))
            door(text)

        def from_model(wire: Wire, text: str | bytes, door: Any = model_said) -> None:
            both.append((e.Leg.MODEL, str(text)))
            door(wire, text)

        stream._phone_said, stream.model_said = from_phone, from_model  # type: ignore[method-assign]
        world.run()
    return Recording(tuple(both))


def _flip_bits(frame: bytes, rng: random.Random) -> bytes:
    broken = bytearray(frame)
    for _ in range(rng.choice((1, 1, 2, 8))):
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def _cut(frame: bytes, rng: random.Random) -> bytes:
    return frame[: rng.randrange(len(frame))]


def _splice(frame: bytes, rng: random.Random) -> bytes:
    other = rng.choice(recording().both)[1].encode()
    return frame[: rng.randrange(len(frame))] + other[rng.randrange(len(other)) :]


def _not_text(frame: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(frame))
    return frame[:at] + rng.choice((b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\x00")) + frame[at:]


def _nest(frame: bytes, rng: random.Random) -> bytes:
    depth = rng.choice((10, 900, 5000))
    deep = rng.choice((b'{"a":', b"[")) * depth
    return rng.choice((deep, frame[:-1] + b',"x":' + deep))


STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**40, -(10**18), "", "\x00", "x" * 5000, [], {}, [[]],
    {"type": "x"}, "NaN", 0.1,
)  # fmt: skip
"""What stands in the place of a value."""


def _change(frame: bytes, rng: random.Random) -> bytes:
    """One value of the message is another one, or another kind of one, is gone, or came twice."""
    message = json.loads(frame)
    place = message
    while True:
        key = rng.choice(list(place))
        if isinstance(place[key], dict) and place[key] and rng.random() < 0.7:
            place = place[key]
            continue
        break
    match rng.randrange(4):
        case 0:
            del place[key]
        case 1:
            place[rng.choice(("type", "event", "id", "item_id", "response_id", "delta"))] = place[key]
        case _:
            place[key] = rng.choice(STRANGE)
    return json.dumps(message).encode()


def _rename(frame: bytes, rng: random.Random) -> bytes:
    """Names of a stream, item, response or call that nobody knows, new ones each time."""
    return _NAME.sub(
        lambda name: name[1] + f"{rng.getrandbits(80):021x}".encode() if rng.random() < 0.7 else name[0],
        frame,
    )


_NAME = re.compile(rb'(?<=")(MZ|item_|resp_|call_)[0-9A-Za-z]{20,}(?=")')


def _as_it_is(frame: bytes, rng: random.Random) -> bytes:
    """Out of its order, or said a second time: broken enough."""
    return frame


BREAKERS = (
    _flip_bits,
    _cut,
    _splice,
    _not_text,
    _nest,
    _change,
    _change,
    _change,
    _rename,
    _rename,
    _as_it_is,
)


def broken(frame: str, rng: random.Random) -> str | bytes:
    """The frame as a broken peer would send it: text where it still is some."""
    data = rng.choice(BREAKERS)(frame.encode(), rng)
    if rng.random() < 0.02:
        return data
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


@dataclass
class UnderFire:
    """One call whose other parts do their work."""

    rng: random.Random
    now: float = 1000.0
    ended: StreamEnded | None = None
    bad: Counter[e.Leg] = field(default_factory=Counter)
    frames: Counter[e.Leg] = field(default_factory=Counter)
    broken: Counter[e.Leg] = field(default_factory=Counter)
    bytes_out: int = 0

    def __post_init__(self) -> None:
        self.entrance = Entrance(self.now, LIMITS)
        self.relay = Relay(self.entrance.gate, self.entrance.tally, self._out)

    @property
    def decider(self) -> Entrance | CallMachine:
        """Who is told what happens."""
        return self.entrance.call or self.entrance

    def _out(self, frame: bytes) -> None:
        self.bytes_out += len(frame)

    def gets(self, leg: e.Leg, text: str | bytes) -> None:
        """A message on a leg, and whatever follows of it by itself."""
        self.now += self.rng.choice((0.0, 0.001, 0.02))
        event = self._heard(leg, text)
        if isinstance(event, e.BadMessage):
            self.bad[event.leg] += 1
        if event is not None:
            self.tell(event)
        deadline = self.decider.deadline
        if deadline is not None and deadline[0] <= self.now:
            self.tell(e.DeadlinePassed())

    def _heard(self, leg: e.Leg, text: str | bytes) -> e.Event | None:
        self.frames[leg] += 1
        if leg is e.Leg.PHONE:
            return self.relay.from_phone(text)
        if leg is e.Leg.SPARE:
            return None if self.entrance.call is None else self.relay.from_spare(text)
        if self.relay.send_to_model is None:  # Nobody reads a leg that is not open.
            return None
        return self.relay.from_model(text, self.now)

    def tell(self, event: e.Event) -> None:
        """Hands an event in and performs what is asked for, at once or never."""
        follows: list[e.Event] = []
        for action in self.decider.handle(event, self.now):
            follows += self._perform(action)
        for following in follows:
            self.tell(following)

    def _perform(self, action: a.Action) -> Iterator[e.Event]:  # noqa: C901  # A table of cases.
        match action:
            case a.AdmitStream():
                yield e.StreamAdmitted(replace(PLAN, limits=LIMITS), "+15550100001", "+15550100002")
            case a.BeginCall():
                assert self.entrance.call is not None
                self.relay.serve(self.entrance.call)
            case a.DialModel(_, leg):
                if leg is e.Leg.MODEL:
                    self.relay.send_to_model = self._out
                yield e.ModelConnected(leg)
            case a.DropModel(e.Leg.MODEL):
                self.relay.send_to_model = None
            case a.SwitchModel():
                self.relay.send_to_model = self._out
            case a.OpenUplink():
                self.relay.open_uplink()
            case a.PlayClip():
                self.relay.play_clip(b"\x01" * 800, self.now)
            case a.SendToPhone(message):
                self._out(media_streams.encode(message))
            case a.SendToModel(command):
                self._out(realtime_commands.encode(command))
            case a.RunTool(call_id, name):
                if self.rng.random() < 0.9:
                    yield e.ToolFinished(call_id, name, "{}", 1, HangUp() if name == "end_call" else None)
            case a.Note(StreamEnded() as ended):
                assert self.ended is None, "a call ends once"
                self.ended = ended
            case _:
                pass


MAY_END: dict[EndReason, tuple[str, ...]] = {
    EndReason.CALLER_HANGUP: ("",),
    EndReason.AGENT_HANGUP: ("",),
    EndReason.LIMIT_DURATION: ("",),
    EndReason.MEDIA_LOST: ("no caller audio",),
    EndReason.MODEL_LOST: ("",),
    EndReason.MODEL_UNAVAILABLE: ("",),
    EndReason.REJECTED_PROTOCOL: (
        "before start",
        "bad messages",
        "a second start names another stream",
        "the stream is not 8 kHz mono",
        "no start in time",
    ),
}
"""How a call may end under fire, and what its record says then."""


def fire_at_a_call(seed: int, count: int) -> UnderFire:
    """Plays the recording into a call, with broken frames from some moment on."""
    rng = random.Random(f"fuzz {seed}")
    under = UnderFire(rng)
    begins = rng.choice((0, 1, 2, 3, rng.randrange(200), rng.randrange(200)))
    frames = recording()
    phone, model = frames.of(e.Leg.PHONE), frames.of(e.Leg.MODEL)
    for number, (leg, text) in enumerate(frames.both[: begins + count]):
        if under.ended is not None:
            break
        under.gets(leg, text)
        if number >= begins:
            target = rng.choice((e.Leg.PHONE, e.Leg.PHONE, e.Leg.MODEL, e.Leg.MODEL, e.Leg.SPARE))
            # What cannot be read ends a call or a session after a while: not in every second frame.
            if rng.random() < 0.7:
                under.broken[target] += 1
                under.gets(target, broken(rng.choice(phone if target is e.Leg.PHONE else model), rng))
    return under


def check(under: UnderFire) -> None:
    """What must hold after whatever came."""
    ended = under.ended
    assert ended is not None or under.decider.deadline is not None
    if ended is None:
        assert under.bad[e.Leg.PHONE] <= LIMITS.bad_messages_max
        return
    assert any(said in ended.detail for said in MAY_END[ended.reason]), ended
    if "phone leg sent" in ended.detail:
        assert under.bad[e.Leg.PHONE] > LIMITS.bad_messages_max or "binary" in ended.detail, ended


def fire(first: int, count: int) -> None:
    """Fires until each leg has got so many broken frames."""
    fired: Counter[e.Leg] = Counter()
    seed = first
    while min(fired[e.Leg.PHONE], fired[e.Leg.MODEL]) < count:
        try:
            under = fire_at_a_call(seed, LENGTH_MAX)
            check(under)
        except Exception as error:
            raise AssertionError(f"fuzzed call {seed}: {type(error).__name__}: {error}") from error
        fired += under.broken
        seed += 1


@pytest.mark.parametrize(
    ("first", "frames"),
    [
        *((chunk, FRAMES) for chunk in range(CHUNKS)),
        *(
            pytest.param(CHUNKS + chunk, FRAMES_OF_A_LONG_RUN, marks=pytest.mark.long)
            for chunk in range(CHUNKS)
        ),
    ],
)
def test_no_frame_breaks_a_call(first: int, frames: int) -> None:
    """Broken frames on every leg, in every stage: understood, or counted as bad."""
    fire(first * 1_000_000, frames // CHUNKS)


def _weight(call: object) -> int:
    """How many objects a call holds on to."""
    seen: set[int] = set()
    todo = [call]
    while todo:
        held = todo.pop()
        if id(held) in seen or isinstance(held, type | ModuleType) or callable(held):
            continue
        seen.add(id(held))
        todo += gc.get_referents(held)
    return len(seen)


def test_names_that_nobody_knows_do_not_pile_up() -> None:
    """A model that makes up an item, a response or a call with every message costs no memory for long."""
    rng = random.Random("names")
    under = UnderFire(rng)
    frames = recording()
    for leg, text in frames.both[:400]:
        under.gets(leg, text)
    assert under.ended is None
    call = under.entrance.call
    assert call is not None
    assert call.phase is Phase.LIVE
    kinds = [
        text for text in frames.of(e.Leg.MODEL) if "function_call" not in text and '"failed"' not in text
    ]
    media = next(text for text in frames.of(e.Leg.PHONE) if '"media"' in text)
    weights = []
    for _ in range(3):
        for number in range(2000):
            if number % 20 == 0:  # The caller is still there.
                under.gets(e.Leg.PHONE, media)
                under.now += 1  # Nobody answers more often than anybody talks.
            under.gets(e.Leg.MODEL, _rename(rng.choice(kinds).encode(), rng).decode())
        assert (under.ended, call.phase) == (None, Phase.LIVE)
        weights.append(_weight(call))
    assert weights[-1] <= max(weights[:-1]) + 200, weights  # What is bounded fills up, and no further.


def assert_parsed_or_refused_in_words(frame: str | bytes) -> None:
    """Both parsers know one exception."""
    words = []
    for parse in (media_streams.parse, realtime_events.parse):
        try:
            parse(frame)
        except ProtocolError as error:
            words.append(str(error))
    assert all(words)


@given(st.binary(max_size=400) | st.text(max_size=400))
def test_any_text_is_parsed_or_refused_in_words(frame: str | bytes) -> None:
    assert_parsed_or_refused_in_words(frame)


@given(st.integers(0, 2**32))
def test_a_broken_frame_is_parsed_or_refused_in_words(seed: int) -> None:
    rng = random.Random(seed)
    assert_parsed_or_refused_in_words(broken(rng.choice(recording().both)[1], rng))
