"""Whether the caller waits, told by their ear: what they have heard and said, not what the model reports.

The answers are those of all sessions, each with what was heard of it; the sounds of all streams, clips
included, lie on one line of time. It is the caller's own turn once they have heard an answer to its end that
began after their last word and announced no more. Whatever else is silent is a wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from callbridge.call.facts import Noted, TurnEnded
from callbridge.simulators.phone.silence import CALLER, silences
from callbridge.simulators.truth import heard_call
from worlds import BEGINS_AT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from callbridge.simulators.truth import HeardItem
    from callbridge.simulators.voice_model import Item
    from callbridge.simulators.voice_model.journal import ResponseRecord
    from streams import Wire
    from worlds import World

SILENCE_MAX_S: Final = 4.0

TAIL_MS: Final = 60
"""An item with no more than this left counts as heard (`Limits.heard_tail_ms`)."""

WORD_GAP_S: Final = 0.45
"""A pause this short lies between two words of one utterance: turn detection waits for 0.5 s."""


ENDLESS_MS: Final = 3000
"""No speech of these scripts is longer, but for those without an end."""


@dataclass(frozen=True, slots=True)
class Said:
    """Something that the caller said or pressed."""

    start: float
    end: float
    due_at: float
    """From then on an answer is due: after keys when their timeout is over."""
    loud_s: float = 0.0
    """How long it sounded, the gaps between its words left out."""
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """A response of the model, and what the caller heard of it."""

    wire: Wire
    record: ResponseRecord
    spoken: tuple[tuple[Item, HeardItem], ...]
    has_called: bool
    """It has called a tool, and so announced more. Not the end of the call."""

    @property
    def heard_until(self) -> float:
        """When the caller heard the last of it; never when they heard nothing."""
        return max((heard.heard_until for _, heard in self.spoken), default=-math.inf)

    @property
    def heard_from(self) -> float:
        """When they began to hear it."""
        return min((heard.heard_from for _, heard in self.spoken), default=math.inf)

    @property
    def share_heard(self) -> float:
        """How much was heard of what it was to say. What has no end is heard when some seconds of it are."""
        # One that is incomplete is asked to go on, with the rest.
        is_complete = self.record.status != "incomplete"
        made = (len(item.audio) if is_complete else item.sent_bytes for item, _ in self.spoken)
        wanted_ms = sum(min(size / 8, ENDLESS_MS) for size in made)
        return sum(heard.heard_ms for _, heard in self.spoken) / wanted_ms if wanted_ms else 0.0

    @property
    def is_whole(self) -> bool:
        """Whether they heard all that it was to say."""
        return all(len(item.audio) / 8 - heard.heard_ms <= TAIL_MS for item, heard in self.spoken)


@dataclass(frozen=True, slots=True)
class Wait:
    """A silence in which it was not the caller's turn."""

    start: float
    end: float
    said: tuple[Said, ...]
    """What of the caller's has no answer, oldest first."""
    latest: Given | None
    """The answer that they heard last."""

    def __str__(self) -> str:
        owed = f"{len(self.said)} things said" if self.said else "more was to come"
        return f"{self.end - self.start:.2f} s from {self.start - BEGINS_AT_S:.3f} on, {owed}"


def long_waits(world: World, at_least_s: float = SILENCE_MAX_S) -> Iterator[Wait]:
    """Every wait of the caller that is too long, for whatever reason.

    Where a stream breaks off, and where one begins, the count begins anew: how long that takes is Twilio's.
    The same goes for a gap in which no media came: nobody could know that the caller has stopped speaking.
    """
    sounds = [sound for stream in world.streams for sound in stream.phone.sounds.all]
    end = world.phone.end
    ended_at = world.now if end is None else end.at
    said, answers = _said(world), given(world)
    cuts = sorted((*world.breaks_at, *_opened(world), *_gaps(world)))
    for silence in silences(sounds, BEGINS_AT_S, ended_at):
        if silence.duration_s < at_least_s:
            continue
        edges = [silence.start, *(at for at in cuts if silence.start < at < silence.end), silence.end]
        for start, until in pairwise(edges):
            wait = _wait(start, until, said, answers)
            if wait is not None and wait.end - wait.start >= at_least_s:
                yield wait


def given(world: World) -> list[Given]:
    """All responses of all sessions, with what was heard of each."""
    items = [item for wire in world.wires for item in wire.session.journal.items.values()]
    playbacks = [(stream.phone.playback, world.now) for stream in world.streams]
    found = {each.item_id: each for each in heard_call(playbacks, items, world.clips).items}
    return [
        Given(
            wire,
            record,
            tuple(
                (item, found[item_id])
                for item_id in record.item_ids
                if (item := wire.session.journal.items.get(item_id)) is not None and item.is_spoken
            ),
            has_called=any(
                item.type == "function_call" and item.fields["name"] != "end_call"
                for item_id in record.item_ids
                if (item := wire.session.journal.items.get(item_id)) is not None
            ),
        )
        for wire in world.wires
        for record in wire.session.journal.responses
    ]


def _said(world: World) -> list[Said]:
    """What the caller said and pressed, in order."""
    sounds = sorted(
        (sound for stream in world.streams for sound in stream.phone.sounds.all if sound.source == CALLER),
        key=lambda sound: sound.start,
    )
    said: list[Said] = []
    for sound in sounds:
        if said and sound.start - said[-1].end < WORD_GAP_S:
            loud_s = said[-1].loud_s + sound.end - sound.start
            said[-1] = Said(said[-1].start, sound.end, sound.end, loud_s)
        else:
            said.append(Said(sound.start, sound.end, sound.end, sound.end - sound.start))
    return sorted([*said, *_pressed(world)], key=lambda each: each.end)


def _pressed(world: World) -> list[Said]:
    """The keys; those that follow one another are one message, and `#` ends it. Alone it is none."""
    keys: list[Said] = []
    is_ended = True
    for at, digit in (key for stream in world.streams for key in stream.phone.keys):
        begins = is_ended or at > keys[-1].due_at
        if begins and digit == "#":
            continue
        if begins:
            keys.append(Said(at, at, at, is_key=True))
        is_ended = digit == "#"
        due_at = at if is_ended else at + world.limits.keys_timeout_s
        keys[-1] = Said(keys[-1].start, at, due_at, is_key=True)
    return keys


def _wait(start: float, end: float, said: list[Said], answers: list[Given]) -> Wait | None:
    """From when on the caller waits in a silence; None when they do not."""
    heard = [each for each in answers if each.heard_from < start]
    latest = max(heard, key=lambda each: each.heard_until, default=None)
    begun = [each for each in said if each.start < end]
    answered_at = -math.inf if latest is None else latest.record.created_at
    owed = tuple(each for each in begun if each.end > answered_at)
    if latest is not None and latest.is_whole and not latest.has_called and not owed:
        return None
    # Who goes on pressing keys is told when they have finished.
    since = max([start, *(each.due_at for each in owed if each.is_key)])
    return Wait(since, end, owed, latest)


def _gaps(world: World) -> list[float]:
    """Every moment of the gaps in the caller's media, a second apart."""
    gaps = [mishap for mishap in world.conditions.mishaps if mishap.kind == "gap"]
    return [BEGINS_AT_S + gap.at_s + step for gap in gaps for step in range(math.ceil(gap.seconds) + 2)]


def _opened(world: World) -> list[float]:
    return [stream.phone.opened_at for stream in world.streams[1:] if stream.phone.opened_at is not None]


# --- What nobody could know -----------------------------------------------------------------------------


LOUD_S: Final = 2.4
"""A voice that is alone on the line is noticed after 1.5 s of loudness, gaps between words left out."""

ASK_AGAIN_S: Final = 30.0
"""A line that is loud is asked about once in so long (`Limits.loud_again_after_s`)."""


def _was_too_short(world: World, wait: Wait) -> bool:
    """The words went to a model that told of none, and the voice was not alone on the line for long."""
    # Of what was said before and after an answer began, the rest is what is not answered.
    since = -math.inf if wait.latest is None else wait.latest.record.created_at
    rests = [replace(each, start=max(each.start, since)) for each in wait.said]
    return bool(rests) and all(
        not _was_told(world, each) and _alone_s(world, each) < LOUD_S for each in rests
    )


def _was_cough(world: World, wait: Wait) -> bool:
    """What they said was as short as a cough, and nobody has written down a word of it."""
    known = [
        at
        for stream in world.streams
        for at, fact in stream.facts
        if isinstance(fact, TurnEnded) and fact.caller and at < wait.end
    ]
    cough_s = world.limits.cough_ms / 1000
    return bool(wait.said) and all(
        not each.is_key and each.loud_s < cough_s and not any(at > each.end for at in known)
        for each in wait.said
    )


def _was_asked_about(world: World, wait: Wait) -> bool:
    """The model was asked what it makes of the line a moment before, and has answered or heard nothing."""
    asked = [
        at
        for stream in world.streams
        for at, fact in stream.facts
        if isinstance(fact, Noted) and fact.event == "model_asked" and "loud" in str(fact.fields)
    ]
    is_unheard = bool(wait.said) and not any(_was_told(world, each) for each in wait.said)
    return is_unheard and any(wait.end - ASK_AGAIN_S < at < wait.end for at in asked)


def _is_taken_for_speech(world: World, wait: Wait) -> bool:
    """The model says that the caller speaks, and has not said that they stopped. They did not."""
    told = max((at for at in _speech_told_at(world) if at < wait.end), default=-math.inf)
    is_noise = all(not each.start <= told <= each.end + TOLD_WITHIN_S for each in _said(world))
    return is_noise and not any(told < each.record.created_at < wait.end for each in given(world))


def _was_told(world: World, said: Said) -> bool:
    return said.is_key or any(said.start < at < said.end + TOLD_WITHIN_S for at in _speech_told_at(world))


def _speech_told_at(world: World) -> list[float]:
    """When the service was told that the caller speaks; the service's word."""
    return [
        at
        for stream in world.streams
        for at, fact in stream.facts
        if isinstance(fact, Noted) and fact.event == "speech_started"
    ]


def _alone_s(world: World, said: Said) -> float:
    """How long nothing else was to be heard meanwhile."""
    others = [
        sound
        for stream in world.streams
        for sound in stream.phone.sounds.all
        if sound.source != CALLER and sound.start < said.end and sound.end > said.start
    ]
    return (
        said.end
        - said.start
        - sum(min(other.end, said.end) - max(other.start, said.start) for other in others)
    )


TOLD_WITHIN_S: Final = 0.6
"""A word that was heard is told of within so long, network included."""

EXCUSES: Final[Mapping[str, Callable[[World, Wait], bool]]] = {
    "a word to a deaf or dead model: on the line it is no different from a door": _was_too_short,
    "a sound as short as a cough: who is silent about it, or fails, owes nobody a word": _was_cough,
    "a loud line that the model does not hear: it may be a street, and is asked about once": _was_asked_about,
    "noise that the model takes for speech: a voice as soft as it would look the same": _is_taken_for_speech,
}
"""The waits that cannot be shorter, because nobody could know of them."""
