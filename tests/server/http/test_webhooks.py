"""Webhooks over ASGI: genuine requests get their TwiML, all others get nothing."""

from __future__ import annotations

import asyncio
import itertools
import math
import socket
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, Self
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from callbridge.call import facts
from callbridge.call.endings import FOLLOWS
from callbridge.call.facts import EndReason, Fact
from callbridge.call.wishes import Following, SayGoodbye
from callbridge.server.config.say import words
from callbridge.server.http.fallback import fallback_router
from callbridge.server.http.forms import FORM_BYTES_MAX, FORM_FIELDS_MAX
from callbridge.server.http.health import health_router
from callbridge.server.http.news import news_router
from callbridge.server.http.webhooks import webhook_router
from callbridge.simulators.phone.line_settings import LineSettings
from callbridge.simulators.phone.program import OpenStream, Program
from callbridge.simulators.phone.twiml import WebAnswer
from callbridge.switchboard import continuation, holding, questions
from callbridge.switchboard.admission import DeclineReason
from callbridge.switchboard.continuation import CONTINUATIONS_MAX, Continuation, read_facts
from callbridge.telephony.signatures import sign
from callbridge.telephony.signed_tokens import Redeemed
from desks import ACCOUNT, APOLOGY, AUTH_TOKEN, BASE, CALL, CALLED, CALLER, UNSIGNED, FrontDesk, LiveCall
from leftovers import until

HUMAN = "+14155550123"
FORM = {
    "CallSid": CALL,
    "AccountSid": ACCOUNT,
    "From": CALLER,
    "To": CALLED,
    "CallStatus": "ringing",
    "Direction": "inbound",
    "ApiVersion": "2010-04-01",
    "CallerName": " Zoë & Söhne ",
    "SomethingNew": "",
}
IN_PROGRESS = FORM | {"CallStatus": "in-progress"}
ENDPOINTS = (
    *("voice", "stream-ended", "stream-status", "call-status"),
    *("fallback-menu", "fallback-dialed", "voicemail-left", "voicemail-status"),
)
TWILIO_PATHS = [f"/twilio/{endpoint}" for endpoint in ENDPOINTS]
ONLY_APOLOGY = {"CALLBRIDGE_FALLBACK_VOICEMAIL": "false"}
FIRST_STEPS = [
    pytest.param({"CALLBRIDGE_FALLBACK_DIAL": HUMAN}, ["Dial", "Hangup"], id="dial"),
    pytest.param({}, ["Say", "Record", "Say", "Hangup"], id="voicemail"),
    pytest.param(ONLY_APOLOGY, ["Say", "Hangup"], id="apology"),
]
"""Settings, and with which document the fallback begins."""


@dataclass
class World(FrontDesk):
    """One service without a socket, and a Twilio that signs."""

    agent: str = "default"
    """Who has the call."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sids = (f"CA{number:032d}" for number in itertools.count())
        self.app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        for router in (webhook_router, fallback_router, news_router, health_router):
            self.app.include_router(router(self.desk))
        # The host of the requests is a proxy's: nothing may depend on it.
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://10.0.0.7:8080"
        )

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def post(self, path: str, form: Mapping[str, str] = FORM, query: str = "") -> httpx.Response:
        """A genuine request. Its fragment is neither sent nor signed."""
        path, _, inner = path.partition("#")[0].partition("?")
        query = inner or query
        target = f"{path}?{query}" if query else path
        signature = sign(AUTH_TOKEN, BASE + target, form.items())
        return await self.client.post(target, data=dict(form), headers={"X-Twilio-Signature": signature})

    async def post_raw(self, path: str, form: list[tuple[str, str]], signature: str) -> httpx.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        return await self.client.post(path, content=urlencode(form), headers=headers)

    async def get(self, path: str, form: Mapping[str, str] = FORM) -> httpx.Response:
        target = f"{path}?{urlencode(form)}"
        signature = sign(AUTH_TOKEN, BASE + target)
        return await self.client.get(target, headers={"X-Twilio-Signature": signature})

    async def stream_ended(self, status: str = "in-progress") -> list[str]:
        """What Twilio is told to do after a stream."""
        return verbs(await self.post("/twilio/stream-ended", FORM | {"CallStatus": status}))

    def started(self) -> None:
        """What the media door and the journal do when a stream is admitted."""
        assert self.desk.admission.started(CALL, self.now)
        self.started_elsewhere()

    def started_elsewhere(self) -> None:
        """The journal of another process has done so."""
        self._write(facts.StreamStarted(CALLER, CALLED, agent=self.agent, source="MZ1"))

    def ended(self, reason: EndReason, follows: Following | None = None) -> None:
        """The same when its stream has ended."""
        self.desk.admission.ended(CALL, self.now)
        self._write(facts.StreamEnded(reason, follows=follows or FOLLOWS[reason], source="MZ1"))

    def ended_elsewhere(self, reason: EndReason) -> None:
        """The journal of another process has written an end."""
        self._write(facts.StreamEnded(reason, follows=FOLLOWS[reason], source="MZ1"))

    def _write(self, fact: Fact) -> None:
        self.state.append(CALL, fact.kind, facts.encode(fact))

    async def noted(self) -> list[Fact]:
        """What webhooks have written of the call, without place and time, its description and its end."""
        found = [fact for _, fact in read_facts(await self.state.events(CALL)) if fact.source == facts.HTTP]
        assert {fact.call_sid for fact in found} <= {CALL}
        bare = {"call_sid": "", "source": "", "number": 0, "at_ms": 0}
        promised = (facts.CallOffered, facts.StreamAsked)
        return [
            msgspec.structs.replace(fact, **bare, **({"promise": None} if isinstance(fact, promised) else {}))
            for fact in found
            if not isinstance(fact, facts.CallOver | facts.CallDescribed)
        ]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as made:
        yield made


def verbs(response: httpx.Response) -> list[str]:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/xml")
    assert response.content.startswith(b"<?xml")
    return [verb.tag for verb in ET.fromstring(response.text)]  # noqa: S314 - our own document


def token_in(response: httpx.Response) -> str | None:
    root = ET.fromstring(response.text)  # noqa: S314 - our own document
    return next((p.get("value") for p in root.iter("Parameter") if p.get("name") == "token"), None)


def redeemed(world: World, response: httpx.Response) -> Redeemed:
    """The token of this answer, which is good for this call."""
    found = world.desk.tokens.check(token_in(response), CALL, ACCOUNT, CALLER, CALLED, world.wall_now)
    assert isinstance(found, Redeemed), found
    return found


@pytest.mark.parametrize("method", ["get", "post"])
async def test_call_is_connected_to_the_media_socket(world: World, method: str) -> None:
    response = await getattr(world, method)("/twilio/voice")
    assert verbs(response) == ["Connect", "Say", "Record", "Say", "Hangup"]
    assert 'url="wss://calls.example.com/media-stream"' in response.text
    assert 'action="https://calls.example.com/twilio/stream-ended?stream=1#rc=5"' in response.text
    assert 'statusCallback="https://calls.example.com/twilio/stream-status"' in response.text
    assert APOLOGY in response.text
    claim = redeemed(world, response)
    assert (claim.continues, claim.agent) == (False, "default")
    assert await world.noted() == [facts.CallOffered("", "", agent="default", priced_as="inbound +1")]


@pytest.mark.parametrize("is_signed", [True, False])
async def test_a_genuine_request_marks_its_connection(world: World, *, is_signed: bool) -> None:
    """By it the connection is known from a stranger's, when there are too many of them."""
    target, marks = f"/twilio/voice?{urlencode(FORM)}", dict[str, Any]()

    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await world.app({**scope, "state": marks}, receive, send)

    headers = {"X-Twilio-Signature": sign(AUTH_TOKEN, BASE + target)} if is_signed else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_state), base_url=BASE) as client:
        await client.get(target, headers=headers)
    assert marks == ({"is_genuine": True} if is_signed else {})


async def test_repeated_webhook_is_answered_again(world: World) -> None:
    """The same, whatever went wrong in between, and nothing is counted again: also by another process."""
    first = await world.post("/twilio/voice")
    await lost_its_model(world)
    world.wall_now += questions.OFFER_S - 1
    second = await world.post("/twilio/voice")
    async with World() as other:
        other.desk.state = other.state = world.state
        other.wall_now = world.wall_now
        third = await other.post("/twilio/voice")
        assert other.places == 0
    assert first.text == second.text == third.text
    assert world.places == 1
    assert await world.noted() == [facts.CallOffered("", "", agent="default", priced_as="inbound +1")]
    assert len(await world.state.recent_calls(0.0)) == 1


async def test_webhooks_of_one_call_are_answered_one_after_the_other(world: World) -> None:
    """Fifty at once give one token, one place and one fact, and the model is dialled once."""
    async with world.desk.waiting:
        answers = await asyncio.gather(*(world.post("/twilio/voice") for _ in range(50)))
        assert await until(lambda: world.dialer.dialled != [])
        assert len(world.dialer.dialled) == 1
    assert len({answer.text for answer in answers}) == 1
    assert (world.places, len(await world.noted())) == (1, 1)


async def test_a_call_that_was_declined_is_declined_again(world: World) -> None:
    """Its answer may have been lost. Once nobody can have asked for so long, it is not even that."""
    world.desk.drain.begin()
    first = await world.post("/twilio/voice")
    assert (await world.post("/twilio/voice")).text == first.text
    assert len(await world.noted()) == 1
    world.wall_now += questions.OFFER_S
    assert verbs(await world.post("/twilio/voice")) == ["Hangup"]
    assert len(await world.noted()) == 1


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_call_that_rang_long_ago_begins_nothing(world: World, is_told: bool) -> None:
    """Whether or not Twilio has said that it is over: who rings with its name repeats an old request."""
    await world.post("/twilio/voice")
    if is_told:
        await world.post("/twilio/call-status", FORM | {"CallStatus": "completed"})
    else:
        world.wall_now += questions.OFFER_S
        world.now += 1000
    before = await world.kinds()
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert verbs(await world.post("/twilio/voice")) == ["Hangup"]
    assert (await world.kinds(), world.places) == (before, 0)
    assert [line["event"] for line in logs] == ["call_offered_late"], "who repeats it may fill the log"


async def test_a_call_that_comes_back_to_where_it_began_goes_on(answered: World) -> None:
    """Somebody sent it there, by Twilio's REST API or in a flow of their own: it has its memory."""
    answered.ended(EndReason.MEDIA_LOST)
    answered.wall_now += questions.OFFER_S
    sent_on = await answered.post("/twilio/voice", IN_PROGRESS)
    assert verbs(sent_on) == ["Pause", "Redirect"]
    assert redeemed(answered, await answered.post(next_address(sent_on), IN_PROGRESS)).continues
    resumed = facts.StreamAsked("resume", EndReason.MEDIA_LOST, stream=1, held=1)
    assert (await answered.noted())[1:] == [resumed]


async def test_who_repeats_where_a_call_came_back_causes_nothing(answered: World) -> None:
    """Its stream may be live in another process that shares the state, where nobody can be asked of it."""
    before = await answered.kinds()
    async with World() as other:
        other.desk.state = other.state = answered.state
        other.wall_now = answered.wall_now + questions.OFFER_S
        for _ in range(2):
            assert verbs(await other.post("/twilio/voice", IN_PROGRESS)) == ["Pause", "Redirect"]
            other.wall_now += questions.OFFER_S
        assert other.places == 0
    assert await answered.kinds() == before


@pytest.mark.parametrize(
    ("form", "query"), [(FORM, "shop=7&x=%20"), ({"CallSid": CALL, "AccountSid": ACCOUNT}, "")]
)
async def test_odd_calls_are_answered(world: World, form: dict[str, str], query: str) -> None:
    """A number may be configured with a query, which is signed; a caller may withhold the number."""
    assert verbs(await world.post("/twilio/voice", form, query))[0] == "Connect"


async def test_the_call_is_noted_without_its_number(world: World) -> None:
    """Limits per caller survive the process, under a key that gives no number away."""
    await world.post("/twilio/voice")
    ((key, at),) = await world.state.recent_calls(0.0)
    assert at == world.wall_now
    assert CALLER[2:] not in key


async def test_little_is_waited_for_before_a_call_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ringing phone waits for no network, and not long for a disk: it hangs here, sockets are forbidden."""

    def forbidden(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the webhook went to the network or to a file")

    world.state.is_stalled = True
    for target in ("socket.socket.connect", "socket.getaddrinfo", "builtins.open", "os.open"):
        monkeypatch.setattr(target, forbidden)
    assert socket.getaddrinfo is forbidden
    monkeypatch.setattr("callbridge.server.process.desk.DISK_S", 0.01)
    async with asyncio.timeout(20):
        async with world.desk.waiting:
            assert verbs(await world.post("/twilio/voice"))[0] == "Connect"


async def test_the_model_is_dialled_while_twilio_connects(world: World) -> None:
    """Once for each call, however often its webhook comes; the answer does not wait for it."""
    async with world.desk.waiting:
        await world.post("/twilio/voice")
        await world.post("/twilio/voice")
        assert await until(lambda: world.dialer.dialled == [world.desk.settings.realtime_model])
        assert len(world.desk.waiting) == 1


@pytest.mark.parametrize(("environment", "drains"), [({"CALLBRIDGE_PREDIAL": "false"}, False), ({}, True)])
async def test_nobody_is_dialled_ahead(environment: dict[str, str], drains: bool) -> None:
    """Where that is switched off, and for a call that is declined."""
    async with World(environment) as world, world.desk.waiting:
        if drains:
            world.desk.drain.begin()
        assert verbs(await world.post("/twilio/voice"))[0] == ("Say" if drains else "Connect")
        assert len(world.desk.waiting) == 0


async def breaks(world: World) -> None:
    world.desk.drain.give_up()


async def drains(world: World) -> None:
    world.desk.drain.begin()


async def cannot_write(world: World) -> None:
    world.state.told_trouble = "the disk is full"


async def is_late(world: World) -> None:
    world.loop_watch.is_late = True


async def lost_its_model(world: World) -> None:
    world.desk.circuits.failed(world.desk.settings.realtime_model, world.now, is_fatal=True)


async def spent_it_all(world: World) -> None:
    world.desk.spending.add(world.now, 10_000_000)


async def ran_out(world: World) -> None:
    world.desk.admission.descriptors_ran_out(world.now)


async def is_called(world: World, callers: str, every_s: float = 0.0) -> None:
    for caller in callers.split():
        form = FORM | {"CallSid": next(world.sids), "From": caller}
        assert verbs(await world.post("/twilio/voice", form))[0] == "Connect"
        world.now += every_s


is_full = partial(is_called, callers="+14155550200 +14155550201 +14155550202", every_s=0.5)
is_called_by_many = partial(is_called, callers="+14155550300 +14155550301")
REFUSALS = [
    (DeclineReason.DRAINING, drains, CALLER),
    (DeclineReason.STATE, cannot_write, CALLER),
    (DeclineReason.LOOP_LAG, is_late, CALLER),
    (DeclineReason.MODEL_OUTAGE, lost_its_model, CALLER),
    (DeclineReason.SPEND, spent_it_all, CALLER),
    (DeclineReason.CAPACITY, is_full, CALLER),
    (DeclineReason.DESCRIPTORS, ran_out, CALLER),
    (DeclineReason.CALLER_LIMIT, partial(is_called, callers=CALLER), CALLER),
    (DeclineReason.ANONYMOUS_LIMIT, partial(is_called, callers="anonymous"), "anonymous"),
    (DeclineReason.STARTS, is_called_by_many, CALLER),
]
SMALL = {
    "CALLBRIDGE_CALLS_MAX": "3",
    "CALLBRIDGE_CALLS_PER_CALLER": "1",
    "CALLBRIDGE_ANONYMOUS_CALLS_MAX": "1",
    "CALLBRIDGE_CALL_STARTS_PER_SECOND": "2",
    "CALLBRIDGE_SPEND_PER_HOUR_MAX": "5",
}


def test_every_refusal_has_a_case() -> None:
    assert {refusal for refusal, _, _ in REFUSALS} == set(DeclineReason)


@pytest.mark.parametrize(("environment", "expected"), FIRST_STEPS)
@pytest.mark.parametrize(
    ("refusal", "happens", "caller"), REFUSALS, ids=[refusal.value for refusal, _, _ in REFUSALS]
)
async def test_a_call_that_is_not_taken_gets_the_fallback(
    refusal: DeclineReason,
    happens: Callable[[World], Any],
    caller: str,
    environment: dict[str, str],
    expected: list[str],
) -> None:
    """Whatever is against a call, its caller gets the first step of the fallback, and the log the reason.

    Only who calls too often gets a word and the end: a human would be rung as often.
    """
    async with World(SMALL | environment) as world:
        await happens(world)
        before = world.places
        with structlog.testing.capture_logs() as logs:
            response = await world.post("/twilio/voice", FORM | {"From": caller})
        assert verbs(response) == (["Say", "Hangup"] if refusal.is_callers_own else expected)
        assert ("cannot take another call from you" in response.text) is refusal.is_callers_own
        assert token_in(response) is None
        assert [line["reason"] for line in logs if line["event"] == "call_declined"] == [refusal.value]
        assert world.places == before, "a call that was declined holds a place"
        assert (await world.noted())[-1:] == [
            facts.CallOffered("", "", refusal.value, "default", priced_as="inbound +1")
        ]


DIAL = {"CALLBRIDGE_FALLBACK_DIAL": HUMAN}
OURS, BY_SIP = "+14155550188", "sip:agent@demo.sip.twilio.com"


def rung(document: str, caller: str, called: str) -> list[str | None]:
    """The caller IDs with which a strict phone rings somebody; it must have nothing to complain about."""
    program = Program(
        "https://example.com/voice",
        "POST",
        (caller, called),
        LineSettings(verified_numbers=frozenset({OURS})),
    )
    program.begin()
    step = program.answered(WebAnswer("https://example.com/voice", 200, "text/xml", document.encode()))
    if isinstance(step, OpenStream):  # As if Twilio ran on without asking the action.
        program.stream_ended(replace(step.noun, action=None))
    assert program.complaints == []
    return [dial.get("callerId") for dial in ET.fromstring(document).iter("Dial")]  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("caller", "called", "shown"),
    [
        (CALLER, CALLED, None),
        (CALLER, BY_SIP, None),
        ("+266696687", CALLED, CALLED),
        ("+12562533", CALLED, CALLED),
        ("anonymous", CALLED, CALLED),
        ("client:alice", CALLED, CALLED),
        ("sip:bob@example.com", CALLED, CALLED),
        ("+155", CALLED, CALLED),
        ("", CALLED, CALLED),
        ("sip:bob@example.com", BY_SIP, OURS),
        ("client:alice", "", OURS),
    ],
)
@pytest.mark.parametrize("how", ["taken", "declined", "fallen back"])
async def test_a_human_is_shown_a_number_that_twilio_takes(
    how: str, caller: str, called: str, shown: str | None
) -> None:
    """Of whoever calls. Else Twilio rings nobody (13214)."""
    async with World(DIAL | {"CALLBRIDGE_FALLBACK_CALLER_ID": OURS}) as world:
        form = FORM | {"From": caller, "To": called}
        if how == "declined":
            await drains(world)
        response = await world.post("/twilio/voice", form)
        if how == "fallen back":
            world.started()
            world.ended(EndReason.MODEL_LOST)
            response = await world.post("/twilio/stream-ended", IN_PROGRESS | form)
        assert ("Connect" in verbs(response)) == (how == "taken")
        assert rung(response.text, caller, called) == [shown]


LEADS_BACK = [
    {"ForwardedFrom": HUMAN},
    {"CalledVia": HUMAN.removeprefix("+1")},
    {"To": HUMAN},
    {"From": HUMAN},
    {"From": CALLED},
    {"From": "sip:bob@example.com", "To": BY_SIP},  # Nothing to show: Twilio would ring nobody.
]


@pytest.mark.parametrize("form", LEADS_BACK, ids=str)
async def test_nobody_is_rung_whose_telephone_brings_the_call_back(form: dict[str, str]) -> None:
    """Endlessly, else: its forwarding would be the next call. The caller may leave a message instead."""
    async with World(DIAL) as world:
        await drains(world)
        with structlog.testing.capture_logs() as logs:
            response = await world.post("/twilio/voice", FORM | form)
            assert (await world.post("/twilio/voice", FORM | form)).text == response.text
        assert verbs(response)[:2] == ["Say", "Record"]
        assert [line["log_level"] for line in logs if line["event"] == "human_not_rung"] == ["warning"]


async def test_a_call_that_the_human_forwarded_stays_one() -> None:
    """When its stream has ended, Twilio may not say any more by way of whom it came."""
    async with World(DIAL) as world:
        response = await world.post("/twilio/voice", FORM | {"ForwardedFrom": HUMAN})
        assert verbs(response)[:2] == ["Connect", "Say"]
        world.started()
        world.ended(EndReason.MODEL_LOST)
        assert (await world.stream_ended())[:2] == ["Say", "Record"]


async def test_a_ladder_that_leads_back_unseen_has_an_end() -> None:
    """No carrier need tell that a call was forwarded: then it looks like one more call of the same caller."""
    async with World(DIAL | {"CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "0"}) as world:
        await drains(world)

        async def calls(number: int, caller: str = CALLER) -> str:
            sid = f"CA{number:032d}"
            return verbs(await world.post("/twilio/voice", FORM | {"CallSid": sid, "From": caller}))[0]

        assert [await calls(number) for number in (1, 2, 3, 1)] == ["Dial", "Dial", "Say", "Dial"]
        assert await calls(4, "+14155550101") == "Dial"
        assert {await calls(number, "anonymous") for number in range(5, 10)} == {"Dial"}
        ended = IN_PROGRESS | {
            "CallSid": f"CA{1:032d}",
            "DialCallStatus": "no-answer",
            "DialBridged": "false",
        }
        await world.post("/twilio/fallback-dialed", ended)
        assert await calls(3) == "Dial"
        world.now += 60.0
        assert await calls(10) == "Dial"


STEPS = {
    Continuation.HANG_UP: ["Hangup"],
    Continuation.FALL_BACK: ["Dial", "Hangup"],
    Continuation.RESUME: ["Connect", "Dial", "Hangup"],
    Continuation.MOVED: ["Pause", "Redirect"],
    Continuation.HOLD: ["Pause", "Redirect"],
}


@pytest.fixture
async def answered() -> AsyncIterator[World]:
    """A call whose stream was admitted; its fallback rings a human."""
    async with World({"CALLBRIDGE_FALLBACK_DIAL": HUMAN}) as world:
        await world.post("/twilio/voice")
        world.started()
        yield world


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("reason", [*EndReason, None], ids=str)
async def test_a_call_goes_on_as_its_stream_ended(
    answered: World, method: str, reason: EndReason | None
) -> None:
    if reason is not None:
        answered.ended(reason)
    response = await getattr(answered, method)("/twilio/stream-ended", IN_PROGRESS)
    follows = "resume" if reason is None else str(FOLLOWS[reason].__struct_config__.tag)
    if reason is EndReason.CALLER_HANGUP:
        follows = "moved"  # Twilio says that the caller is there.
    is_resumed = follows == "resume"
    assert verbs(response) == STEPS[Continuation(follows)]
    assert (await answered.noted())[1:] == [facts.StreamAsked(follows, reason, stream=1)]
    assert answered.places == is_resumed
    if is_resumed:
        assert redeemed(answered, response).continues
    assert await answered.stream_ended("completed") == ["Hangup"], "nobody is left to listen"


async def test_a_goodbye_that_the_agent_could_not_say_is_said_by_twilio(answered: World) -> None:
    answered.ended(EndReason.LIMIT_DURATION, SayGoodbye())
    response = await answered.post("/twilio/stream-ended", IN_PROGRESS)
    assert verbs(response) == ["Say", "Hangup"]
    assert words(answered.desk.settings, "goodbye").text in response.text
    assert not answered.places


async def test_a_call_that_nobody_knows_is_resumed() -> None:
    """The process before this one may have died before it wrote a word; Twilio's signature vouches for it."""
    async with World(ONLY_APOLOGY) as world:
        assert (await world.stream_ended())[0] == "Connect"
        assert await world.kinds() == ["stream_asked"]
        assert world.places == 1


async def test_a_call_is_resumed_three_times(answered: World) -> None:
    """A fourth continuation within ten minutes is the fallback."""
    for _ in range(CONTINUATIONS_MAX):
        assert (await answered.stream_ended())[0] == "Connect"
        answered.started()
        answered.wall_now += 10
    assert await answered.stream_ended() == STEPS[Continuation.FALL_BACK]
    asked = [fact.follows for fact in await answered.noted() if isinstance(fact, facts.StreamAsked)]
    assert asked == ["resume"] * CONTINUATIONS_MAX + ["fall_back"]


async def test_a_call_goes_on_with_the_agent_that_it_had() -> None:
    """Whatever would be chosen for its number by now."""
    async with World(agent="clinic") as world:
        world.started_elsewhere()
        response = await world.post("/twilio/stream-ended", IN_PROGRESS)
        assert redeemed(world, response).agent == "clinic"


async def test_a_stream_that_never_begins_is_tried_once_more(answered: World) -> None:
    """What kept two from it keeps the third as well, and the caller has heard nothing so far."""
    assert (await answered.stream_ended())[0] == "Connect"
    assert await answered.stream_ended() == STEPS[Continuation.FALL_BACK]


async def stops(world: World) -> None:
    for _ in range(2):  # The first one drains.
        world.desk.drain.signalled()


@pytest.mark.parametrize(
    ("happens", "follows"),
    [
        (stops, Continuation.HOLD),
        *((it, Continuation.RESUME) for it in (cannot_write, is_late, lost_its_model, spent_it_all, drains)),
    ],
)
async def test_what_is_against_a_new_call_is_hardly_against_an_old_one(
    answered: World, happens: Callable[[World], Any], follows: Continuation
) -> None:
    """Hanging up on somebody who was admitted is worse than one call over a limit. A process that hands over
    lets the next one go on with the call.
    """
    answered.ended(EndReason.MEDIA_LOST)
    await happens(answered)
    assert await answered.stream_ended() == STEPS[follows]
    assert answered.places == (follows is Continuation.RESUME)


def next_address(response: httpx.Response) -> str:
    """Where Twilio goes on when the caller has waited."""
    (redirect,) = ET.fromstring(response.text).iter("Redirect")  # noqa: S314 - our own document
    assert redirect.text is not None
    return redirect.text.removeprefix(BASE)


async def test_a_caller_waits_for_the_next_process(answered: World) -> None:
    """Not for ever; and the process that takes them over knows what was said."""
    answered.ended(EndReason.HANDED_OVER)
    await stops(answered)
    held = await answered.post("/twilio/stream-ended", IN_PROGRESS, "stream=1")
    assert verbs(held) == ["Pause", "Redirect"]
    assert next_address(held) == "/twilio/stream-ended?stream=1&held=1#rc=5"
    held = await answered.post(next_address(held), IN_PROGRESS)
    assert verbs(held) == [*["Say", "Pause"] * 5, "Redirect"]
    assert words(answered.desk.settings, "one_moment").text in held.text
    assert next_address(held) == "/twilio/stream-ended?stream=1&held=2#rc=5"
    async with World() as other:
        other.desk.state = other.state = answered.state
        response = await other.post(next_address(held), IN_PROGRESS)
        assert redeemed(other, response).continues
    async with World(ONLY_APOLOGY) as last:
        await stops(last)
        address = f"/twilio/stream-ended?stream=1&held={holding.HOLDS_MAX}"
        assert verbs(await last.post(address, IN_PROGRESS)) == ["Say", "Hangup"]


@pytest.mark.parametrize("reason", EndReason)
async def test_a_question_that_comes_again_is_answered_again(answered: World, reason: EndReason) -> None:
    """The same, also by another process, and nothing is counted again."""
    answered.ended(reason)
    first = await answered.post("/twilio/stream-ended", IN_PROGRESS, "stream=1")
    noted, places = await answered.noted(), answered.places
    async with World(answered.environment) as other:
        other.desk.state = other.state = answered.state
        for world in (answered, other):
            again = await world.post("/twilio/stream-ended", IN_PROGRESS, "stream=1")
            assert again.text == first.text
        assert other.places == 0
    assert (await answered.noted(), answered.places) == (noted, places)


async def test_an_old_question_gives_nothing_away(answered: World) -> None:
    """What followed it has begun: whoever asks now is told to hang up, and the call does not notice."""
    answered.ended(EndReason.MEDIA_LOST)
    await answered.post("/twilio/stream-ended", IN_PROGRESS, "stream=1")
    answered.started()
    live = LiveCall()
    answered.desk.live_calls.add(CALL, live)
    answered.wall_now += questions.OFFER_S
    noted = await answered.noted()
    assert verbs(await answered.post("/twilio/stream-ended", IN_PROGRESS, "stream=1")) == ["Hangup"]
    assert (await answered.noted(), live.told, answered.places) == (noted, [], 1)


async def test_a_promise_of_which_nothing_came_is_renewed(answered: World) -> None:
    """Its token ran out before Twilio opened the stream, or a stranger asked while the last one was on."""
    answered.ended(EndReason.MEDIA_LOST)
    first = await answered.post("/twilio/stream-ended", IN_PROGRESS, "stream=1")
    answered.wall_now += questions.OFFER_S
    answered.ended_elsewhere(EndReason.MEDIA_LOST)
    second = await answered.post("/twilio/stream-ended", IN_PROGRESS, "stream=1")
    assert token_in(second) != token_in(first)
    assert redeemed(answered, second).continues


async def test_a_call_that_was_sent_elsewhere_is_left_alone(answered: World) -> None:
    """Twilio asks all the same, and ignores the answer. If the call is still here it asks again, and the
    caller gets the agent back.
    """
    answered.ended(EndReason.CALLER_HANGUP)
    async with answered.desk.waiting:
        moved = await answered.post("/twilio/stream-ended", IN_PROGRESS, "stream=1")
        assert (answered.dialer.dialled, answered.places) == ([], 0)
        assert (await answered.noted())[-1] == facts.StreamAsked("moved", EndReason.CALLER_HANGUP, stream=1)
        assert redeemed(answered, await answered.post(next_address(moved), IN_PROGRESS)).continues


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is fifty milliseconds."""
    monkeypatch.setattr("callbridge.switchboard.liveness.SILENT_S", 0.05)
    monkeypatch.setattr("callbridge.switchboard.liveness.WAIT_S", 0.3)
    monkeypatch.setattr("callbridge.server.process.live_calls.LOOK_EVERY_S", 0.001)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("status", ["in-progress", "completed"])
async def test_a_stream_that_is_heard_goes_on(answered: World, status: str) -> None:
    """Whoever says that it has ended: nothing is noted, and were it Twilio, it would ask again."""
    live = LiveCall(frames_left=math.inf)
    answered.desk.live_calls.add(CALL, live)
    noted = await answered.noted()
    response = await answered.post("/twilio/stream-ended", FORM | {"CallStatus": status}, "stream=1")
    assert verbs(response) == ["Pause", "Redirect"]
    assert next_address(response) == "/twilio/stream-ended?stream=1#rc=5"
    assert (await answered.noted(), live.told, answered.places) == (noted, [], 1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("status", "told"), [("in-progress", "phone replaced"), ("completed", "hung up"), ("canceled", "hung up")]
)
async def test_a_stream_that_is_not_heard_any_more_is_told(answered: World, status: str, told: str) -> None:
    """Of a call that is over it is the caller who has ended it. Its last frames are no sign of life."""
    live = LiveCall(frames_left=3)
    answered.desk.live_calls.add(CALL, live)
    await answered.post("/twilio/stream-ended", FORM | {"CallStatus": status}, "stream=1")
    assert live.told == [told]


async def test_a_call_of_which_nothing_is_known_takes_no_place_beyond_the_last() -> None:
    """Its process is gone, and the state with it; or somebody repeats what was asked long ago."""
    async with World({"CALLBRIDGE_CALLS_MAX": "2"} | ONLY_APOLOGY) as world:
        forms = [IN_PROGRESS | {"CallSid": next(world.sids)} for _ in range(3)]
        told = [verbs(await world.post("/twilio/stream-ended", form, "stream=1"))[0] for form in forms]
        assert (told, world.places) == (["Connect", "Connect", "Say"], 2)


@pytest.mark.usefixtures("quick")
async def test_a_stream_that_hangs_when_the_end_of_its_call_is_known_is_told(answered: World) -> None:
    """The order of webhooks is not guaranteed: the call's own end may be reported first."""
    live = LiveCall()
    answered.desk.live_calls.add(CALL, live)
    over = FORM | {"CallStatus": "completed"}
    await answered.post("/twilio/call-status", over)
    assert verbs(await answered.post("/twilio/stream-ended", over, "stream=1")) == ["Hangup"]
    assert live.told == ["hung up"]


async def test_a_call_is_resumed(answered: World) -> None:
    """Its old stream is over and lingers; the model is dialled ahead; the log has a line."""
    answered.ended(EndReason.MEDIA_LOST)
    live = LiveCall(has_ended=True)
    answered.desk.live_calls.add(CALL, live)
    with structlog.testing.capture_logs() as logs:
        async with answered.desk.waiting:
            await answered.stream_ended()
            assert await until(lambda: len(answered.dialer.dialled) == 1)
    assert live.told == []
    (line,) = [line for line in logs if line["event"] == "stream_continued"]
    told = {"call_sid": CALL, "continuation": "resume", "reason": "media_lost"}
    assert line == {"event": "stream_continued", "log_level": "info", **told}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("status", "bridged", "is_over"),
    [
        ("completed", "true", True),
        ("completed", "", True),
        ("completed", "false", False),
        ("no-answer", "false", False),
        ("a word of next year", "", False),
        ("", "", False),
    ],
)
async def test_who_was_not_connected_to_a_human_may_leave_a_message(
    method: str, status: str, bridged: str, is_over: bool
) -> None:
    async with World(DIAL) as world:
        form = IN_PROGRESS | {"DialCallStatus": status} | ({"DialBridged": bridged} if bridged else {})
        form |= {"DialCallDuration": "61"} if bridged else {}
        with structlog.testing.capture_logs() as logs:
            response = await getattr(world, method)("/twilio/fallback-dialed", form)
        assert verbs(response) == (["Hangup"] if is_over else ["Say", "Record", "Say", "Hangup"])
        told = {"call_sid": CALL, "status": status, "bridged": bridged}
        assert logs == [{"event": "fallback_dialed", "log_level": "info", **told}]
        lasted_s = "61" if bridged else ""
        assert await world.noted() == [facts.FallbackDialed(status, bridged, lasted_s, "outbound +1")]


RECORDING_SID = "RE" + "4f" * 16
RECORDING_URL = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/{RECORDING_SID}"
MESSAGE = {"RecordingUrl": RECORDING_URL, "RecordingDuration": "17"}
BY_NAME = {"RecordingSid": RECORDING_SID, "RecordingDuration": "17"}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("path", "form", "status", "expected"),
    [
        ("left", MESSAGE, "left", ["Hangup"]),
        ("left", BY_NAME, "left", ["Hangup"]),
        ("left", MESSAGE | {"RecordingDuration": "1"}, "silent", ["Say", "Hangup"]),
        ("status", MESSAGE | {"RecordingStatus": "completed"}, "completed", []),
        ("status", BY_NAME | {"RecordingStatus": "absent"}, "absent", []),
    ],
)
async def test_which_recording_a_message_is_is_kept(
    world: World, method: str, path: str, form: dict[str, str], status: str, expected: list[str]
) -> None:
    """By its name, not by its address. Who said nothing hears a word before the end."""
    with structlog.testing.capture_logs() as logs:
        assert verbs(await getattr(world, method)(f"/twilio/voicemail-{path}", FORM | form)) == expected
    duration = form["RecordingDuration"]
    assert await world.noted() == [facts.VoicemailLeft(RECORDING_SID, duration, status)]
    told = {"recording_sid": RECORDING_SID, "duration_s": duration, "status": status}
    assert logs == [{"event": "voicemail", "log_level": "info", "call_sid": CALL, **told}]


@pytest.mark.parametrize("url", ["", "https://a.example/", "https://a.example/secret?key=1"])
async def test_what_names_no_recording_is_not_kept(world: World, url: str) -> None:
    await world.post("/twilio/voicemail-left", FORM | {"RecordingUrl": url})
    assert await world.noted() == [facts.VoicemailLeft(status="left")]


async def test_every_word_of_twilios_voice_is_read_as_set() -> None:
    """The goodbye, the prompt and the apology."""
    german = {
        "CALLBRIDGE_LANGUAGE": "de",
        "CALLBRIDGE_VOICEMAIL_PROMPT": "Bitte.",
        "CALLBRIDGE_GOODBYE": "Ade.",
    }
    async with World(german) as world:
        await world.post("/twilio/voice")
        world.started()
        world.ended(EndReason.LIMIT_DURATION, SayGoodbye())
        goodbye = await world.post("/twilio/stream-ended", IN_PROGRESS)
        await drains(world)
        documents = (
            goodbye,
            await world.post("/twilio/voice", FORM | {"CallSid": next(world.sids)}),
            await world.post("/twilio/voicemail-left", FORM | MESSAGE | {"RecordingDuration": "0"}),
        )
    said = [say for text in documents for say in ET.fromstring(text.text).iter("Say")]  # noqa: S314 - our own
    assert [say.text for say in said] == ["Ade.", "Bitte.", APOLOGY, APOLOGY]
    assert {(say.get("voice"), say.get("language")) for say in said} == {("Polly.Vicki", "de-DE")}


OF_A_STREAM = {"StreamSid": "MZ1", "StreamEvent": "stream-started"}
BROKEN = OF_A_STREAM | {"StreamEvent": "stream-error", "StreamError": "31920"}
OF_A_CALL = {"CallStatus": "completed", "CallDuration": "61", "SequenceNumber": "3"}
INFO = {"log_level": "info"}
NEWS: list[tuple[str, dict[str, str], Fact, dict[str, str]]] = [
    (
        *("stream", BROKEN, facts.StreamReported("stream-error", "31920", "MZ1")),
        {"log_level": "warning", "stream_sid": "MZ1", "status": "stream-error", "error": "31920"},
    ),
    (
        *("stream", OF_A_STREAM, facts.StreamReported("stream-started", "", "MZ1")),
        INFO | {"stream_sid": "MZ1", "status": "stream-started"},
    ),
    (
        *("call", OF_A_CALL, facts.CallReported("completed", "61")),
        INFO | {"status": "completed", "duration_s": "61", "sequence_number": "3"},
    ),
]


@pytest.mark.parametrize(("of", "news", "fact", "line"), NEWS)
async def test_news_are_logged_and_kept(
    world: World, of: str, news: dict[str, str], fact: Fact, line: dict[str, str]
) -> None:
    """Once, however often they come. Of a stream that did not reach us it is all that is heard."""
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert verbs(await world.post(f"/twilio/{of}-status", FORM | news)) == []
    assert logs == [{"event": f"{of}_status", "call_sid": CALL, **line}]
    assert await world.noted() == [fact]


@pytest.mark.parametrize(
    "status", [*sorted(continuation.CALL_OVER), "initiated", "ringing", "in-progress", ""]
)
async def test_a_call_has_its_place_until_it_is_over(world: World, status: str) -> None:
    """A caller who hung up before the stream came frees place and session at once; again is no harm."""
    left = int(status not in continuation.CALL_OVER)
    async with world.desk.waiting:
        await world.post("/twilio/voice")
        for _ in range(2):
            assert verbs(await world.post("/twilio/call-status", FORM | {"CallStatus": status})) == []
            assert (world.places, len(world.desk.waiting)) == (left, left)


FORGERIES: dict[str, str | bytes | None] = {
    "missing": None,
    "empty": "",
    "made up": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "not ascii": "\u00fc".encode("latin-1"),
    "other account": sign("0" * 32, BASE + "/twilio/voice", FORM.items()),
    "address of the proxy": sign(AUTH_TOKEN, "http://10.0.0.7:8080/twilio/voice", FORM.items()),
}


@pytest.mark.parametrize("path", TWILIO_PATHS)
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_forged_request_is_refused_without_details(world: World, path: str, forgery: str) -> None:
    """It leaves one line of each kind, with nothing of what it claimed."""
    signature = FORGERIES[forgery]
    headers: Any = {} if signature is None else {"X-Twilio-Signature": signature}
    with structlog.testing.capture_logs() as logs:
        posted = await world.client.post(path, data=FORM, headers=headers)
        got = await world.client.get(path, params=FORM, headers=headers)
    for response in (posted, got):
        assert (response.status_code, response.json()) == (403, {"detail": "Forbidden"})
    assert {(line["event"], line["log_level"], line["path"]) for line in logs} == {
        ("webhook_refused", "warning", path)
    }
    assert len(logs) == 1
    assert not any(value in str(logs) for name, value in FORM.items() if value and name != "Direction")
    assert world.places == 0
    assert await world.kinds() == []


VALID = sorted(FORM.items())
Request = tuple[str, list[tuple[str, str]], str]
"""Path, form and signature."""


@st.composite
def one_change(draw: st.DrawFn) -> Request:
    """A genuine request with one thing changed."""
    path = draw(st.sampled_from(TWILIO_PATHS))
    form, signature = list(VALID), sign(AUTH_TOKEN, BASE + path, VALID)
    match draw(st.sampled_from(["value", "name", "left out", "added", "path", "signature"])):
        case "value":
            at = draw(st.integers(0, len(form) - 1))
            name, value = form[at]
            form[at] = (name, draw(st.text(max_size=30).filter(lambda other: other.strip() != value.strip())))
        case "name":
            at = draw(st.integers(0, len(form) - 1))
            form[at] = (draw(st.text("abcXYZ", min_size=1, max_size=9)), form[at][1])
        case "left out":
            # An empty value leaves its name to be signed, so this changes what is signed as well.
            del form[draw(st.integers(0, len(form) - 1))]
        case "added":
            form.append((draw(st.text("abcXYZ", min_size=1, max_size=9)), draw(st.text("xyz", max_size=9))))
        case "path":
            path = draw(st.sampled_from([other for other in TWILIO_PATHS if other != path]))
        case _:
            at = draw(st.integers(0, len(signature) - 1))
            other = draw(st.characters(min_codepoint=33, max_codepoint=126))
            signature = signature[:at] + (other if other != signature[at] else "!") + signature[at + 1 :]
    return path, form, signature


@given(request=one_change())
@hypothesis_settings(max_examples=60)
async def test_a_genuine_request_with_one_change_is_refused(request: Request) -> None:
    path, form, signature = request
    async with World() as world:
        assert (await world.post_raw(path, form, signature)).status_code == 403
        assert world.places == 0
        assert await world.kinds() == []


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Proto", "Host", "Forwarded"])
async def test_headers_have_no_say_in_the_address(world: World, name: str) -> None:
    """A request signed for an attacker's host is refused, whatever its headers claim."""
    signature = sign(AUTH_TOKEN, "https://evil.example/twilio/voice", FORM.items())
    value = "host=evil.example;proto=https" if name == "Forwarded" else "evil.example"
    response = await world.client.post(
        "/twilio/voice", data=FORM, headers={"X-Twilio-Signature": signature, name: value}
    )
    assert response.status_code == 403


async def test_repeated_parameters_are_all_signed(world: World) -> None:
    """A form in which a name comes twice is checked as Twilio signs it."""
    form = [*FORM.items(), ("MediaUrl", "b"), ("MediaUrl", "a")]
    signature = sign(AUTH_TOKEN, BASE + "/twilio/voice", form)
    assert verbs(await world.post_raw("/twilio/voice", form, signature))[0] == "Connect"


@pytest.mark.parametrize("path", TWILIO_PATHS)
@pytest.mark.parametrize("name", ["CallSid", "AccountSid"])
@pytest.mark.parametrize("value", [None, ""])
async def test_form_of_no_call_is_refused_in_words(
    world: World, path: str, name: str, value: str | None
) -> None:
    form = {key: entry for key, entry in (FORM | {name: value}).items() if entry is not None}
    response = await world.post(path, form)
    assert response.status_code == 400
    assert response.json() == {"detail": f"The parameter {name} is missing."}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        *((garbage, 403) for garbage in (b"\xff\xfe=%ff&=&&&=%", b"{}", b"%00=%00", b"")),
        *((b"a" * (FORM_BYTES_MAX + 1), 413), (b"a=1&" * (FORM_FIELDS_MAX + 1), 400)),
    ],
    ids=[*range(4), "many bytes", "many fields"],
)
async def test_garbage_is_refused_and_no_error(world: World, content: bytes, status: int) -> None:
    """An unsigned request cannot make the process hold much, either."""
    assert (await world.client.post("/twilio/voice", content=content)).status_code == status


async def test_request_that_breaks_off_is_not_an_error_of_ours(world: World) -> None:
    begun = {"type": "http.request", "body": b"CallSid=", "more_body": True}
    messages = iter([begun, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/twilio/voice", "query_string": b"", "headers": []}
    await world.app(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_other_methods_are_not_known(world: World) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await world.client.request(method, "/twilio/voice")).status_code == 405


async def test_switched_off_check_lets_unsigned_requests_in() -> None:
    """On loopback, with the check switched off, a plain form is enough; the account must fit."""
    async with World(UNSIGNED) as world:
        world.client.base_url = httpx.URL("http://127.0.0.1:8080")
        response = await world.client.post("/twilio/voice", data=FORM)
        assert verbs(response)[0] == "Connect"
        assert 'url="ws://127.0.0.1:8080/media-stream"' in response.text
        other = FORM | {"AccountSid": "AC" + "9" * 32}
        assert (await world.client.post("/twilio/voice", data=other)).status_code == 403
    assert world.desk.signature_check is None


@pytest.mark.parametrize(
    ("happens", "path", "status", "told"),
    [
        (drains, "/healthz", 200, {"status": "alive"}),
        (breaks, "/healthz", 503, {"status": "broken"}),
        (drains, "/readyz", 503, {"status": "not ready"}),
        *[(happens, "/readyz", 200, {"status": "ready"}) for _, happens, _ in REFUSALS[1:6]],
    ],
)
async def test_health(happens: Callable[[World], Any], path: str, status: int, told: object) -> None:
    """A process that drains lives, but gets no calls. Another that declines has the fallback to give, where
    a balancer with nowhere else to go would let callers wait. Why it declines is told to nobody here.
    """
    async with World(SMALL) as world:
        assert (await world.client.get("/readyz")).json() == {"status": "ready"}
        assert world.places == 0
        await happens(world)
        response = await world.client.get(path)
        assert (response.status_code, response.json()) == (status, told)


@pytest.mark.parametrize("path", ["/twilio/call-status", "/twilio/stream-ended"])
async def test_of_a_call_whose_process_was_killed_its_caller_is_remembered(path: str) -> None:
    """Whoever says first that it is over: behind that its words are dropped."""
    async with World({"CALLBRIDGE_CALLER_MEMORY_DAYS": "1"}) as world:
        world.started_elsewhere()
        world.desk.note(CALL, facts.TurnEnded(1, "A blue one.", "We have it.", 500, interrupted=False))
        await world.post(path, FORM | {"CallStatus": "completed"})
        assert "turn_ended" not in await world.kinds()
        key = world.desk.caller_key(CALLER)
        record = await world.state.recall(key, world.agent, world.wall_now)
    assert record is not None
    assert b"A blue one." in record.body
    assert record.going_on
