"""The session with the model: how it is set up, and what the model refuses. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.testing.certifying.check import CONVERSATIONS, ERRORS, Check
from callbridge.testing.certifying.places import converts
from callbridge.testing.certifying.seen import formats
from callbridge.testing.certifying.verdicts import Severity, Verdict, decided, not_seen

if TYPE_CHECKING:
    from callbridge.simulators.voice_model import Refusal
    from callbridge.testing.certifying.seen import Seen

CANCEL = "response.cancel"


def _is_configured(seen: Seen) -> Verdict:
    session = seen.one("plain").session
    updates = [event.at for event in session.received if event.type == "session.update"]
    if not session.append_times:
        raise not_seen("none of the caller's audio reached the model")
    first_audio_at = session.append_times[0].at
    evidence = "no session.update was accepted"
    if updates and session.session:
        before = "before" if updates[0] <= first_audio_at else "after"
        evidence = f"session.update came {before} the first of the caller's audio"
    return decided(
        is_good=bool(updates and session.session) and updates[0] <= first_audio_at, evidence=evidence
    )


def _waits_for_confirmation(seen: Seen) -> Verdict:
    session = seen.one("unconfirmed").session
    if not any(event.type == "session.update" for event in session.received):
        raise not_seen("no session.update was sent")
    return decided(
        is_good=session.appends == 0,
        evidence=f"{session.appends} frames of the caller were sent to a session that had confirmed nothing",
        appends=session.appends,
    )


def _passes_audio_on(seen: Seen) -> Verdict:
    session = seen.one("plain").session
    heard, said = formats(session)
    return decided(is_good=not converts(session), evidence=f"the session has {heard} in and {said} out")


def _refusals(seen: Seen) -> list[Refusal]:
    return [refusal for _, call in seen.healthy() for one in call.sessions for refusal in one.refusals]


def _is_never_refused(seen: Seen) -> Verdict:
    _ = seen.one("plain").session
    refused = [one for one in _refusals(seen) if one.event_type != CANCEL]
    kinds = dict.fromkeys(f"{one.event_type or 'an event'}: {one.message}" for one in refused)
    return decided(
        is_good=not refused,
        evidence="; ".join(list(kinds)[:3]) or "the model refused nothing in ordinary calls",
        refusals=len(refused),
    )


def _cancels_what_runs(seen: Seen) -> Verdict:
    if not any(call.stream.interruptions for call in seen.of("interrupted")):
        raise not_seen("the caller found nothing to interrupt")
    refused = [one for one in _refusals(seen) if one.event_type == CANCEL]
    sent = sum(
        event.type == CANCEL for _, call in seen.healthy() for one in call.sessions for event in one.received
    )
    evidence = (
        f"{len(refused)} of {sent} were refused" if sent else "it sends none: the server cancels by itself"
    )
    return decided(is_good=not refused, evidence=evidence, cancels=sent, refused=len(refused))


def _carrier_is_content(seen: Seen) -> Verdict:
    _ = seen.one("plain").stream
    warnings = {
        warning.code: f"{warning.code} {warning.meaning}: {warning.detail}"
        for _, call in seen.healthy()
        for warning in call.report.warnings
    }
    return decided(
        is_good=not warnings,
        evidence="; ".join(warnings.values()) or "Twilio would have logged no warning",
        codes=len(warnings),
    )


CHECKS = (
    Check(
        id="session.configured",
        severity=Severity.MUST,
        asks="the session is configured before the caller's audio is sent",
        why="A session begins as 16-bit PCM at 24 kHz: µ-law that comes before its settings is noise to it.",
        notices="The agent hears noise, or answers what nobody said.",
        remedy="Send session.update with both formats first, and hold the caller's audio until then.",
        source=CONVERSATIONS,
        probes=("plain",),
        judge=_is_configured,
    ),
    Check(
        id="session.confirmed",
        severity=Severity.SHOULD,
        asks="the caller's audio waits for session.updated",
        why="Settings may be refused. Only session.updated says that the audio will be understood.",
        notices="When one setting is refused the whole call is noise, and no log says why.",
        remedy="Hold the caller's audio until session.updated shows the formats.",
        source=CONVERSATIONS,
        probes=("unconfirmed",),
        judge=_waits_for_confirmation,
    ),
    Check(
        id="session.passthrough",
        severity=Severity.SHOULD,
        asks="the model speaks and hears µ-law, as the telephone does",
        why="audio/pcmu goes from one socket to the other untouched; a conversion adds delay, work and loss.",
        notices="Each call costs more processor time, and audio is later by the length of the filters.",
        remedy="Configure audio/pcmu for input and output, and pass the base64 on.",
        source=CONVERSATIONS,
        probes=("plain",),
        judge=_passes_audio_on,
    ),
    Check(
        id="session.no-refusals",
        severity=Severity.SHOULD,
        asks="the model refuses nothing in ordinary calls",
        why="Each refusal is a command that had no effect, as a cut beyond what was said.",
        notices="Errors in the log; a truncation that was refused leaves words in memory that nobody heard.",
        remedy="Look at what was refused in the evidence.",
        source=CONVERSATIONS,
        probes=("plain", "interrupted"),
        judge=_is_never_refused,
    ),
    Check(
        id="session.cancel",
        severity=Severity.SHOULD,
        asks="response.cancel is sent only while a response is active",
        why="With interrupt_response the server has cancelled it already, and answers "
        "response_cancel_not_active.",
        notices="An error in the log with every interruption.",
        remedy="Leave it to the server, or send it only between response.created and response.done.",
        source=CONVERSATIONS,
        probes=("interrupted",),
        judge=_cancels_what_runs,
    ),
    Check(
        id="carrier.clean",
        severity=Severity.MUST,
        asks="Twilio has nothing to warn about in ordinary calls",
        why="A message with a wrong or extra field is ignored (31951), a broken frame ends all (31924).",
        notices="Audio or marks are missing; warnings stand in Twilio's debugger.",
        remedy="Look up the codes in the evidence.",
        source=ERRORS,
        probes=("plain",),
        judge=_carrier_is_content,
    ),
)
