"""Audio on its way: whether all of it arrives as it was, and how fast. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from callbridge.testing.certifying.check import CONVERSATIONS, STREAMS, Check
from callbridge.testing.certifying.places import (
    appended_ms,
    converts,
    delays_down_ms,
    delays_up_ms,
    kept_from,
    passed_on,
    spoken,
)
from callbridge.testing.certifying.verdicts import Severity, Verdict, decided, not_applicable, not_seen
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.testing.certifying.seen import Seen

LATENCY_MS_MAX = 40.0
"""Two frames, at p95: less is not heard, and a busy machine that plays both ends is not more exact."""

CONVERTED_SHARE = 0.05
"""By how much the length of converted audio may differ: a filter holds a little back at its ends."""

EARLY_LOST_MS_MAX = 100.0
"""Five frames: no word begins in them."""

TAIL_MS = 500.0
"""Of the caller's last audio, which may be on its way when the call ends."""


def _up(seen: Seen) -> Verdict:
    call = seen.one("plain")
    said_ms = len(call.stream.caller_audio) / BYTES_PER_MS
    if converts(call.session):
        return _length(appended_ms(call.session), said_ms)
    begin = kept_from(call)
    got_ms = appended_ms(call.session)
    is_whole = begin is not None and begin / BYTES_PER_MS + got_ms >= said_ms - TAIL_MS
    evidence = (
        "what the model got is not what the caller said, byte for byte"
        if begin is None
        else f"{got_ms:.0f} of {said_ms:.0f} ms reached the model unchanged and in order"
    )
    return decided(is_good=is_whole, evidence=evidence, said_ms=said_ms, reached_ms=got_ms)


def _length(got_ms: float, wanted_ms: float) -> Verdict:
    """Of converted audio nothing but its length can be compared: right is no pass, wrong is a failure."""
    if abs(got_ms - wanted_ms) <= CONVERTED_SHARE * wanted_ms + TAIL_MS:
        raise not_applicable(
            f"the bridge converts audio: no byte can be compared; {got_ms:.0f} of {wanted_ms:.0f} ms arrived"
        )
    evidence = f"{got_ms:.0f} ms of {wanted_ms:.0f} ms arrived"
    return decided(is_good=False, evidence=evidence, wanted_ms=wanted_ms, reached_ms=got_ms)


def _down(seen: Seen) -> Verdict:
    call = seen.one("plain")
    sent_ms = sum(item.sent_bytes for item in call.session.items.values() if item.is_spoken) / BYTES_PER_MS
    got_ms = call.stream.playback.received_bytes / BYTES_PER_MS
    if not sent_ms:
        raise not_seen("the model was never asked to speak")
    if converts(call.session):
        return _length(got_ms, sent_ms)
    items = passed_on(call)
    is_whole = bool(items) and all(one.item.received_ms == one.item.sent_ms for one in items or ())
    evidence = f"{got_ms:.0f} of {sent_ms:.0f} ms reached the phone"
    evidence += ", and not as the model sent it" if items is None else ""
    return decided(is_good=is_whole, evidence=evidence, sent_ms=sent_ms, reached_ms=got_ms)


def _early(seen: Seen) -> Verdict:
    call = seen.one("early")
    said_ms = len(call.stream.caller_audio) / BYTES_PER_MS
    if converts(call.session):
        lost_ms = max(0.0, said_ms - appended_ms(call.session) - TAIL_MS)
    else:
        begin = kept_from(call)
        if begin is None:
            return decided(is_good=False, evidence="what the model got has gaps, or is in another order")
        lost_ms = begin / BYTES_PER_MS
    evidence = f"the first {lost_ms:.0f} ms of the caller's audio never reached the model"
    return decided(is_good=lost_ms <= EARLY_LOST_MS_MAX, evidence=evidence, lost_ms=lost_ms)


def _large(seen: Seen) -> Verdict:
    call = seen.one("odd")
    items = spoken(call)
    largest = max(items, key=lambda one: one.item.sent_ms, default=None)
    if largest is None:
        raise not_seen("the model was never asked to speak")
    got_ms, sent_ms = largest.item.received_ms, largest.item.sent_ms
    return decided(
        is_good=got_ms >= sent_ms * (1 - CONVERTED_SHARE),
        evidence=f"{got_ms:.0f} of {sent_ms:.0f} ms in deltas of up to 8 s reached the phone",
        sent_ms=sent_ms,
        reached_ms=got_ms,
    )


def _several(seen: Seen) -> Verdict:
    items = spoken(seen.one("plain"))
    second = [one for one in items if one.place > 0]
    if not second:
        raise not_seen("no response with two items was asked for")
    is_whole = all(one.was_heard_whole for one in items)
    heard = sum(one.was_heard_whole for one in items)
    return decided(is_good=is_whole, evidence=f"{heard} of {len(items)} items were heard to their end")


def _quick_up(seen: Seen) -> Verdict:
    call = seen.one("plain")
    if converts(call.session):
        raise not_applicable("the bridge converts audio, so no frame can be followed")
    begin = kept_from(call)
    if begin is None:
        raise not_seen("the caller's audio was changed, so no frame can be followed")
    return _quick(delays_up_ms(call, begin), "frames of the caller")


def _quick_down(seen: Seen) -> Verdict:
    return _quick(delays_down_ms(seen.one("plain")), "answers, from the model's first audio to the phone's")


def _quick(delays_ms: Sequence[float], what: str) -> Verdict:
    if len(delays_ms) < 2:
        raise not_seen("too few to measure")
    p50, p95 = (statistics.quantiles(delays_ms, n=100, method="inclusive")[place] for place in (49, 94))
    evidence = f"{len(delays_ms)} {what}: p50 {p50:.1f} ms, p95 {p95:.1f} ms"
    return decided(
        is_good=p95 <= LATENCY_MS_MAX, evidence=evidence, p50_ms=p50, p95_ms=p95, max_ms=max(delays_ms)
    )


CHECKS = (
    Check(
        id="audio.up",
        severity=Severity.MUST,
        asks="the caller's audio reaches the model whole and unchanged",
        why="Frames come every 20 ms, silence too. A lost or doubled one is a click, and moves turns.",
        notices="The agent misunderstands, or answers too early.",
        remedy="Append each payload once, in its order, as it came.",
        source=STREAMS,
        probes=("plain",),
        judge=_up,
    ),
    Check(
        id="audio.early",
        severity=Severity.MUST,
        asks="what the caller says before the session is ready is kept",
        why="A session takes a second to open; the caller says hello meanwhile.",
        notices="The caller's first words are not heard, and they say them again.",
        remedy="Keep frames from `start` on in a bounded buffer, and send them when the session is ready.",
        source=STREAMS,
        probes=("early",),
        judge=_early,
    ),
    Check(
        id="audio.down",
        severity=Severity.MUST,
        asks="the agent's audio reaches the phone whole and unchanged",
        why="Deltas have any length; Twilio queues payloads of any length and plays them in order.",
        notices="Words are missing, doubled or noisy.",
        remedy="Pass each delta on in its order, without cutting it to frames.",
        source=STREAMS,
        probes=("plain",),
        judge=_down,
    ),
    Check(
        id="audio.large",
        severity=Severity.MUST,
        asks="a delta of eight seconds arrives whole",
        why="How much audio is in one delta is nowhere promised; a limit of 64 KiB is soon reached.",
        notices="The call breaks off in a long answer.",
        remedy="Allow messages of some megabytes on the model's socket.",
        source=CONVERSATIONS,
        probes=("odd",),
        judge=_large,
    ),
    Check(
        id="audio.several-items",
        severity=Severity.MUST,
        asks="all items of a response are heard",
        why="Models say something before a tool or in two parts: a response has several items.",
        notices="The agent stops after its first sentence.",
        remedy="Key what you keep by item, not by response.",
        source=CONVERSATIONS,
        probes=("plain",),
        judge=_several,
    ),
    Check(
        id="latency.up",
        severity=Severity.SHOULD,
        asks=f"a frame of the caller is passed on within {LATENCY_MS_MAX:.0f} ms",
        why="All that the bridge adds is added to every answer.",
        notices="The agent is slow to answer and to stop.",
        remedy="Send in the callback that reads; look for queues, conversions and blocking calls.",
        source=STREAMS,
        probes=("plain",),
        judge=_quick_up,
    ),
    Check(
        id="latency.down",
        severity=Severity.SHOULD,
        asks=f"an answer begins at the phone within {LATENCY_MS_MAX:.0f} ms of the model's first audio",
        why="All that the bridge adds is added to every answer.",
        notices="The agent is slow to answer.",
        remedy="Pass deltas on at once: Twilio plays them at their pace.",
        source=STREAMS,
        probes=("plain",),
        judge=_quick_down,
    ),
)
