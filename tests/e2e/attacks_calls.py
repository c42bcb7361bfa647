"""Attacks with requests that Twilio has signed: captured ones, and calls of hostile callers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from callbridge.simulators.phone.signature import sign
from callbridge.telephony.probes import probe_form
from e2e.attacks_port import WEBHOOKS
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN
from e2e.test_repeated_webhooks import sent_again

if TYPE_CHECKING:
    from collections.abc import Iterable

    from e2e.target import Target

REPLAYS: Final = 100
SERIES: Final = 25
APART_S: Final = 0.06
"""Of the calls of a series: fewer than may begin in a second, so that the caller's own limit counts."""

# --- Captured ----------------------------------------------------------------------------------------


async def replayed_voice(target: Target) -> None:
    """The first webhook of live calls, over and over: no new token, and nothing is dialled."""
    captured = [phone.requests[0] for phone in target.live]
    told = {document for phone in target.live for document in phone.documents[:1]}
    answers = await sent_again(*(captured * (REPLAYS // len(captured))))
    assert {answer for answer in answers if "<Stream" in answer} <= told, "a new token"


async def replayed_call(target: Target) -> None:
    """Every webhook of a call that is over: none of them begins it anew."""
    captured = [request for phone in target.over[-3:] for request in phone.requests]
    answers = await sent_again(*(captured * (REPLAYS // len(captured))))
    assert [answer for answer in answers if "<Stream" in answer or "<Dial" in answer] == []


async def replayed_stream_ended(target: Target) -> None:
    """What Twilio asks at the end of a stream, of live ones: each is told to wait, and is not touched."""
    asked = [
        target.ask(f"/twilio/stream-ended{query}", {**_whose(target, number), "CallStatus": status})
        for number in range(REPLAYS)
        for query, status in [
            (("?stream=1", "in-progress"), ("?stream=1", "completed"), ("", "in-progress"))[number % 3]
        ]
    ]
    for answer in await asyncio.gather(*asked):
        assert answer.status_code == 200
        assert "<Stream" not in answer.text, answer.text


async def replayed_news(target: Target) -> None:
    """Streams that stopped and calls that are over, of live calls: news end nothing."""
    for number in range(REPLAYS):
        for path, fields in (
            ("/twilio/stream-status", {"StreamEvent": "stream-stopped"}),
            ("/twilio/stream-status", {"StreamEvent": "stream-error", "StreamError": "gone"}),
            ("/twilio/fallback-dialed", {"DialCallStatus": "completed", "DialBridged": "true"}),
            ("/twilio/voicemail-left", {"RecordingDuration": "9", "RecordingSid": "RE" + "1" * 32}),
        ):
            answer = await target.ask(path, {**_whose(target, number), **fields})
            assert answer.status_code == 200
            assert "<Stream" not in answer.text


async def replayed_alerts(target: Target) -> None:
    """Twilio's debugger about live calls, over and over, and signed probes: no call is touched or begun."""
    for number in range(REPLAYS):
        payload = {"resource_sid": _whose(target, number)["CallSid"], "error_code": "31920"}
        alert = {"Sid": f"NO{number % 3:032x}", "Level": "ERROR", "Payload": json.dumps(payload)}
        assert (await target.ask("/twilio/debugger", alert)).status_code == 204
        probe = probe_form(ACCOUNT_SID, "+15005550006", "0f" * 16)
        answer = await target.ask("/twilio/voice", probe)
        assert (answer.status_code, "<Stream" in answer.text) == (200, False)


async def call_is_over(target: Target) -> None:
    """That a live call were completed, of one of them: its stream is heard, so it goes on."""
    for _ in range(REPLAYS):
        await target.hung_up(target.live[0].line.call_sid)


def _whose(target: Target, number: int) -> dict[str, str]:
    line = target.live[number % len(target.live)].line
    return {"CallSid": line.call_sid, "From": line.from_number, "To": line.to_number}


async def another_account(target: Target) -> None:
    """Signed with our token, and about a call of somebody else's account."""
    before = set(target.offered)
    for path in WEBHOOKS:
        for account in ("AC" + "9" * 32, ACCOUNT_SID.lower(), ACCOUNT_SID + " ", ""):
            answer = await target.ask(path, {"CallSid": target.new_sid(), "AccountSid": account})
            assert answer.status_code in {400, 403}, (path, account, answer)
    target.offered = before


# --- Hostile callers ---------------------------------------------------------------------------------


async def one_caller(target: Target) -> None:
    """One number in series."""
    settings = target.line.settings
    bound = settings.calls_per_caller_10_minutes or settings.calls_per_caller_day
    _keeps_limit(await _series(target, [target.new_caller()] * SERIES), bound)


async def one_sip_host(target: Target) -> None:
    """Callers by SIP who have a new name each time."""
    settings = target.line.settings
    bound = settings.calls_per_caller_10_minutes or settings.calls_per_caller_day
    callers = [f"sip:{number}.x@attack.example;user={number}" for number in range(SERIES)]
    _keeps_limit(await _series(target, callers), bound)


async def anonymous(target: Target) -> None:
    """Callers without a number, in all spellings: they count together."""
    names = ("anonymous", "", "+266696687", "+7378742833", "sip:blocked@a.example", "unknown", "+0", "\0")
    answers = await _series(target, [names[number % len(names)] for number in range(SERIES)], at_once=True)
    _keeps_limit(answers, target.line.settings.anonymous_calls_day)
    streams = [answer for answer in answers if "<Stream" in answer]
    most = target.line.settings.anonymous_calls_max
    assert most == 0 or len(streams) <= most, f"{len(streams)} streams of callers without a number"


def _keeps_limit(answers: list[str], bound: int) -> None:
    """Those who got the agent, or the human in its place, are no more than the callers' limit allows."""
    served = [answer for answer in answers if "<Stream" in answer or "<Dial" in answer]
    assert bound == 0 or len(served) <= bound, f"{len(served)} of {len(answers)} calls were served"
    assert bound == 0 or bound >= SERIES or served, "not even one"


async def _series(target: Target, callers: Iterable[str], *, at_once: bool = False) -> list[str]:
    """What each of these calls is answered. One is over before the next comes, or all are on at once."""
    answers, sids = [], []
    for caller in callers:
        sid = target.new_sid()
        answer = await target.ask("/twilio/voice", {"CallSid": sid, "From": caller})
        assert answer.status_code == 200, answer
        answers.append(answer.text)
        if at_once:
            sids.append(sid)
        else:
            await target.hung_up(sid)
        await asyncio.sleep(APART_S)
    for sid in sids:
        await target.hung_up(sid)
    return answers


# --- Odd values ----------------------------------------------------------------------------------------

FORGED_LINE: Final = '{"event": "forged_line", "level": "info"}'
INJECTIONS: Final = (
    f"\r\n{FORGED_LINE}\r\n",
    "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "\x9b2J\u2028\u2029\u0085\u202e",
    "\0",
    "\ufffd\ud83d\udca3".encode("utf-16", "surrogatepass").decode("utf-16"),
    '"><Dial>+15550109999</Dial><',
    "]]>&lt;%s%n{0}${jndi:ldap://a}",
    "x" * 60_000,
)


async def injections(target: Target) -> None:
    """Signed values with newlines, escapes, markup and 60 kB, in all fields of lines and documents."""
    for number, value in enumerate(INJECTIONS):
        fields = ("From", "To", "CallerName", "ForwardedFrom", "CallStatus", "CallSid", "Direction")
        for name in fields if len(value) < 1000 else fields[number % 2 :: 4]:
            sid = target.new_sid()
            values = {"CallSid": sid, "From": target.new_caller(), name: value}
            answer = await target.ask("/twilio/voice", values)
            assert answer.status_code in {200, 400, 413}, answer
            assert "<Dial>+15550109999" not in answer.text, "markup of a stranger's"
            if answer.status_code == 200:
                await target.hung_up(values["CallSid"])
            await asyncio.sleep(APART_S)
    for path, name in (
        ("/twilio/stream-status", "StreamEvent"),
        ("/twilio/stream-status", "StreamError"),
        ("/twilio/call-status", "CallStatus"),
        ("/twilio/call-status", "SequenceNumber"),
        ("/twilio/fallback-menu", "Digits"),
        ("/twilio/fallback-dialed", "DialCallStatus"),
        ("/twilio/voicemail-left", "RecordingUrl"),
        ("/twilio/voicemail-left", "RecordingDuration"),
        ("/twilio/voicemail-status", "RecordingStatus"),
        ("/twilio/stream-ended", "CallStatus"),
    ):
        for value in INJECTIONS:
            answer = await target.ask(path, {"CallSid": target.new_sid(), name: value})
            assert answer.status_code == 200, (path, name, value[:40], answer)
    for query in (
        "?stream=%00",
        "?stream=-1&held=1e9",
        "?stream=99999&held=99999",
        "?held=%D9%A3&x=" + "y" * 3000,
    ):
        answer = await target.ask(f"/twilio/stream-ended{query}", {"CallSid": target.new_sid()})
        assert answer.status_code == 200, (query, answer)


async def odd_headers(target: Target) -> None:
    """Names of clients, of hosts and of a proxy's, in bytes that no terminal is to see."""
    settings = target.line.settings
    for value in ("\x1b[2J", "\x9b2J", "é" * 500, "x" * 7000):
        names = (b"User-Agent", b"X-Forwarded-For", b"Referer")
        headers = [(name, value.encode("latin-1")) for name in names]
        answer = await target.client.post(settings.voice_url, data={"CallSid": "x"}, headers=headers)
        assert answer.status_code in {400, 403, 431}, (value[:20], answer)
        signed = [*headers, (b"X-Twilio-Signature", sign(settings.stream_url, AUTH_TOKEN).encode())]
        answer = await target.client.get(f"{settings.public_base_url}/media-stream", headers=signed)
        assert answer.status_code in {400, 426}, (value[:20], answer)
