"""What holds of every call in virtual time, whatever went wrong in it. Each promise answers its complaints.

The truth is taken from the simulators: what the phone played, what the sessions got. Where the service's word
is taken instead, it says so.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from callbridge.bridge.relay import KEPT_FRAMES_MAX
from callbridge.call.facts import (
    AgentReady,
    EndReason,
    Interrupted,
    ModelTrouble,
    Noted,
    SessionReplaced,
)
from callbridge.records.telling import StoredFact, tell
from callbridge.simulators.phone.carrier_codes import Level
from callbridge.simulators.truth import AudioChangedError, HeardItem, heard_call
from callbridge.switchboard.continuation import Continuation
from callbridge.wire.realtime_commands import FunctionCall, Message
from random_calls import WORDS_MS
from simulation.waiting import EXCUSES, TAIL_MS, given, long_waits
from worlds import BEGINS_AT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from callbridge.simulators.voice_model import Item
    from streams import Stream
    from worlds import World

HEARD_ENOUGH = 0.8
"""Of a greeting."""

GREETED_WITHIN_S = 6.0
"""A call that lasts so long after its latest session stood has had time for a greeting."""

FRAME_MS = 20

HARMLESS_REFUSALS = frozenset(
    {
        # Ours crossed the end of the response, or its end by the caller's first word.
        "response_cancel_not_active",
        # Ours crossed the one that the server makes by itself when the caller stops.
        "conversation_already_has_active_response",
    }
)

BREAKS = frozenset({31903, 31921})
"""What Twilio says of a stream that broke off, or that we closed because it cannot be served."""


def complaints(world: World) -> list[str]:
    """Everything that a call did not keep, in words."""
    return [f"{promise.__name__}: {text}" for promise in PROMISES for text in promise(world)]


# --- P1: it ends as planned -----------------------------------------------------------------------------

SPOKEN_ENDS = frozenset(
    {
        EndReason.AGENT_HANGUP,
        EndReason.LIMIT_DURATION,
        EndReason.LIMIT_COST,
        EndReason.LIMIT_SPEND_TOTAL,
        EndReason.LIMIT_RESPONSES,
        EndReason.OPERATOR_HANGUP,
    }
)


def ends_as_planned(world: World) -> Iterator[str]:
    """The caller hangs up, the agent says goodbye, a limit is spoken, or the fallback takes over."""
    end, last = world.phone.end, world.streams[-1]
    if end is None or world.outcome is None:
        yield "Twilio was never told what follows"
    elif world.outcome is Continuation.HANG_UP and end.by_whom != "caller":
        reason = last.ended[-1][1].reason if last.ended else None
        if reason not in SPOKEN_ENDS:
            yield f"hung up upon the caller after {reason}"
    elif world.outcome is Continuation.RESUME:
        yield "a stream that was to follow never came"


def ends_once(world: World) -> Iterator[str]:
    """Each stream has one last record; one that was killed has none."""
    for stream in world.streams:
        if len(stream.ended) != (not stream.is_killed):
            yield f"stream {stream.number} has {len(stream.ended)} last records"
    if any(not wire.session.is_over for wire in world.wires if wire.session.journal.session_id):
        yield "a session of the model is left open"


def twilio_minds_nothing(world: World) -> Iterator[str]:
    """No message of ours that Twilio would warn about."""
    for stream in world.streams:
        for complaint in stream.phone.complaints:
            if complaint.level is not Level.NOTICE and complaint.code not in BREAKS:
                yield f"{complaint}"


# --- P2: no dead air ------------------------------------------------------------------------------------


def no_dead_air(world: World) -> Iterator[str]:
    """No 4 s without a sound while the caller waits, as they live it (`waiting`)."""
    for wait in long_waits(world):
        if not any(is_excused(world, wait) for is_excused in EXCUSES.values()):
            yield str(wait)


def greeting_was_heard(world: World) -> Iterator[str]:
    """At least 80 % of the greeting, in every call that lasted long enough after a session stood.

    On its first stream: a caller whose stream broke off is begged their pardon instead.
    """
    stream = world.streams[0]
    stood_at = [at for at, fact in stream.facts if isinstance(fact, AgentReady | SessionReplaced)]
    assert stream.phone.end is not None, "the call has ended"
    # A call that has to end says goodbye instead.
    ended_at = min(stream.phone.end.at, BEGINS_AT_S + world.limits.call_length_max_s)
    lasted_s = ended_at - stood_at[-1] if stood_at else 0.0
    told = world.plan.greeting_options
    assert told is not None, "these agents greet"
    greetings = [answer for answer in given(world) if answer.record.instructions == told.instructions]
    # A model that was asked for it and does not say a word has its time, as for any answer.
    begun_at = [answer.record.first_audio_at or math.inf for answer in greetings] or [math.inf]
    is_begun = bool(stood_at) and max(begun_at) < stood_at[-1] + GREETED_WITHIN_S
    within_s = GREETED_WITHIN_S + (0 if is_begun else world.limits.answer_timeout_s)
    # An answer that runs away fills the caller's ear for 20 s, and the greeting stands behind it.
    if any(isinstance(fact, Noted) and fact.event == "answer_ran_away" for _, fact in stream.facts):
        return
    heard_best = max((answer.share_heard for answer in greetings), default=0.0)
    if lasted_s >= within_s and heard_best < HEARD_ENOUGH:
        yield f"{heard_best:.0%} of it in {lasted_s:.2f} s, begun {len(greetings)} times"


# --- P6: what was cut stays cut -------------------------------------------------------------------------


def audio_is_unchanged(world: World) -> Iterator[str]:
    """What the phone got is what the sessions made, in order, and clips."""
    try:
        heard(world)
    except AudioChangedError as error:
        yield str(error)


def nothing_stale(world: World) -> Iterator[str]:
    """After a clear no item goes on that was in play before it."""
    every = [item for item in _items(world) if item.is_spoken]
    # An answer that was given twice cannot be told apart by its audio.
    begins = Counter(item.audio[:24] for item in every)
    items = [item for item in every if begins[item.audio[:24]] == 1]
    for stream in world.streams:
        playback = stream.phone.playback
        if not playback.clears:
            continue
        cleared_at = [clear.at for clear in playback.clears]
        epochs: dict[str, int] = {}
        for payload in playback.payloads:
            item_id = next((item.id for item in items if payload.audio[:24] in item.audio), None)
            if item_id is None or len(payload.audio) < 24:
                continue
            # What comes at the very moment of a clear came after it only if its first byte was not cut.
            epoch = sum(at <= payload.received_at for at in cleared_at)
            if epochs.setdefault(item_id, epoch) != epoch and payload.heard_bytes(world.now):
                yield f"{item_id} was heard again after a clear, {payload.received_at - BEGINS_AT_S:.3f}"


def cuts_are_true(world: World) -> Iterator[str]:
    """A truncation lies within what was sent, and on a steady network where the caller stopped hearing."""
    given = world.conditions
    is_steady = not given.phone_jitter_ms and not any(m.kind == "late_marks" for m in given.mishaps)
    # What is under way when Twilio's socket is lost is never heard, and nobody is told when it was lost.
    lost_ms = 2 * (given.phone_delay_ms + given.phone_jitter_ms) + given.webhook_s * 1000
    late = _late_cuts(world)
    for item in heard(world):
        if item.truncated_at_ms is None:
            continue
        near_ms = lost_ms if item.item_id in late else 0
        if item.truncated_at_ms > item.received_ms + near_ms + 1:
            yield f"cut at {item.truncated_at_ms} ms, where only {item.received_ms} ms were sent: {item}"
        elif item.truncated_at_ms >= item.received_ms - 1:
            pass  # Everything that was sent was left to be heard: an answer that ran away.
        elif is_steady and abs(item.truncated_at_ms - item.heard_ms) > TAIL_MS + near_ms:
            yield f"cut at {item.truncated_at_ms} ms, heard {item.heard_ms} ms: {item}"


def _late_cuts(world: World) -> set[str]:
    """The items whose cut could not reach the phone before the caller heard no more."""
    delay_s = (world.conditions.phone_delay_ms + world.conditions.phone_jitter_ms) / 1000
    return {
        item_id
        for stream in world.streams
        for at, fact in stream.facts
        if isinstance(fact, Interrupted)
        and stream.phone.end is not None
        and at + delay_s >= stream.phone.end.at
        for item_id, _ in fact.truncated
    }


def heard(world: World) -> list[HeardItem]:
    """What became of all spoken items of all sessions."""
    playbacks = [(stream.phone.playback, world.now) for stream in world.streams]
    return heard_call(playbacks, _items(world), world.clips).items


def _items(world: World) -> Iterable[Item]:
    return (item for wire in world.wires for item in wire.session.journal.items.values())


def refusals_are_races(world: World) -> Iterator[str]:
    """The model refuses nothing of ours but what it did by itself in the same moment."""
    for wire in world.wires:
        for refusal in wire.session.journal.refusals:
            if refusal.code not in HARMLESS_REFUSALS:
                yield f"session {wire.number}: {refusal}"


# --- What is remembered ---------------------------------------------------------------------------------


def memory_was_heard(world: World) -> Iterator[str]:
    """A later session is told no word that the caller did not hear, or is told so afterwards.

    Words are retold while their audio still plays: those that an interruption then takes away are named in
    the correction that follows. Words are counted off in proportion to the audio, while the model's text runs
    ahead of it: so one word more than was heard may be told.
    """
    heard_ms = _heard_words_ms(world)
    assert world.phone.end is not None, "the call has ended"
    for wire in world.wires:
        corrections = [at for at, command in wire.told if "only this was heard" in _text(command.item)]
        for at, command in wire.told:
            if not isinstance(command.item, Message) or command.item.role != "assistant":
                continue
            for speech, word in re.findall(r"s(\d+)-(\d+)", _text(command.item)):
                until_ms = heard_ms.get(speech, 0)
                is_heard = until_ms >= (int(word) - 1) * WORDS_MS - TAIL_MS
                # Whoever hangs up while it plays is nobody whom the session could go on with.
                # Nor is a session that a killed process has taken along.
                is_over = any(
                    (stream.phone.opened_at or 0) <= at <= stream.phone.end.at
                    and stream.phone.end.unheard_bytes
                    for stream in world.streams
                    if stream.phone.end and (stream.is_killed or stream is world.streams[-1])
                )
                if not is_heard and not is_over and not any(later > at for later in corrections):
                    yield f"session {wire.number} was told s{speech}-{word}, heard until {until_ms} ms"


def _text(item: object) -> str:
    return " ".join(part.text for part in item.content) if isinstance(item, Message) else ""


def _heard_words_ms(world: World) -> dict[str, float]:
    """How much was heard of each numbered speech, the best of its tellings."""
    numbers = {
        item.audio[:24]: match[1]
        for answer in (*world.script.answers, world.script.default)
        for item in answer.speeches
        if (match := re.match(r"s(\d+)-", item.text))
    }
    spoken = [item for item in _items(world) if item.is_spoken]
    best: dict[str, float] = {}
    for item, found in zip(spoken, heard(world), strict=True):
        number = numbers.get(item.audio[:24], "")
        best[number] = max(best.get(number, 0), found.heard_ms)
    return best


def tools_run_once(world: World) -> Iterator[str]:
    """No tool call is carried out twice, and what was answered is not asked for again."""
    calls = [call_id for _, call_id in world.tools_run]
    if len(calls) != len(set(calls)):
        yield f"run twice: {calls}"
    for wire in world.wires:
        told = [command.item.call_id for _, command in wire.told if isinstance(command.item, FunctionCall)]
        if len(told) != len(set(told)):
            yield f"session {wire.number} was told of a tool twice: {told}"


# --- The caller's audio ---------------------------------------------------------------------------------


def caller_is_heard(world: World) -> Iterator[str]:
    """The model gets what the caller says, in order; lost is only what the bounds allow.

    The frames that reached the service in their order are those that went up, those that were dropped because
    a session took too long (counted in the last record), and those still held at the end. A session that
    takes the place of a lost one also gets what that one may not have heard: then frames go up twice.
    """
    for stream in world.streams:
        yield from _frames_lost(stream)


def _payload(text: str | bytes) -> str:
    """The base64 of a message with audio."""
    line = text if isinstance(text, str) else text.decode()
    found = line.partition('"payload":"')[2] or line.partition('"audio":"')[2]
    return found.partition('"')[0]


def _frames_lost(stream: Stream) -> Iterator[str]:
    received = [_payload(text) for text in stream.received]
    reached = again = 0
    for number, frames in stream.sent_up.items():
        sent = [_payload(frame) for frame in frames]
        if (begin := _place(sent, received, reached)) is None:
            yield f"stream {stream.number}: what session {number} got was not said in this order"
            return
        again += max(reached - begin, 0)
        reached = begin + len(sent)
    if not stream.ended:
        return
    ended = stream.ended[0][1]
    held = len(received) + again - ended.frames_to_model - ended.frames_dropped
    # What a lost session had got, and the next one was to get again, may have been dropped meanwhile.
    twice = KEPT_FRAMES_MAX if _may_drop(stream) else 0
    if not -twice <= held <= stream.world.limits.held_audio_ms_max / FRAME_MS:
        yield f"stream {stream.number}: {held} frames are neither sent, dropped nor held"
    if ended.frames_dropped and not _may_drop(stream):
        yield f"stream {stream.number}: {ended.frames_dropped} frames dropped although sessions came in time"


def _place(sent: list[str], received: list[str], reached: int) -> int | None:
    """Where in what was received a session's frames begin: at the next one, later, or some that go again."""
    later = range(reached, len(received) - len(sent) + 1)
    earlier = range(reached - 1, max(reached - KEPT_FRAMES_MAX, 0) - 1, -1)
    return next((at for at in (*later, *earlier) if received[at : at + len(sent)] == sent), None)


def _may_drop(stream: Stream) -> bool:
    """Whether a session took so long that the oldest audio was given up, or there was none any more."""
    bound_ms = stream.world.limits.held_again_ms_max
    replaced = [fact for _, fact in stream.facts if isinstance(fact, SessionReplaced)]
    has_lost = any(isinstance(fact, ModelTrouble) for _, fact in stream.facts)
    return any(fact.after_ms > bound_ms for fact in replaced) or has_lost


# --- What is told of it -----------------------------------------------------------------------------------


def story_is_true(world: World) -> Iterator[str]:
    """Its story has what the caller heard of each item, and its waits sum up."""
    rows = [
        StoredFact(fact.source, fact.number, at, fact)
        for stream in world.streams
        for at, fact in stream.facts
    ]
    story = tell("CA1", rows)
    for turn in story.turns:
        wait = turn.latency
        if wait is not None and sum(part.ms for part in wait.parts) != wait.whole_ms:
            yield f"turn {turn.number}: {wait}"
    told = {said.item_id: said for turn in story.turns for said in turn.agent}
    given = world.conditions
    is_steady = not given.phone_jitter_ms and not given.mishaps
    # An answer that was given twice cannot be told apart by its audio.
    begins = Counter(item.audio[:24] for item in _items(world) if item.is_spoken)
    # Nobody knows of an item whose beginning the model did not tell.
    are_announced = all(oddity.event != "response.output_item.added" for oddity in world.script.oddities)
    alike = {item.id for item in _items(world) if begins[item.audio[:24]] > 1}
    for item in heard(world):
        said = told.get(item.item_id)
        if item.item_id in alike:
            continue
        if said is None:
            if item.heard_ms and are_announced and not any(stream.is_killed for stream in world.streams):
                yield f"{item.item_id} was heard for {item.heard_ms} ms, and is not told"
        # Of a turn that had to be recorded while it was still heard nothing was measured: `sent_ms` is 0.
        elif (
            is_steady
            and said.sent_ms
            and abs(said.heard_ms - item.heard_ms) > TAIL_MS + 2 * given.phone_delay_ms
        ):
            yield f"{item.item_id} was heard for {item.heard_ms} ms; told are {said.heard_ms}"


PROMISES: tuple[Callable[[World], Iterator[str]], ...] = (
    ends_as_planned,
    ends_once,
    twilio_minds_nothing,
    no_dead_air,
    greeting_was_heard,
    audio_is_unchanged,
    nothing_stale,
    cuts_are_true,
    refusals_are_races,
    memory_was_heard,
    tools_run_once,
    caller_is_heard,
    story_is_true,
)
