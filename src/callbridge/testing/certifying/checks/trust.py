"""Who may call: requests and sockets that Twilio has not signed. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from callbridge.testing.certifying.check import SECURITY, STREAM_VERB, Check
from callbridge.testing.certifying.verdicts import Severity, Verdict, decided, not_applicable

if TYPE_CHECKING:
    from callbridge.testing.certifying.seen import Seen, SeenCall

MODEL_COST = "Whoever knows the address has the agent talk, at the operator's expense, as often as they like."

REMEDY = "Check X-Twilio-Signature with the account's auth token, over the exact public URL, and answer 403."


def _is_webhook_refused(probe: str, seen: Seen) -> Verdict:
    """Whether nothing came of it. Only worth something beside a signed call that was answered."""
    _, call = _answered(seen), seen.one(probe)
    opened = sum(stream.opened_at is not None for stream in call.streams)
    evidence = "turned away"
    if opened or call.sessions:
        evidence = f"it got {opened} media streams and {len(call.sessions)} sessions of the model"
    return decided(
        is_good=not opened and not call.sessions,
        evidence=evidence,
        streams=opened,
        model_sessions=len(call.sessions),
    )


def _is_socket_refused(probe: str, seen: Seen) -> Verdict:
    """So here. A session that the signed webhook has dialled ahead is none that the socket got."""
    _, call = _answered(seen), seen.one(probe)
    opened = [stream for stream in call.streams if stream.opened_at is not None]
    appends = sum(session.appends for session in call.sessions)
    is_left_alone = all(
        stream.end is not None and stream.end.by_whom == "bridge" and not stream.playback.payloads
        for stream in opened
    )
    evidence = "turned away" if not opened else "opened, and closed at once"
    if not is_left_alone or appends:
        evidence = f"it was served: {appends} of its frames reached the model"
    return decided(
        is_good=is_left_alone and not appends, evidence=evidence, streams=len(opened), appends=appends
    )


def _answered(seen: Seen) -> SeenCall:
    """The signed call; who turns away everybody has checked nothing."""
    call = seen.one("plain")
    _ = call.stream, call.session
    return call


def _parameters(seen: Seen) -> Verdict:
    call = seen.one("altered-parameters")
    if not any(stream.identity.parameters for stream in _answered(seen).streams):
        raise not_applicable("the stream has no parameters that could be checked")
    heard_ms = sum(stream.heard_ms for stream in call.report.streams)
    ended_by = [stream.ended_by for stream in call.report.streams]
    return decided(
        is_good=heard_ms == 0 and "bridge" in ended_by,
        evidence=f"the agent was heard for {heard_ms} ms, the stream was ended by {', '.join(ended_by)}",
        heard_ms=heard_ms,
    )


def _check(id_: str, asks: str, probe: str, why: str) -> Check:
    return Check(
        id=id_,
        severity=Severity.MUST,
        asks=asks,
        why=why,
        notices=MODEL_COST,
        remedy=REMEDY,
        source=SECURITY,
        probes=("plain", probe),
        judge=partial(_is_socket_refused if probe.endswith("socket") else _is_webhook_refused, probe),
    )


CHECKS = (
    _check(
        "trust.webhook-unsigned",
        "a webhook without a signature is refused",
        "unsigned-webhook",
        "Twilio signs every request; what is not signed is not Twilio.",
    ),
    _check(
        "trust.webhook-forged",
        "a webhook with a wrong signature is refused",
        "forged-webhook",
        "A signature that nobody compares is no signature.",
    ),
    _check(
        "trust.socket-unsigned",
        "a media socket without a signature is refused",
        "unsigned-socket",
        "The upgrade of a media stream is signed as well. A checked webhook does not help: the socket's "
        "address can be called without it.",
    ),
    _check(
        "trust.socket-forged",
        "a media socket with a wrong signature is refused",
        "forged-socket",
        "A signature that nobody compares is no signature.",
    ),
    Check(
        id="trust.parameters-altered",
        severity=Severity.INFO,
        asks="a stream whose parameters were altered is turned away",
        why="A one-time token in a <Parameter> binds a stream to the call that was announced.",
        notices="Somebody who has captured one signed upgrade can open it again.",
        remedy="Put a one-time token into a <Parameter>, and compare it in `start`.",
        source=STREAM_VERB,
        probes=("plain", "altered-parameters"),
        judge=_parameters,
    ),
)
