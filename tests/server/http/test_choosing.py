"""The webhook and who answers: what an agent is told of its call, and that it is chosen once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from callbridge.agents.agent import Agent
from callbridge.agents.choosing.choice import Roster
from callbridge.agents.context import Call, Caller, CallerKind
from callbridge.call import facts
from callbridge.call.agent_facts import ValuesSet
from callbridge.call.facts import CallDescribed, Fact
from callbridge.server.config.plan import Plans, call_limits
from callbridge.server.http.about import CHARACTERS_MAX, PARAMETERS_MAX, about, described
from callbridge.server.http.forms import TwilioForm
from callbridge.server.http.webhooks import webhook_router
from callbridge.switchboard.continuation import read_facts
from callbridge.telephony.signatures import sign
from desks import ACCOUNT, AUTH_TOKEN, BASE, CALL, CALLED, CALLER, FrontDesk

FORM = {"CallSid": CALL, "AccountSid": ACCOUNT, "From": CALLER, "To": CALLED, "CallStatus": "ringing"}
DESCRIBED = FORM | {"CallerName": "ANNA", "StirVerstat": "TN-Validation-Passed-A", "SipHeader_X-Desk": "7"}
SAID = CallDescribed("ANNA", "A", (("agent", "clinic"), ("SipHeader_X-Desk", "7")))

AGENTS = {"bakery": Agent(), "clinic": Agent(model="gpt-of-the-clinic")}


@dataclass
class World(FrontDesk):
    """One service whose agent a function chooses, and a Twilio that signs."""

    asked: list[Call] = field(default_factory=list)
    """The calls that an agent was chosen for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        roster = Roster(AGENTS, default="bakery", choose=self.choose)
        self.desk.plans = Plans(self.desk.settings, roster, call_limits(self.desk.settings))
        self.app = FastAPI()
        self.app.include_router(webhook_router(self.desk))

    async def choose(self, call: Call) -> Agent:
        """By a parameter of the voice URL. What it knows of the caller it keeps."""
        self.asked.append(call)
        call.values["customer"] = 7
        return AGENTS[call.parameters.get("agent", "bakery")]

    async def post(self, path: str, form: Mapping[str, str]) -> str:
        """A genuine request."""
        path = path.partition("#")[0]
        headers = {"X-Twilio-Signature": sign(AUTH_TOKEN, BASE + path, form.items())}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=BASE) as client:
            return (await client.post(path, data=dict(form), headers=headers)).text

    async def facts(self) -> list[Fact]:
        """What is written of the call."""
        return [fact for _, fact in read_facts(await self.state.events(CALL))]

    async def of(self, kind: type[Fact]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in await self.facts() if isinstance(fact, kind)]


async def test_an_agent_is_chosen_once_for_a_call() -> None:
    """With all that the webhook says. Twilio repeats it, here or to another process: the same answer."""
    world = World()
    first = await world.post("/twilio/voice?agent=clinic", DESCRIBED)
    again = await asyncio.gather(*(world.post("/twilio/voice?agent=clinic", DESCRIBED) for _ in range(3)))
    other = World()
    other.desk.state = other.state = world.state
    again.append(await other.post("/twilio/voice?agent=clinic", DESCRIBED))
    assert set(again) == {first}
    (call,) = world.asked + other.asked
    assert (call.sid, call.called, call.parameters) == (
        CALL,
        CALLED,
        {"SipHeader_X-Desk": "7", "agent": "clinic"},
    )
    assert call.caller == Caller(CALLER, CallerKind.PHONE, "ANNA", "A")
    (offered,) = await world.of(facts.CallOffered)
    assert (offered.agent, offered.promise.agent) == ("clinic", "clinic")


async def test_what_was_learnt_is_kept_for_as_long_as_words() -> None:
    """Whichever process gets the stream reads it there; when the call is over it is dropped."""
    world = World()
    await world.post("/twilio/voice?agent=clinic", DESCRIBED)
    (said,), (values,) = await world.of(CallDescribed), await world.of(ValuesSet)
    assert (said.caller_name, said.attestation, said.parameters) == (SAID.caller_name, "A", SAID.parameters)
    assert values.values == '{"customer":7}'
    world.desk.release(CALL)
    assert await world.of(CallDescribed) == []


async def test_nothing_is_kept_of_a_call_that_is_not_taken() -> None:
    world = World()
    world.desk.drain.begin()
    await world.post("/twilio/voice?agent=clinic", DESCRIBED)
    assert [fact.kind for fact in await world.facts()] == ["call_offered"]


async def test_the_circuit_of_the_agents_own_model_decides() -> None:
    """An outage of one model turns nobody away who is answered by another."""
    world = World()
    for _ in range(20):
        world.desk.circuits.failed("gpt-of-the-clinic", world.now, is_fatal=True)
    await world.post("/twilio/voice?agent=clinic", FORM)
    await world.post("/twilio/voice", FORM | {"CallSid": "CA" + "2" * 32})
    (declined,) = await world.of(facts.CallOffered)
    assert (declined.agent, declined.promise) == ("clinic", None)
    assert world.places == 1


async def test_the_agent_of_a_stream_that_never_began_gets_the_next_one() -> None:
    """Its address has no parameters of the number's: to choose anew would be to choose another."""
    world = World()
    await world.post("/twilio/voice?agent=clinic", FORM)
    await world.post("/twilio/stream-ended?stream=1", FORM | {"CallStatus": "in-progress"})
    (asked,) = await world.of(facts.StreamAsked)
    assert (asked.promise.agent, len(world.asked)) == ("clinic", 1)


async def test_for_a_call_that_nobody_knows_an_agent_is_chosen_anew() -> None:
    world = World()
    await world.post("/twilio/stream-ended?stream=1", FORM | {"CallStatus": "in-progress"})
    (asked,) = await world.of(facts.StreamAsked)
    assert (asked.promise.agent, len(world.asked)) == ("bakery", 1)


# --- What a form says -------------------------------------------------------------------------------


def said(
    form: Mapping[str, str], query: Mapping[str, str] | None = None, method: str = "POST"
) -> CallDescribed:
    """The description of a call by its form, and by the address of its webhook."""
    asked = {**(query or {}), **(form if method == "GET" else {})}
    scope = {"type": "http", "method": method, "query_string": urlencode(asked).encode(), "headers": []}
    return described(Request(scope), TwilioForm(CALL, ACCOUNT, dict(form)))


@pytest.mark.parametrize(
    ("verdict", "attestation"),
    [
        ("TN-Validation-Passed-A", "A"),
        ("TN-Validation-Passed-B", "B"),
        ("TN-Validation-Passed-C", "C"),
        ("TN-Validation-Passed-A-Diverted", "A"),
        ("TN-Validation-Passed-A-Passthrough", ""),
        ("TN-Validation-Passed-A-Diverted-Passthrough", ""),
        ("TN-Validation-Failed-A", ""),
        ("TN-Validation-Failed", ""),
        ("No-TN-Validation", ""),
        ("", ""),
    ],
)
def test_only_what_the_carrier_vouches_for_is_attested(verdict: str, attestation: str) -> None:
    assert said({"StirVerstat": verdict}).attestation == attestation


def test_parameters_are_the_addresss_own_and_headers_of_sip() -> None:
    """Of a GET Twilio's own stand in the same query: what begins with a capital is Twilio's."""
    form = {"From": CALLER, "SipHeader_X-Desk": "7", "SomethingNew": "1", "custom": "of an app"}
    query = {"agent": "clinic", "Lang": "de", "empty": ""}
    posted = {"SipHeader_X-Desk": "7", "agent": "clinic", "Lang": "de", "empty": ""}
    assert dict(said(form, query).parameters) == posted
    got = {"SipHeader_X-Desk": "7", "agent": "clinic", "empty": "", "custom": "of an app"}
    assert dict(said(form, query, "GET").parameters) == got
    # A caller cannot speak for the address.
    assert dict(said({"SipHeader_X-A": "caller"}, {"SipHeader_X-A": "ours"}).parameters) == {
        "SipHeader_X-A": "ours"
    }


def test_what_a_form_says_is_bounded() -> None:
    headers = {f"SipHeader_X-{number}": "v" * 600 for number in range(100)}
    found = said({"CallerName": "n" * 600, "SipHeader_" + "x" * 600: "1", **headers})
    assert len(found.parameters) == PARAMETERS_MAX
    assert {len(value) for _, value in found.parameters} == {len(found.caller_name)} == {CHARACTERS_MAX}
    assert said(FORM) == CallDescribed()
    # A caller by SIP cannot crowd out what the number's address says.
    assert ("agent", "clinic") in said(headers, {"agent": "clinic"}).parameters


@pytest.mark.parametrize(
    ("caller", "number", "kind"),
    [
        (CALLER, CALLER, CallerKind.PHONE),
        ("whatsapp:+14155550100", "whatsapp:+14155550100", CallerKind.PHONE),
        ("sip:anna@pbx.example.com", "sip:anna@pbx.example.com", CallerKind.SIP),
        ("client:anna", "client:anna", CallerKind.CLIENT),
        ("+7378742833", "", CallerKind.ANONYMOUS),
        ("anonymous", "", CallerKind.ANONYMOUS),
        ("sip:anonymous@anonymous.invalid", "", CallerKind.ANONYMOUS),
        ("", "", CallerKind.ANONYMOUS),
    ],
)
def test_who_calls(caller: str, number: str, kind: CallerKind) -> None:
    """Who cannot be told apart has no key under which anything is remembered of them."""
    known = about(FrontDesk().desk, CALL, caller, CALLED, CallDescribed())
    assert known.caller == Caller(number, kind)
    assert bool(known.caller_key) is (kind is not CallerKind.ANONYMOUS)
    assert known.time_zone == "UTC"
