"""Turns: the greeting, interruptions, and what the model believes that the caller has heard. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from callbridge.simulators.phone.silence import AGENT, CALLER
from callbridge.testing.certifying.check import CONVERSATIONS, STREAM_VERB, STREAMS, Check
from callbridge.testing.certifying.places import Spoken, spoken
from callbridge.testing.certifying.probes import DELAYS_MS
from callbridge.testing.certifying.verdicts import (
    Severity,
    UndecidedError,
    Verdict,
    decided,
    not_applicable,
    not_seen,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.simulators.phone import Clear
    from callbridge.testing.certifying.seen import Seen, SeenCall

GREETING_S_MAX = 3.0
ERROR_MS_MAX = 100.0
"""Half a syllable: about what one word more or less in the model's memory needs."""

REACTION_MS_MAX = 100.0
"""From the model's speech_started to the clear, network delay left out."""

SILENT_MS_MAX = 1000.0
"""How long the agent may go on after the caller began: turn detection takes 100 to 300 ms of it."""


# --- The greeting -------------------------------------------------------------------------------------------


def _greets(seen: Seen) -> Verdict:
    call, features = seen.one("plain"), seen.features
    if not features.greeted_by:
        return decided(is_good=False, evidence="the caller heard nothing until they spoke")
    if features.greeted_by != AGENT:
        return decided(
            is_good=True, evidence=f"greeted by {features.greeted_by}, before the stream was opened"
        )
    heard_at = call.heard_from(call.opened_at)
    begun_at = call.opened_at if call.answered_at is None else call.answered_at
    assert heard_at is not None, "a bridge that greets was heard"
    waited_s = heard_at - begun_at
    return decided(
        is_good=waited_s <= GREETING_S_MAX,
        evidence=f"the agent was heard {waited_s * 1000:.0f} ms after the call was answered",
        after_ms=waited_s * 1000,
    )


def _greeting_is_whole(seen: Seen) -> Verdict:
    if not seen.features.greets:
        raise not_applicable("the agent does not speak first")
    first = next(iter(spoken(seen.one("plain"))), None)
    if first is None:
        raise not_seen("the model was never asked to speak")
    evidence = f"{first.item.heard_ms:.0f} of {first.item.sent_ms:.0f} ms of the greeting were heard"
    return decided(
        is_good=first.was_heard_whole,
        evidence=evidence,
        heard_ms=first.item.heard_ms,
        sent_ms=first.item.sent_ms,
    )


# --- Interruptions ------------------------------------------------------------------------------------------


def _interrupted(seen: Seen) -> list[SeenCall]:
    """The calls with interruptions in which the agent was truly interrupted."""
    calls = [call for call in seen.of("interrupted") if call.stream.interruptions]
    if not calls:
        raise not_seen("the caller found nothing to interrupt")
    return calls


def _clears(seen: Seen) -> Verdict:
    made = stopped = 0
    slowest_ms = 0.0
    for call in _interrupted(seen):
        for one in call.stream.interruptions:
            made += 1
            if one.was_cleared and one.agent_silent_at is not None:
                took_ms = (one.agent_silent_at - one.caller_started_at) * 1000 - 2 * call.delay_ms
                slowest_ms = max(slowest_ms, took_ms)
                stopped += took_ms <= SILENT_MS_MAX
    evidence = f"{stopped} of {made} interruptions made the agent fall silent by a clear"
    evidence += f", the slowest {slowest_ms:.0f} ms after the caller began" if slowest_ms else ""
    return decided(is_good=stopped == made, evidence=evidence, interruptions=made, slowest_ms=slowest_ms)


def _reacts(seen: Seen) -> Verdict:
    delays_ms = [late for call in _interrupted(seen) for late in _reactions_ms(call)]
    if not delays_ms:
        raise not_seen("no clear was sent")
    worst = max(delays_ms)
    return decided(
        is_good=worst <= REACTION_MS_MAX,
        evidence=f"{len(delays_ms)} clears, the slowest {worst:.0f} ms after the model's speech_started",
        slowest_ms=worst,
    )


def _reactions_ms(call: SeenCall) -> Iterator[float]:
    began = [speech.at for speech in call.session.speech_started]
    for clear in call.stream.playback.clears:
        left_at = clear.at - call.delay_ms / 1000
        before = [at for at in began if at <= left_at]
        if before:
            yield (left_at - max(before)) * 1000


def _is_quiet_afterwards(seen: Seen) -> Verdict:
    calls = _interrupted(seen)
    clears = sum(len(call.stream.playback.clears) for call in calls)
    if not clears:
        raise not_seen("no clear was sent, so nothing can come after one")
    late_ms = sum(late for call in calls for late in _late_ms(call).values())
    evidence = f"{late_ms:.0f} ms of interrupted answers reached the phone after {clears} clears"
    return decided(is_good=late_ms == 0, evidence=evidence, late_ms=late_ms, clears=clears)


def _late_ms(call: SeenCall) -> dict[str, float]:
    """What came of each item after the first clear in which it was under way."""
    whole_ms = {one.item.item_id: one.item.received_ms for one in spoken(call)}
    late: dict[str, float] = {}
    for clear in call.stream.playback.clears:
        for one in spoken(call, until=clear.at):
            if one.item.received_ms:
                late.setdefault(one.item.item_id, whole_ms[one.item.item_id] - one.item.received_ms)
    return late


# --- What the model remembers -------------------------------------------------------------------------------


def _cut(call: SeenCall) -> list[Spoken]:
    """Items of which the caller heard a part and no more."""
    return [one for one in spoken(call) if one.item.received_ms and not one.was_heard_whole]


def _error_ms(one: Spoken) -> float:
    """How much more the model remembers than was heard; negative for less."""
    if one.item.is_deleted:
        return -one.item.heard_ms
    remembered = one.item.truncated_at_ms
    return (one.item.sent_ms if remembered is None else remembered) - one.item.heard_ms


def _remembers(delay_ms: float, seen: Seen) -> Verdict:
    calls = [call for call in _interrupted(seen) if call.delay_ms == delay_ms]
    return _remembered([one for call in calls for one in _cut(call) if one.place == 0 and one.is_last])


def _remembers_later_items(seen: Seen) -> Verdict:
    return _remembered([one for call in _interrupted(seen) for one in _cut(call) if one.place > 0])


def _remembered(cut: list[Spoken]) -> Verdict:
    if not cut:
        raise not_seen("no such item was interrupted while it was heard")
    errors = [_error_ms(one) for one in cut]
    worst = max(errors, key=abs)
    untouched = sum(not one.was_touched for one in cut)
    evidence = f"{len(cut)} items were cut; the model remembers up to {abs(worst):.0f} ms "
    evidence += f"{'more' if worst > 0 else 'less'} than was heard"
    evidence += f"; {untouched} were not truncated at all" if untouched else ""
    return decided(is_good=abs(worst) <= ERROR_MS_MAX, evidence=evidence, items=len(cut), error_ms=worst)


def _leaves_heard_items(seen: Seen) -> Verdict:
    whole = []
    for _, call in seen.healthy():
        try:
            whole += [one for one in spoken(call) if one.was_heard_whole]
        except UndecidedError:
            continue
    if not whole:
        raise not_seen("no item was heard to its end")
    touched = [one for one in whole if one.was_touched]
    worst_ms = max((one.item.sent_ms - (one.item.truncated_at_ms or 0) for one in touched), default=0.0)
    evidence = f"{len(touched)} of {len(whole)} items that were heard to their end were cut"
    return decided(
        is_good=not touched, evidence=evidence, heard=len(whole), cut=len(touched), lost_ms=worst_ms
    )


def _sends_marks(seen: Seen) -> Verdict:
    call = seen.one("plain")
    marks, got_ms = len(call.stream.playback.marks), call.stream.playback.received_bytes / 8
    if not got_ms:
        raise not_seen("the phone got no audio")
    return decided(
        is_good=marks > 0, evidence=f"{marks} marks with {got_ms / 1000:.1f} s of audio", marks=marks
    )


def _knows_cleared_marks(seen: Seen) -> Verdict:
    """The echo of a mark that a clear sent back must not make the model remember more."""
    errors = [error for call in _interrupted(seen) for error in _errors_after_clears_ms(call)]
    if not errors:
        raise not_applicable("no clear sent marks back: the bridge sends none, or few")
    worst = max(errors)
    evidence = f"{len(errors)} clears sent marks back; after them the model remembers "
    evidence += f"{worst:.0f} ms more than was heard" if worst > 0 else "nothing that was not heard"
    return decided(is_good=worst <= ERROR_MS_MAX, evidence=evidence, clears=len(errors), error_ms=worst)


def _errors_after_clears_ms(call: SeenCall) -> Iterator[float]:
    """Of first items: in later ones a bridge may be wrong for other reasons (`truncation.later-item`)."""
    cut = [one for one in _cut(call) if one.place == 0]
    for clear in call.stream.playback.clears:
        if clear.marks and (one := _at(clear, call, cut)) is not None:
            yield _error_ms(one)


def _at(clear: Clear, call: SeenCall, cut: list[Spoken]) -> Spoken | None:
    """The item that was in play when the clear came."""
    begun = [one.item.item_id for one in spoken(call, until=clear.at) if one.item.heard_ms]
    return next((one for one in cut if begun and one.item.item_id == begun[-1]), None)


# --- Between the turns --------------------------------------------------------------------------------------

WAIT_MS_MAX = 3000


def _answers_soon(seen: Seen) -> Verdict:
    report = seen.one("plain").report
    waits = [
        silence.to_ms - silence.from_ms
        for silence in report.silences
        if silence.after == CALLER and not silence.is_callers_turn and silence.before != "hang-up"
    ]
    longest = max(waits, default=0)
    if not report.was_agent_heard:
        raise not_seen("the agent was never heard")
    evidence = f"the longest silence after the caller's words was {longest / 1000:.1f} s" if longest else ""
    evidence = evidence or "no silence after the caller's words reached 1.5 s"
    return decided(is_good=longest <= WAIT_MS_MAX, evidence=evidence, longest_ms=longest)


def _truncation(delay_ms: float) -> Check:
    return Check(
        id=f"truncation.{delay_ms:.0f}ms",
        severity=Severity.MUST,
        asks=f"with {delay_ms:.0f} ms of telephone network the model remembers what was heard, "
        f"within {ERROR_MS_MAX:.0f} ms",
        why="Audio comes faster than it is played. Only conversation.item.truncate tells the model where the "
        "caller has stopped listening.",
        notices="The agent believes that it has said what the caller never heard, or says it again.",
        remedy="Count what was sent by item, less what the phone had not played at your `clear`.",
        source=CONVERSATIONS,
        probes=("interrupted",),
        judge=partial(_remembers, delay_ms),
    )


CHECKS = (
    Check(
        id="greeting.heard",
        severity=Severity.SHOULD,
        asks=f"the caller is greeted within {GREETING_S_MAX:.0f} s",
        why="A model says nothing by itself: somebody has to ask it for its first response.",
        notices="Silence at the pick-up; people say hello twice and hang up.",
        remedy="Send response.create when the session is ready, or begin the TwiML with a <Say>.",
        source=CONVERSATIONS,
        probes=("plain",),
        judge=_greets,
    ),
    Check(
        id="greeting.whole",
        severity=Severity.MUST,
        asks="the greeting is heard to its end when nobody interrupts",
        why="Nothing has been said yet that could cut it.",
        notices="The first sentence breaks off.",
        remedy="Let no event of the line clear the greeting.",
        source=CONVERSATIONS,
        probes=("plain",),
        judge=_greeting_is_whole,
    ),
    Check(
        id="barge-in.clear",
        severity=Severity.MUST,
        asks="the agent falls silent when the caller interrupts",
        why="Twilio holds up to ten minutes of audio: only `clear` stops it, also after response.done.",
        notices="The agent talks on over the caller.",
        remedy="Send `clear` with each speech_started while the phone has audio left, response or not.",
        source=STREAMS,
        probes=("interrupted",),
        judge=_clears,
    ),
    Check(
        id="barge-in.speed",
        severity=Severity.SHOULD,
        asks=f"the clear is sent within {REACTION_MS_MAX:.0f} ms of speech_started",
        why="What is played meanwhile the caller has to talk against.",
        notices="The agent is slow to stop.",
        remedy="Clear first, and do everything else after it.",
        source=STREAMS,
        probes=("interrupted",),
        judge=_reacts,
    ),
    Check(
        id="barge-in.late-audio",
        severity=Severity.MUST,
        asks="nothing of an interrupted answer is played after the clear",
        why="Deltas of a cancelled response come for a while: some were on their way.",
        notices="A piece of the old answer is heard into the caller's words.",
        remedy="Remember which items were cut, and drop their deltas.",
        source=CONVERSATIONS,
        probes=("interrupted",),
        judge=_is_quiet_afterwards,
    ),
    *(_truncation(delay_ms) for delay_ms in DELAYS_MS),
    Check(
        id="truncation.later-item",
        severity=Severity.MUST,
        asks="an interruption in the second item of a response is placed in that item",
        why="Truncation counts from the beginning of an item, not of the response, nor of its arrival.",
        notices="After an interruption the agent remembers words that nobody heard.",
        remedy="Start the count of an item where its audio begins to play, behind the item before it.",
        source=CONVERSATIONS,
        probes=("interrupted",),
        judge=_remembers_later_items,
    ),
    Check(
        id="truncation.heard-whole",
        severity=Severity.MUST,
        asks="an item that was heard to its end is not truncated",
        why="Truncation takes an item's transcript from the model's memory.",
        notices="The agent forgets what it has said, and says it again.",
        remedy="Send nothing when all marks have come back before the caller spoke.",
        source=CONVERSATIONS,
        probes=("plain",),
        judge=_leaves_heard_items,
    ),
    Check(
        id="marks.sent",
        severity=Severity.SHOULD,
        asks="marks follow the agent's audio",
        why="The echo of a mark is the only word of Twilio on what was played.",
        notices="What was heard is a guess; a goodbye may be cut off by the hang-up.",
        remedy="Send a mark after every few hundred milliseconds, and at the end of each item.",
        source=STREAMS,
        probes=("plain",),
        judge=_sends_marks,
    ),
    Check(
        id="marks.after-clear",
        severity=Severity.MUST,
        asks="marks that a clear sends back are not taken for play-out",
        why="After a clear all pending marks come back at once, as though they had been played.",
        notices="The model believes that the caller has heard all of an answer that they have interrupted.",
        remedy="Number your clears, put the number into the marks' names, and ignore older ones.",
        source=STREAMS,
        probes=("interrupted",),
        judge=_knows_cleared_marks,
    ),
    Check(
        id="silence.after-words",
        severity=Severity.SHOULD,
        asks=f"no silence after the caller's words is longer than {WAIT_MS_MAX / 1000:.0f} s",
        why="The model answers within 0.2 s here: the rest is of the bridge and turn detection.",
        notices="Callers ask whether somebody is there.",
        remedy="Let the server create responses, or ask for one at once; look for failed responses.",
        source=STREAM_VERB,
        probes=("plain",),
        judge=_answers_soon,
    ),
)
