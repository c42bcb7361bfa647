"""Ends and extras: who hangs up, tools, keys, and two calls at once. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from callbridge.testing.certifying.check import CALLING, COSTS, STREAM_VERB, STREAMS, Check
from callbridge.testing.certifying.places import converts, kept_from, passed_on, spoken
from callbridge.testing.certifying.probes import IMAGINED_TOOL, KEYS
from callbridge.testing.certifying.verdicts import Severity, Verdict, decided, not_applicable, not_seen

if TYPE_CHECKING:
    from callbridge.simulators.voice_model import Journal
    from callbridge.testing.certifying.seen import Seen, SeenCall

CLOSED_S_MAX = 3.0
VANISHED_S_MAX = 15.0
"""A bridge may keep the session for a while, for a caller whose next stream comes."""
AGENT_ENDS_S_MAX = 4.0
KEYS_S_MAX = 4.0


def closed_at(session: Journal) -> float | None:
    """When the bridge ended the session; None where it left it to the model."""
    if not session.ended.startswith("client"):
        return None
    return next((note.at for note in session.notes if note.kind == "ended"), None)


def _closes(call: SeenCall, bound_s: float) -> Verdict:
    closed = closed_at(call.session)
    if closed is None:
        return decided(is_good=False, evidence="the session was still open when we stopped waiting")
    took_s = max(0.0, closed - call.ended_at)
    return decided(
        is_good=took_s <= bound_s,
        evidence=f"the session was closed {took_s * 1000:.0f} ms after the caller was gone",
        after_ms=took_s * 1000,
    )


def _hangs_up(seen: Seen) -> Verdict:
    call = seen.one("plain")
    if call.stream.end is not None and call.stream.end.by_whom != "caller":
        raise not_seen(
            f"the stream was ended by the {call.stream.end.by_whom} before the caller could hang up"
        )
    return _closes(call, CLOSED_S_MAX)


def _notices_a_cut(seen: Seen) -> Verdict:
    return _closes(seen.one("vanished"), VANISHED_S_MAX)


def _ends(seen: Seen) -> Verdict:
    call = seen.one("farewell")
    end = call.stream.end
    if not any(item.type == "function_call" for item in call.session.items.values()):
        raise not_seen("the model was never asked for its goodbye")
    said = spoken(call)
    if not said or end is None:
        raise not_seen("the goodbye was never said")
    goodbye = said[-1]
    is_over = end.by_whom in {"bridge", "carrier"}
    last_heard = call.last_heard(end.at) or end.at
    waited_s = end.at - last_heard
    evidence = f"{goodbye.item.heard_ms:.0f} of {goodbye.item.sent_ms:.0f} ms of the goodbye were heard; "
    evidence += f"the call ended {waited_s:.1f} s later" if is_over else "the call was never ended"
    return decided(
        is_good=is_over and goodbye.was_heard_whole and waited_s <= AGENT_ENDS_S_MAX,
        evidence=evidence,
        heard_ms=goodbye.item.heard_ms,
        sent_ms=goodbye.item.sent_ms,
        after_ms=waited_s * 1000,
    )


# --- Tools --------------------------------------------------------------------------------------------------


def _answers_imagined(seen: Seen) -> Verdict:
    return _answered(seen.one("imagined-tool"), IMAGINED_TOOL)


def _answers_tool(seen: Seen) -> Verdict:
    calls = [item for item in seen.one("tool").session.items.values() if item.type == "function_call"]
    if not calls:
        raise not_seen("the tool that was named is not offered, or no answer was asked for")
    return _answered(seen.one("tool"), str(calls[0].fields["name"]))


def _answered(call: SeenCall, name: str) -> Verdict:
    items = call.session.items.values()
    asked = [item for item in items if item.type == "function_call" and item.fields.get("name") == name]
    if not asked:
        raise not_seen("the model was never asked for the answer in which it calls")
    outputs = {item.fields["call_id"]: item for item in items if item.type == "function_call_output"}
    output = outputs.get(asked[0].fields["call_id"])
    said = [one for one in spoken(call) if one.item.heard_ms]
    order = [item.id for item in items]
    went_on = any(order.index(one.item.item_id) > order.index(asked[0].id) for one in said)
    evidence = (
        "the call got no output" if output is None else f"the call got {_short(output.fields['output'])}"
    )
    evidence += "; the agent went on" if went_on else "; the agent was not heard again"
    return decided(is_good=output is not None and went_on, evidence=evidence)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _tells_keys(seen: Seen) -> Verdict:
    call = seen.one("plain")
    if not call.stream.keys:
        raise not_seen("the call was over before keys were pressed")
    pressed_at = call.stream.keys[0][0]
    told = [
        event.type
        for event in call.session.received
        if pressed_at <= event.at <= pressed_at + KEYS_S_MAX and event.type == "conversation.item.create"
    ]
    has_digits = any(KEYS[0] in json.dumps(item.content) for item in call.session.items.values() if item.role)
    evidence = (
        "the model was told of the keys" if told and has_digits else "the model was told nothing of them"
    )
    return decided(is_good=bool(told) and has_digits, evidence=evidence)


# --- Two at once --------------------------------------------------------------------------------------------


def _keeps_apart(seen: Seen) -> Verdict:
    first, second = seen.of("two-at-once")
    if converts(first.session):
        raise not_applicable("the bridge converts audio, so it cannot be said whose it was")
    is_up = kept_from(first) is not None and kept_from(second) is not None
    is_down = passed_on(first) is not None and passed_on(second) is not None
    heard = [bool(call.stream.playback.payloads) for call in (first, second)]
    if not all(heard):
        raise not_seen("one of the two was never answered")
    evidence = "each heard their own agent, and was heard by it"
    if not is_up:
        evidence = "a session got audio that is not its caller's alone"
    elif not is_down:
        evidence = "a caller heard audio that is not their session's"
    return decided(is_good=is_up and is_down, evidence=evidence)


CHECKS = (
    Check(
        id="ends.caller-hangs-up",
        severity=Severity.MUST,
        asks=f"the session ends within {CLOSED_S_MAX:.0f} s of the caller's hang-up",
        why="A session that nobody hears goes on hearing and talking, and costs money.",
        notices="The bill counts minutes in which nobody was there; sessions run out.",
        remedy="Close the model's socket on `stop`, and when the media socket closes.",
        source=COSTS,
        probes=("plain",),
        judge=_hangs_up,
    ),
    Check(
        id="ends.caller-vanishes",
        severity=Severity.MUST,
        asks=f"the session ends within {VANISHED_S_MAX:.0f} s of a socket that breaks without a word",
        why="`stop` is not guaranteed: networks and processes die without saying so.",
        notices="As when a hang-up is not noticed.",
        remedy="Clean up when the socket is gone, whatever came before.",
        source=COSTS,
        probes=("vanished",),
        judge=_notices_a_cut,
    ),
    Check(
        id="ends.agent-hangs-up",
        severity=Severity.SHOULD,
        asks="the agent's goodbye is heard to its end, and then the call ends",
        why="Closing the stream throws away what Twilio has not played; the echo of a last mark says when.",
        notices="The goodbye is cut off, or the line stays open in silence.",
        remedy="Send a mark behind the goodbye, and close when it comes back.",
        source=STREAMS,
        probes=("farewell",),
        judge=_ends,
    ),
    Check(
        id="tools.answered",
        severity=Severity.SHOULD,
        asks="a tool that the model calls is answered, and the agent goes on",
        why="The model waits for function_call_output, and then for a response.create.",
        notices="The agent says that it will look something up, and is never heard again.",
        remedy="Send the output under its call_id, and response.create behind it.",
        source=CALLING,
        probes=("tool",),
        judge=_answers_tool,
    ),
    Check(
        id="tools.imagined",
        severity=Severity.SHOULD,
        asks="a tool that does not exist is answered too",
        why="Models call what they were never offered.",
        notices="The call falls silent or breaks off.",
        remedy="Answer unknown names with an output that says so, and ask for a response.",
        source=CALLING,
        probes=("imagined-tool",),
        judge=_answers_imagined,
    ),
    Check(
        id="keys.told",
        severity=Severity.SHOULD,
        asks="keys that the caller presses reach the agent",
        why="`dtmf` messages come beside the audio; the model hears nothing of them.",
        notices="Nothing happens when a caller types a number.",
        remedy="Create an item with the digits, and ask for a response when they are complete.",
        source=STREAMS,
        probes=("plain",),
        judge=_tells_keys,
    ),
    Check(
        id="calls.apart",
        severity=Severity.MUST,
        asks="two calls at once do not mix",
        why="What is kept in a module and not by call belongs to whoever calls next.",
        notices="Callers hear each other's agent.",
        remedy="Keep everything by stream; nothing of a call in globals.",
        source=STREAM_VERB,
        probes=("two-at-once",),
        judge=_keeps_apart,
    ),
)
