"""Single checks on what was seen, put together by hand: above all, that nothing passes unseen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callbridge.simulators.phone import CallerScript, CallReport, PhoneStream, StreamIdentity
from callbridge.simulators.phone.stream import Interruption, StreamEnd
from callbridge.simulators.voice_model import Item, Journal, Received, ResponseRecord
from callbridge.simulators.voice_model.journal import Passed
from callbridge.testing.certifying import Certificate, Outcome, Severity, Target, TargetError
from callbridge.testing.certifying.certificate import certificate
from callbridge.testing.certifying.check import Check
from callbridge.testing.certifying.places import spoken
from callbridge.testing.certifying.probes import PROBES
from callbridge.testing.certifying.seen import Features, Seen, SeenCall, formats
from callbridge.testing.certifying.table import CHECKS, chosen
from callbridge.testing.certifying.verdicts import Verdict

ZERO = 100.0
MULAW = {"audio": {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}}}}
WORDS = bytes(range(1, 251)) * 32
"""A second of audio, no two milliseconds alike."""


def report(**fields: Any) -> CallReport:
    """A call in which nothing happened, whatever a report has room for."""
    nothing: dict[str, Any] = {"str": "", "int": 0, "int | None": None, "str | None": None, "bool": False}
    kinds = CallReport.__annotations__.items()
    empty: dict[str, Any] = {name: [] if "list" in kind else nothing.get(kind) for name, kind in kinds}
    return CallReport(**empty | fields)


def opened(*, ended_by: str = "caller") -> PhoneStream:
    """A stream of ten seconds, by a caller who says nothing."""
    stream = PhoneStream(StreamIdentity("AC1", "CA1", "MZ1"), CallerScript([]))
    stream.open(ZERO)
    stream.end = StreamEnd(ZERO + 10, 1000, "", ended_by)
    return stream


def journal(*items: Item, **fields: Any) -> Journal:
    """A session that said these items in one response."""
    made = Journal("gpt-realtime-2.1", session=MULAW, **fields)
    for item in items:
        made.conversation.add(item)
        made.delta_times[item.id] = [Passed(ZERO + 1, item.sent_bytes)]
    made.responses.append(ResponseRecord("resp1", ZERO, item_ids=[item.id for item in items]))
    return made


def said(name: str, audio: bytes = WORDS, **fields: Any) -> Item:
    """An item of the model, all of it sent."""
    return Item(name, "message", "assistant", audio=audio, sent_bytes=len(audio), is_spoken=True, **fields)


def call(stream: PhoneStream | None = None, *sessions: Journal, **fields: Any) -> SeenCall:
    """One call."""
    streams = [] if stream is None else [stream]
    return SeenCall(report=fields.pop("report", report()), streams=streams, sessions=sessions, **fields)


def decide(check_id: str, **calls: SeenCall) -> Any:
    """A check's verdict on these calls, by their probes."""
    (check,) = [check for check in CHECKS if check.id == check_id]
    return check.decide(Seen(calls={name.replace("_", "-"): [one] for name, one in calls.items()}))


# --- Nothing passes unseen ----------------------------------------------------------------------------------


def test_no_check_passes_when_nothing_was_seen() -> None:
    """Neither without a call nor with calls that did not come about."""
    silent = {probe: [call()] * 2 for probe in PROBES}
    for seen in (Seen(), Seen(calls=silent)):
        passed = [check.id for check in CHECKS if check.decide(seen).outcome is Outcome.PASSED]
        assert passed == []


def test_no_check_passes_on_a_call_in_which_nobody_said_anything() -> None:
    calls = {probe: [call(opened(ended_by="network"), journal())] * 2 for probe in PROBES}
    passed = {check.id for check in CHECKS if check.decide(Seen(calls=calls)).outcome is Outcome.PASSED}
    # These ask for things that did not happen, and they did not.
    assert passed <= {"session.passthrough", "session.no-refusals", "carrier.clean"}


def test_what_a_bridge_does_not_claim_is_not_applicable() -> None:
    (check,) = chosen(["tools.answered"])
    seen = Seen(not_for={"tool": "the session offers no tools"})
    assert check.decide(seen).outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("outcome", "severity", "verdict", "code"),
    [
        (Outcome.FAILED, Severity.MUST, "failed", 1),
        (Outcome.NOT_SEEN, Severity.MUST, "failed", 1),
        (Outcome.NOT_APPLICABLE, Severity.MUST, "passed", 0),
        (Outcome.FAILED, Severity.SHOULD, "passed", 0),
    ],
)
def test_only_musts_decide_and_one_that_was_not_seen_has_not_passed(
    outcome: Outcome, severity: Severity, verdict: str, code: int
) -> None:
    check = _check(outcome, severity)
    made = _certificate([check])
    assert (made.verdict, made.exit_code) == (verdict, code)
    assert _certificate([check], trouble="nobody is there").exit_code == 2


def test_the_form_of_the_report_stays() -> None:
    """Who reads the JSON relies on these names: add some, and take none away."""
    made = msgspec.json.decode(_certificate([_check(Outcome.PASSED, Severity.MUST)]).to_json())
    assert made["format"] == 1
    assert list(made) == [
        "format", "verdict", "url", "callbridge", "made_at", "lasted_s", "sums", "trouble", "checks",
    ]  # fmt: skip
    assert list(made["checks"][0]) == [
        "id", "severity", "outcome", "asks", "evidence", "numbers", "why", "notices", "remedy", "source",
    ]  # fmt: skip
    assert made["sums"] == {"passed": 1, "failed": 0, "not seen": 0, "not applicable": 0}


# --- Single ones ------------------------------------------------------------------------------------------


def test_a_session_without_settings_is_not_configured() -> None:
    bare = journal(append_times=[Passed(ZERO, 160)])
    assert decide("session.configured", plain=call(opened(), bare)).outcome is Outcome.FAILED
    bare.received.append(Received("session.update", ZERO - 1))
    assert decide("session.configured", plain=call(opened(), bare)).outcome is Outcome.PASSED


def test_audio_that_was_changed_is_no_pass() -> None:
    stream = opened()
    stream.caller_audio += WORDS
    session = journal(appended=bytearray(WORDS[160:] + b"\x00"), appended_bytes=len(WORDS))
    assert decide("audio.up", plain=call(stream, session)).outcome is Outcome.FAILED
    session.appended = bytearray(WORDS)
    assert decide("audio.up", plain=call(stream, session)).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("truncated_at_ms", "outcome"), [(500, Outcome.PASSED), (620, Outcome.FAILED), (None, Outcome.FAILED)]
)
def test_the_error_of_a_cut_is_what_the_model_remembers_against_what_was_heard(
    truncated_at_ms: int | None, outcome: Outcome
) -> None:
    """Half a second was heard of a second, and the rest was cleared."""
    stream = opened()
    stream.playback.add(WORDS, ZERO + 1)
    stream.playback.clear(ZERO + 1.5)
    stream.interruptions.append(Interruption(ZERO + 1.4, ZERO + 1.5, was_cleared=True))
    interrupted = call(stream, journal(said("a", truncated_at_ms=truncated_at_ms)))
    assert decide("truncation.0ms", interrupted=interrupted).outcome is outcome
    assert decide("truncation.60ms", interrupted=interrupted).outcome is Outcome.NOT_SEEN


def test_audio_that_is_converted_is_laid_out_by_time() -> None:
    """No byte is the model's, so what came after the first delta is the response's, item after item."""
    session = journal(said("a"), said("b"))
    session.session = {"audio": {}}
    stream = opened()
    stream.playback.add(b"\x10" * len(WORDS), ZERO + 1.1)
    stream.playback.add(b"\x10" * (len(WORDS) // 2), ZERO + 1.2)
    first, second = spoken(call(stream, session))
    assert (first.item.heard_ms, second.item.heard_ms) == (1000, 500)
    assert formats(session) == ("audio/pcm", "audio/pcm")


def test_a_socket_that_is_closed_at_once_was_refused_and_one_that_is_served_was_not() -> None:
    plain = call(opened(), journal())
    closed = call(opened(ended_by="bridge"))
    served = call(opened(), journal(appends=5))
    for one, outcome in ((closed, Outcome.PASSED), (served, Outcome.FAILED)):
        assert decide("trust.socket-forged", plain=plain, forged_socket=one).outcome is outcome


def test_who_turns_everybody_away_has_checked_nothing() -> None:
    refused = call()
    verdict = decide("trust.socket-forged", plain=call(), forged_socket=refused)
    assert verdict.outcome is Outcome.NOT_SEEN


# --- What is certified --------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/voice", "wss://localhost/media", "ws://[::1]:1/x"])
def test_this_machine_may_be_called(url: str) -> None:
    assert Target(url=url).url == url


def test_another_machine_is_called_only_by_its_owner() -> None:
    with pytest.raises(TargetError, match="--yes-this-is-mine"):
        Target(url="https://example.com/voice")
    assert Target(url="https://example.com/voice", is_mine=True).has_webhook


def test_a_media_socket_is_called_by_a_document_of_our_own() -> None:
    document = Target(url="ws://127.0.0.1:1/x", parameters={"a": 'b"<'}).document
    assert document is not None
    assert '<Parameter name="a" value=\'b"&lt;\'/>' in document


def test_checks_are_chosen_by_id_and_by_group() -> None:
    assert [check.id for check in chosen(["truncation.0ms"])] == ["truncation.0ms"]
    assert {check.id.partition(".")[0] for check in chosen(["trust", "marks"])} == {"trust", "marks"}
    with pytest.raises(TargetError, match="the groups are session"):
        chosen(["nothing"])


def test_the_page_lists_every_check_as_it_is() -> None:
    page = (Path(__file__).parents[3] / "docs" / "certify.md").read_text(encoding="utf-8")
    rows = [f"| `{check.id}` | {check.severity} | {check.asks} |" for check in CHECKS]
    assert "\n".join(rows) in page


def test_every_check_looks_at_calls_that_are_placed() -> None:
    assert {probe for check in CHECKS for probe in check.probes} == PROBES.keys()
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert all(check.source.startswith("https://") for check in CHECKS)


# --- The parts ----------------------------------------------------------------------------------------------


def _check(outcome: Outcome, severity: Severity) -> Check:
    return replace(CHECKS[0], severity=severity, probes=(), judge=lambda _seen: Verdict(outcome, "made up"))


def _certificate(checks: list[Check], trouble: str = "") -> Certificate:
    return certificate(
        checks, Seen(Features()), url="http://x", version="1", made_at="now", lasted_s=1.0, trouble=trouble
    )
