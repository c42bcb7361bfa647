"""Judges what Twilio has told: the account, its numbers, its clock, and what it thinks of us.

Pure: nobody is asked here. An error means that no call could be taken.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callbridge.server.config.findings import Finding, Level, error, ok, warning
from callbridge.telephony.alert_codes import PLANNED_CLOSE, alert_code
from callbridge.telephony.debugger_events import text_of_alert
from callbridge.telephony.pointing import is_within, overridden_by
from callbridge.telephony.rest.fault import FaultKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from callbridge.server.config.settings import Settings
    from callbridge.telephony.rest.fault import RestFault
    from callbridge.telephony.rest.records import AccountFacts, Alert, OwnedNumber

SKEW_S_MAX: Final = 5.0
"""Tokens of streams live for a minute or so, and logs are laid side by side with Twilio's."""

CODES_SHOWN_MAX: Final = 8
NUMBERS_SHOWN_MAX: Final = 5

_CONSOLE: Final = "https://console.twilio.com"


def account(facts: AccountFacts) -> Iterator[Finding]:
    """Whether calls of this account can be answered at all."""
    if facts.status != "active":
        yield error(f"the account is {facts.status}: it takes no calls", f"See {_CONSOLE}.")
    if facts.is_trial:
        yield error(
            "this is a trial account: Twilio takes <Stream> out of every answer, and the caller hears "
            '"not available on trial accounts" in place of the agent',
            f"Upgrade it at {_CONSOLE}. Simulated calls work without an account.",
        )
    elif facts.status == "active":
        yield ok("the account is a full one, and active")


def of_fault(fault: RestFault, asked_for: str, settings: Settings) -> Finding:
    """What it means that Twilio does not tell."""
    code = f" ({fault.code})" if fault.code else ""
    if fault.kind is not FaultKind.AUTH:
        return warning(f"Twilio does not tell {asked_for}{code}", fault.message)
    if key := settings.rest_credentials.key_sid:
        # Calls need no key: what is signed is signed with the auth token.
        return warning(
            f"the API key {key} may not read {asked_for}{code}",
            "Calls are answered without it. For all that is checked here use a Main key or the auth token.",
        )
    return error(
        f"Twilio refuses TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN{code}",
        f"Copy both from {_CONSOLE}, of one account and region: signatures depend on the token, too.",
    )


# --- Numbers ------------------------------------------------------------------------------------------


def numbers(found: Sequence[OwnedNumber], settings: Settings, *, sends_texts: bool) -> Iterator[Finding]:
    """Whether a number leads here, and what of it is not as it should be."""
    region = settings.rest_credentials.region or "us1"
    here = pointing_here(found, settings)
    if not found:
        yield warning(
            f"the account has no number in region {region}",
            "callbridge number buy; or set TWILIO_REGION: what is in another region is not seen (20404).",
        )
    elif not here:
        shown = ", ".join(one.number for one in found[:NUMBERS_SHOWN_MAX])
        more = "" if len(found) <= NUMBERS_SHOWN_MAX else f" and {len(found) - NUMBERS_SHOWN_MAX} more"
        yield warning(
            f"no number in region {region} has the voice URL {settings.voice_url} ({shown}{more})",
            f"callbridge number point {found[0].number}. Settings are per region: TWILIO_REGION says which.",
        )
    for one in here:
        yield from _of_number(one, settings, sends_texts=sends_texts)
    yield from _of_caller_id(found, settings)


def pointing_here(found: Iterable[OwnedNumber], settings: Settings) -> list[OwnedNumber]:
    """The numbers whose voice URL is ours."""
    return [one for one in found if is_within(one.voice_url, [settings.voice_url])]


def _of_number(one: OwnedNumber, settings: Settings, *, sends_texts: bool) -> Iterator[Finding]:
    point = f"callbridge number point {one.number}"
    if overridden := overridden_by(one):
        yield error(
            f"{one.number} is answered by {overridden}, so its voice URL does not count", f"{point} --force"
        )
    elif not one.has_voice:
        yield error(f"{one.number} takes no calls", "callbridge number available finds one that does.")
    else:
        yield ok(f"calls to {one.number} are answered here, by {one.voice_method or 'POST'}")
    if not is_within(one.status_url, [settings.call_status_url]):
        yield warning(
            f"the status callback of {one.number} is {one.status_url or 'not set'}: nobody tells when a "
            "caller has hung up, and what was said is kept for a quarter of an hour",
            f"{point} sets {settings.call_status_url}.",
        )
    yield from _of_fallback(one, settings, point)
    if sends_texts:
        yield from _of_texts(one, settings)


def _of_fallback(one: OwnedNumber, settings: Settings, point: str) -> Iterator[Finding]:
    if not one.fallback_url:
        yield warning(
            f"{one.number} has no fallback URL: while the service does not answer, callers hear an "
            "application error",
            f"Make a TwiML Bin of what `callbridge fallback` prints, and set it: {point} --fallback-url https://…",
        )
    elif _host(one.fallback_url) == _host(settings.public_base_url):
        yield warning(
            f"the fallback URL of {one.number} is on the host that has just failed",
            f"Set one that is elsewhere, such as a TwiML Bin: {point} --fallback-url https://…",
        )


def _of_texts(one: OwnedNumber, settings: Settings) -> Iterator[Finding]:
    if not one.has_sms:
        yield warning(
            f"{one.number} sends no texts, and an agent may",
            "Use a number with texts: callbridge number available shows which have them.",
        )
    elif one.sms_application_sid:
        what = f"texts to {one.number} go to the application {one.sms_application_sid}"
        yield warning(what, f"Agents do not see the answers. Take it away at {_CONSOLE}.")
    elif not is_within(one.sms_url, [settings.text_url]):
        yield warning(
            f"the SMS URL of {one.number} is {one.sms_url or 'not set'}, so agents do not see the answers",
            f"callbridge number point {one.number} --texts sets {settings.text_url}.",
        )


def _of_caller_id(found: Sequence[OwnedNumber], settings: Settings) -> Iterator[Finding]:
    shown = settings.fallback_caller_id
    if shown and found and shown not in [one.number for one in found]:
        yield warning(
            f"CALLBRIDGE_FALLBACK_CALLER_ID is {shown}, which is no number of this account and region",
            "A verified number will do as well; any other one ends in 13214, and no human rings.",
        )


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


# --- The rest -----------------------------------------------------------------------------------------


def clock(ahead_s: float) -> Finding:
    """How far our clock is ahead of Twilio's, in seconds; negative: behind."""
    if abs(ahead_s) <= SKEW_S_MAX:
        return ok(f"the clock is as Twilio's, to within {SKEW_S_MAX:g} s")
    side = "ahead of" if ahead_s > 0 else "behind"
    return warning(
        f"the clock of this machine is {abs(ahead_s):.0f} s {side} Twilio's",
        "Let it be set by the network (NTP): tokens of streams live for a short time.",
    )


def alerts(found: Iterable[Alert], settings: Settings) -> Iterator[Finding]:
    """What Twilio's debugger has of our addresses, a finding for each code.

    31921 is left out: Twilio logs it for every stream that we end on purpose.
    """
    ours = [alert for alert in found if alert.code != PLANNED_CLOSE and _is_ours(alert, settings)]
    counts = Counter(alert.code for alert in ours)
    for code, count in counts.most_common(CODES_SHOWN_MAX):
        latest = next(alert for alert in ours if alert.code == code)  # The newest are first.
        known = alert_code(code)
        at = "" if latest.at is None else f", last at {latest.at:%d %b %H:%M} UTC"
        times = "once" if count == 1 else f"{count} times"
        said = _readable(text_of_alert(latest.text))
        yield replace(
            warning(f"Twilio has logged {code} {times}{at}: {known.meaning}", known.remedy), detail=said
        )
    if len(counts) > CODES_SHOWN_MAX:
        yield warning(
            f"{len(counts) - CODES_SHOWN_MAX} more codes are in Twilio's debugger", f"See {_CONSOLE}."
        )
    if not counts:
        yield ok("Twilio has logged nothing about this address in the last day")


def _is_ours(alert: Alert, settings: Settings) -> bool:
    if alert.level not in {"error", "warning"}:
        return False
    host = _host(settings.public_base_url)
    if alert.request_url:
        return _host(alert.request_url) == host
    # A stream has no request of its own.
    return host in alert.text or alert.code.startswith("319")


def _readable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:200]).strip()


def before_a_start(found: Finding) -> Finding:
    """The same, of an address that the service may be about to answer at."""
    more = f"{found.remedy} Fine before the service is started."
    return replace(found, level=Level.WARNING, remedy=more)
