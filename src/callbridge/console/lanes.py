"""The sound of a call as two lanes, the caller above the agent, with what happened when. Pure: no template,
no file. `templates/lanes.html` draws it.

Everything lies on the time line of the call, in milliseconds, and is placed in per cent of its width: a
drawing is as good on a telephone as on a wide screen.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from callbridge.records.in_words import counted, length, place
from callbridge.records.timeline import joined, timeline
from callbridge.wire.audio import BYTES_PER_MS, SILENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.records.story import CallStory, Span, Spoken, Turn

BARS: Final = 360
"""Of a lane: three pixels each on a wide screen."""

ZOOMS: Final = (1, 2, 4, 8)
ZOOM_MS: Final = 150_000
"""A call that is longer is drawn wider than the page, which then scrolls."""

TICKS_MAX: Final = 8
_TELEPHONE_PX: Final = 300
_SCREEN_PX: Final = 800
_SIGN_PX: Final = 6
"""So wide is a drawing at least on these, and a sign that is written on a band."""
_TICKS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)

MARK_SHARE: Final = 0.004
"""Of the whole: what has no length is drawn as long as this."""

Kind: TypeAlias = Literal["turn", "interruption", "unheard", "tool", "keys", "step", "transfer", "beside"]


# --- Sound ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sound:
    """What was said and heard, as µ-law at 8 kHz.

    Args:
        caller: what the caller said.
        agent: what was heard of the agent.
        offset_ms: when both begin, in the time of the call.
    """

    caller: bytes
    agent: bytes
    offset_ms: int = 0

    @classmethod
    def of_stereo(cls, both: bytes, offset_ms: int = 0) -> Sound:
        """Of samples in turn, the caller's first, as recordings have them."""
        return cls(both[0::2], both[1::2], offset_ms)

    @property
    def stereo(self) -> bytes:
        """Both sides in turn from the beginning of the call on, the shorter one filled with silence."""
        size = self.offset_ms * BYTES_PER_MS + max(len(self.caller), len(self.agent))
        both = bytearray(bytes((SILENCE,)) * (2 * size))
        begin = 2 * self.offset_ms * BYTES_PER_MS
        both[begin : begin + 2 * len(self.caller) : 2] = self.caller
        both[begin + 1 : begin + 1 + 2 * len(self.agent) : 2] = self.agent
        return bytes(both)


def one_sound(parts: Iterable[Sound]) -> Sound | None:
    """Several recordings of a call as one; None where there is none."""
    sides = bytearray(), bytearray()
    for part in parts:
        begin = max(part.offset_ms, 0) * BYTES_PER_MS
        for side, audio in zip(sides, (part.caller, part.agent), strict=True):
            side.extend(bytes((SILENCE,)) * (begin - len(side)))
            side[begin : begin + len(audio)] = audio
    return Sound(bytes(sides[0]), bytes(sides[1])) if any(sides) else None


def peaks(audio: bytes, offset_ms: int, whole_ms: int, bars: int = BARS) -> list[float]:
    """How loud each of `bars` equal parts of the call is at its loudest, from 0 to 1."""
    loud, found = audio.translate(_HEIGHTS), []
    each = max(whole_ms, 1) * BYTES_PER_MS / bars
    begins = [round(bar * each) - offset_ms * BYTES_PER_MS for bar in range(bars + 1)]
    for begin, end in itertools.pairwise(begins):
        found.append(max(loud[max(begin, 0) : max(end, 0)], default=0) / 255)
    return found


def _height(code: int) -> int:
    """The root of what a code sounds like: soft speech is seen, and loud speech still differs."""
    bits = ~code & 0x7F
    magnitude = (((bits & 0x0F) << 3) + 132 << (bits >> 4)) - 132
    return round(255 * math.sqrt(magnitude / 32_124))


_HEIGHTS: Final = bytes(map(_height, range(256)))


# --- What is drawn --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Band:
    """Something that lasted, or a moment."""

    kind: Kind
    began_ms: int
    ended_ms: int
    label: str
    """In a few words, for a pointer that rests on it and for who hears the page."""
    text: str = ""
    """What is written on it."""
    href: str = ""


@dataclass(frozen=True, slots=True)
class PlacedBand:
    """A band on the line: both in per cent of it."""

    band: Band
    left: str
    width: str
    room: Literal["none", "wide", "any"]
    """On which screens what is written on it has room."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One side. The paths are of a box that is `bars` wide and 2 high."""

    name: str
    side: Literal["caller", "agent"]
    spoken: str
    """Where it was known to speak."""
    quiet: str
    """What sounded beside that: a street, a breath."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """A whole drawing."""

    title: str
    summary: str
    """What is to be seen, in words."""
    whole_ms: int
    has_sound: bool
    lanes: tuple[Lane, ...]
    turns: tuple[PlacedBand, ...]
    interruptions: tuple[PlacedBand, ...]
    unheard: tuple[PlacedBand, ...]
    """What the agent had said and nobody heard: it would have been in its lane."""
    beside: tuple[PlacedBand, ...]
    """Tools, keys, steps, and what else happened."""
    ticks: tuple[tuple[str, str], ...]
    """Where, and what stands there."""
    zoom: int = 1
    """How many times as wide as the page it is."""

    @property
    def bars(self) -> int:
        """Of a lane."""
        return BARS * self.zoom

    def has(self, kind: Kind) -> bool:
        """Whether something of this kind stands beside the lanes."""
        return any(placed.band.kind == kind for placed in self.beside)


LIVE_STEP_MS: Final = 20_000
"""What is live is drawn on a line that is longer by so much at a time: so it fills, and does not shrink."""


def lanes_of(story: CallStory, sound: Sound | None = None) -> Lanes:
    """The lanes of a call. Without its sound they say when each side was heard, as the service knows it."""
    whole_ms = _whole_ms(story, sound)
    if story.state == "live":
        whole_ms = -(-whole_ms // LIVE_STEP_MS) * LIVE_STEP_MS
    line = _Line(whole_ms)
    heard = timeline(story)
    callers = _lane(line, "Caller", "caller", sound, heard.caller)
    agents = _lane(line, "Agent", "agent", sound, heard.agent)
    return Lanes(
        "The call as two lanes",
        _summary(story),
        whole_ms,
        sound is not None,
        (callers, agents),
        turns=line.placed(_turn_bands(story, whole_ms)),
        interruptions=line.placed(_interruptions(story, line.mark_ms)),
        unheard=line.placed(_unheard(story)),
        beside=line.placed(_beside(story, line.mark_ms)),
        ticks=line.ticks(),
        zoom=line.zoom,
    )


def _whole_ms(story: CallStory, sound: Sound | None) -> int:
    sounds_ms = 0
    if sound is not None:
        sounds_ms = sound.offset_ms + max(len(sound.caller), len(sound.agent)) // BYTES_PER_MS
    spans = [span.ended_ms for turn in story.turns for span in _spans(turn)]
    return max(story.duration_ms, sounds_ms, *spans, 1)


def _spans(turn: Turn) -> list[Span]:
    return [*turn.spans, *(spoken.span for spoken in turn.agent if spoken.span is not None)]


def _summary(story: CallStory) -> str:
    parts = [counted(len(story.turns), "turn")]
    tools = sum(len(turn.tools) for turn in story.turns)
    parts += [counted(story.interruptions, "interruption")] if story.interruptions else []
    parts += [counted(tools, "tool")] if tools else []
    heard = timeline(story)
    for name, spans in (("caller", heard.caller), ("agent", heard.agent)):
        spoke_ms = sum(span.ended_ms - span.began_ms for span in joined(spans))
        parts.append(f"the {name} spoke for {length(spoke_ms)}")
    return ", ".join(parts) + "."


@dataclass(frozen=True, slots=True)
class _Line:
    """The time line."""

    whole_ms: int

    @property
    def mark_ms(self) -> int:
        return max(round(MARK_SHARE * self.whole_ms / self.zoom), 1)

    @property
    def zoom(self) -> int:
        return next((zoom for zoom in ZOOMS if self.whole_ms <= zoom * ZOOM_MS), ZOOMS[-1])

    @property
    def bars(self) -> int:
        return BARS * self.zoom

    def at(self, ms: float) -> str:
        return f"{100 * min(max(ms / self.whole_ms, 0), 1):.3f}%"

    def placed(self, bands: Iterable[Band]) -> tuple[PlacedBand, ...]:
        return tuple(
            PlacedBand(
                band,
                self.at(band.began_ms),
                self.at(band.ended_ms - band.began_ms),
                self._room(band),
            )
            for band in bands
        )

    def _room(self, band: Band) -> Literal["none", "wide", "any"]:
        share = self.zoom * (band.ended_ms - band.began_ms) / self.whole_ms
        needs_px = _SIGN_PX * (len(band.text) + 1)
        if share * _TELEPHONE_PX >= needs_px:
            return "any"
        return "wide" if share * _SCREEN_PX >= needs_px else "none"

    def ticks(self) -> tuple[tuple[str, str], ...]:
        each_s = next(
            (each for each in _TICKS_S if self.whole_ms / 1000 / each <= TICKS_MAX * self.zoom), _TICKS_S[-1]
        )
        count = int(self.whole_ms / 1000 / each_s)
        return tuple((self.at(n * each_s * 1000), place(n * each_s * 1000)[:-2]) for n in range(count + 1))

    def bars_in(self, spans: Sequence[Span]) -> set[int]:
        each_ms = self.whole_ms / self.bars
        found: set[int] = set()
        for span in spans:
            found.update(range(int(span.began_ms / each_ms), int(span.ended_ms / each_ms) + 1))
        return found


_AS_KNOWN: Final = 0.45
"""How high speech is drawn whose sound is not kept."""

_SEEN: Final = 0.03
"""Softer is drawn as nothing: the codes next to silence."""


def _lane(
    line: _Line,
    name: str,
    side: Literal["caller", "agent"],
    sound: Sound | None,
    spans: Sequence[Span],
) -> Lane:
    spoken = line.bars_in(spans)
    if sound is None:
        heights = [_AS_KNOWN if bar in spoken else 0.0 for bar in range(line.bars)]
    else:
        audio = sound.caller if side == "caller" else sound.agent
        heights = peaks(audio, sound.offset_ms, line.whole_ms, line.bars)
    bars = [(bar, height) for bar, height in enumerate(heights) if height > _SEEN]
    inside = _path((bar, height) for bar, height in bars if bar in spoken)
    beside = _path((bar, height) for bar, height in bars if bar not in spoken)
    return Lane(name, side, inside, beside)


def _path(bars: Iterable[tuple[int, float]]) -> str:
    return "".join(
        f"M{bar}.15 {1 - height:.2f}h.7v{2 * height:.2f}h-.7z"
        for bar, height in ((bar, min(height, 0.98)) for bar, height in bars)
    )


# --- Bands ----------------------------------------------------------------------------------------------


def _turn_bands(story: CallStory, whole_ms: int) -> list[Band]:
    ends = [*(turn.began_ms for turn in story.turns[1:]), story.duration_ms or whole_ms]
    return [
        Band(
            "turn",
            turn.began_ms,
            max(end_ms, turn.began_ms),
            f"Turn {turn.number}, at {place(turn.began_ms)}",
            str(turn.number),
            f"#turn-{turn.number}",
        )
        for turn, end_ms in zip(story.turns, ends, strict=False)
    ]


def _interruptions(story: CallStory, mark_ms: int) -> list[Band]:
    """From the caller's first sound to when the agent was silent."""
    found = []
    for turn in story.turns:
        cuts = (spoken.span.ended_ms for spoken in turn.agent if spoken.was_cut and spoken.span)
        cut_ms = max(cuts, default=0)
        if not (turn.was_interrupted and cut_ms):
            continue
        began_ms = cut_ms - (turn.barge_in_ms or 0)
        words = f", silent after {turn.barge_in_ms} ms" if turn.barge_in_ms is not None else ""
        label = f"The caller interrupted turn {turn.number} at {place(cut_ms)}{words}"
        found.append(Band("interruption", began_ms, max(cut_ms, began_ms + mark_ms), label))
    return found


def _unheard(story: CallStory) -> list[Band]:
    """Behind what was heard, as long as it would have sounded, up to when the agent was heard again."""
    begins = sorted(span.began_ms for turn in story.turns for span in _agent_spans(turn))
    found = []
    for turn in story.turns:
        after_ms = 0
        for spoken in turn.agent:
            after_ms = spoken.span.ended_ms if spoken.span is not None else after_ms
            lost_ms = _lost_ms(spoken)
            if not lost_ms or not after_ms:
                continue
            next_ms = next((began for began in begins if began >= after_ms), after_ms + lost_ms)
            label = f"{length(lost_ms)} of turn {turn.number} were not heard"
            found.append(Band("unheard", after_ms, min(after_ms + lost_ms, next_ms), label))
            after_ms = min(after_ms + lost_ms, next_ms)
    return [band for band in found if band.ended_ms > band.began_ms]


def _agent_spans(turn: Turn) -> list[Span]:
    return [spoken.span for spoken in turn.agent if spoken.span is not None]


def _lost_ms(spoken: Spoken) -> int:
    return max(spoken.sent_ms - spoken.heard_ms, 0) if spoken.was_cut else 0


_STEPS: Final = frozenset({"step_entered", "attempt_failed", "agent_changed"})


def _beside(story: CallStory, mark_ms: int) -> list[Band]:
    found = []
    for turn in story.turns:
        href = f"#turn-{turn.number}"
        for tool in turn.tools:
            took_ms = tool.duration_ms or 0
            ended_ms = tool.began_ms + max(took_ms, mark_ms)
            label = f"Tool {tool.name} at {place(tool.began_ms)}, {took_ms:,} ms: {tool.outcome or 'running'}"
            found.append(Band("tool", tool.began_ms, ended_ms, label, tool.name, href))
        if turn.keys:
            label = f"The caller pressed {turn.keys} in turn {turn.number}"
            found.append(Band("keys", turn.began_ms, turn.began_ms + mark_ms, label, turn.keys, href))
    for happening in story.happenings:
        if happening.kind.startswith("recording"):
            continue  # Of which the lanes are made.
        kind: Kind = "beside"
        if happening.kind in _STEPS:
            kind = "step"
        elif happening.kind.startswith(("transfer", "person")):
            kind = "transfer"
        label = f"{happening.title}, at {place(happening.at_ms)}"
        found.append(Band(kind, happening.at_ms, happening.at_ms + mark_ms, label))
    return sorted(found, key=lambda band: band.began_ms)
