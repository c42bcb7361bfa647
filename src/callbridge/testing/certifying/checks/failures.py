"""When the model is slow, odd, silent, lost or not to be had: what the caller gets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.testing.certifying.check import CONVERSATIONS, STREAM_VERB, Check
from callbridge.testing.certifying.places import spoken
from callbridge.testing.certifying.verdicts import Severity, Verdict, decided, not_seen

if TYPE_CHECKING:
    from callbridge.testing.certifying.seen import Seen, SeenCall

DEAD_AIR_S_MAX = 7.0
"""How long a caller may hear nothing when the model has failed, until somebody speaks or the call ends."""

THE_END, SILENCE = "the end of the call", "silence until they hung up"

AFTER_THE_STREAM = (
    "Say",
    "Play",
    "Dial",
    "Gather",
    "Record",
    "Redirect",
    "Connect/Stream",
    "Enqueue",
    "Refer",
)
"""Verbs that give a caller something, other than `<Hangup>` and `<Pause>`."""


def _dead_air(call: SeenCall, since: float) -> tuple[float, float | None]:
    """How many seconds nothing was heard after this moment, and when something was heard again, if ever."""
    quiet_from = min(call.quiet_from(since), call.ended_at)
    heard_at = call.heard_from(quiet_from)
    until = call.ended_at if heard_at is None else min(heard_at, max(call.ended_at, quiet_from))
    return max(0.0, until - quiet_from), heard_at


def _then(call: SeenCall, heard_at: float | None) -> str:
    """What the caller got afterwards, in words."""
    parts = [] if heard_at is None else ["something more of the bridge in the stream"]
    connects = [place for place, verb in enumerate(call.report.verbs) if verb.verb == "Connect/Stream"]
    later = [verb.verb for verb in call.report.verbs[connects[0] + 1 :]] if connects else []
    parts += [f"<{verb}>" for verb in later if verb in AFTER_THE_STREAM]
    if parts:
        return ", ".join(parts)
    return THE_END if _is_left(call) else SILENCE


def _is_left(call: SeenCall) -> bool:
    return call.stream.end is not None and call.stream.end.by_whom != "caller"


def _is_no_dead_air(call: SeenCall, since: float) -> Verdict:
    silent_s, heard_at = _dead_air(call, since)
    evidence = f"the caller heard nothing for {silent_s:.1f} s; then they got {_then(call, heard_at)}"
    return decided(is_good=silent_s <= DEAD_AIR_S_MAX, evidence=evidence, dead_air_ms=silent_s * 1000)


def _lost_at(call: SeenCall) -> float:
    lost = next((note.at for note in call.session.notes if note.kind == "ended"), None)
    if lost is None or not any(note.kind == "fault" for note in call.session.notes):
        raise not_seen("no answer was asked for in which the model could be lost")
    return lost


def _survives_loss(seen: Seen) -> Verdict:
    call = seen.one("lost")
    return _is_no_dead_air(call, _lost_at(call))


def _goes_on(seen: Seen) -> Verdict:
    call = seen.one("lost")
    _, heard_at = _dead_air(call, _lost_at(call))
    got = _then(call, heard_at)
    has_more = got not in {THE_END, SILENCE}
    evidence = f"after the loss the caller got {got}; sessions of the model: {len(call.sessions)}"
    return decided(is_good=has_more, evidence=evidence, sessions=len(call.sessions))


def _survives_refusal(seen: Seen) -> Verdict:
    _ = seen.one("plain").session
    call = seen.one("refused")
    if not any(stream.opened_at is not None for stream in call.streams):
        verbs = [f"<{verb.verb}>" for verb in call.report.verbs]
        return decided(is_good=bool(verbs), evidence=f"instead of a stream the caller got {', '.join(verbs)}")
    return _is_no_dead_air(call, call.opened_at)


def _survives_silence(seen: Seen) -> Verdict:
    call = seen.one("silent")
    asked = call.session.speech_stopped
    if not asked or not call.session.responses:
        raise not_seen("no answer was asked for")
    return _is_no_dead_air(call, asked[0].at)


def _survives_slowness(seen: Seen) -> Verdict:
    call = seen.one("early")
    _ = seen.one("plain").session
    if not call.sessions:
        return decided(is_good=False, evidence="the bridge gave the session up before it was open")
    heard_at = call.heard_from(call.session.opened_at)
    if heard_at is None:
        return decided(is_good=False, evidence="the session was opened, and the agent was never heard")
    waited_ms = (heard_at - call.opened_at) * 1000
    return decided(
        is_good=True, evidence=f"the agent was heard after {waited_ms:.0f} ms", heard_after_ms=waited_ms
    )


def _bears_tomorrow(seen: Seen) -> Verdict:
    call = seen.one("odd")
    items = [one for one in spoken(call) if one.item.heard_ms]
    if not call.session.responses:
        raise not_seen("no answer was asked for")
    answer = max(items, key=lambda one: one.item.sent_ms, default=None)
    is_heard = answer is not None and answer.item.heard_ms > 1000
    evidence = "the answer behind an unknown event was " + ("heard" if is_heard else "not heard")
    return decided(is_good=is_heard, evidence=evidence)


def _bears_garbage(seen: Seen) -> Verdict:
    call = seen.one("odd")
    broken = [note for note in call.session.notes if note.kind == "fault" and note.text == "garbage"]
    if not broken:
        raise not_seen("the caller's second question was never answered, so nothing broken was sent")
    heard_at = call.heard_from(broken[0].at + 0.05)
    evidence = "the answer behind a message that is no JSON was " + ("heard" if heard_at else "not heard")
    return decided(is_good=heard_at is not None, evidence=evidence)


CHECKS = (
    Check(
        id="model.slow",
        severity=Severity.MUST,
        asks="a session that takes 1.5 s to open is waited for",
        why="Handshakes take that long on a bad day.",
        notices="The call ends before it has begun, or the agent never speaks.",
        remedy="Accept the media socket at once, dial beside it, and give the handshake some seconds.",
        source=CONVERSATIONS,
        probes=("plain", "early"),
        judge=_survives_slowness,
    ),
    Check(
        id="model.odd",
        severity=Severity.MUST,
        asks="events and fields that are not known yet do no harm",
        why="Both vendors add events and fields without notice.",
        notices="One day all calls end with an error.",
        remedy="Ignore types and fields that you do not know.",
        source=CONVERSATIONS,
        probes=("odd",),
        judge=_bears_tomorrow,
    ),
    Check(
        id="model.garbage",
        severity=Severity.SHOULD,
        asks="one message that cannot be read does not end the call",
        why="One lost event costs little; a call costs a caller.",
        notices="The agent is never heard again.",
        remedy="Catch what parsing raises, count it, and read on.",
        source=CONVERSATIONS,
        probes=("odd",),
        judge=_bears_garbage,
    ),
    Check(
        id="model.silent",
        severity=Severity.SHOULD,
        asks=f"an answer that never comes leaves the caller alone for {DEAD_AIR_S_MAX:.0f} s at most",
        why="Responses fail and hang without an error.",
        notices="Silence, until the caller hangs up.",
        remedy="Start a timer with each turn; ask again, say something, or hand the call over.",
        source=CONVERSATIONS,
        probes=("silent",),
        judge=_survives_silence,
    ),
    Check(
        id="model.lost",
        severity=Severity.MUST,
        asks=f"a session lost in mid-word leaves the caller alone for {DEAD_AIR_S_MAX:.0f} s at most",
        why="A media socket that stays open and silent is dead air: Twilio ends it by no timeout.",
        notices="Silence on an open line, which both vendors charge for.",
        remedy="Dial again and go on, or close the stream and let the document's next verb speak.",
        source=STREAM_VERB,
        probes=("lost",),
        judge=_survives_loss,
    ),
    Check(
        id="model.lost-goes-on",
        severity=Severity.INFO,
        asks="after a lost session the caller gets somebody",
        why="A caller who was in the middle of something would like to go on.",
        notices="The call just ends.",
        remedy="Open another session and tell it what was said, or put a <Say> or <Dial> behind <Connect>.",
        source=STREAM_VERB,
        probes=("lost",),
        judge=_goes_on,
    ),
    Check(
        id="model.refused",
        severity=Severity.MUST,
        asks=f"a model that is not to be had leaves the caller alone for {DEAD_AIR_S_MAX:.0f} s at most",
        why="Keys expire, quotas run out, services have outages.",
        notices="Silence on an open line.",
        remedy="Close the stream when the model cannot be had, and let the document's next verb speak.",
        source=STREAM_VERB,
        probes=("plain", "refused"),
        judge=_survives_refusal,
    ),
)
