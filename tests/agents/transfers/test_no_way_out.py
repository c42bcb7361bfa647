"""Whatever a model writes, nobody is rung whom the operator has not named, and it sees no address."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from callbridge import Agent, Call, Destination, Transfer, by
from callbridge.agents.transfers.addresses import AddressFault, checked_address
from callbridge.call import facts, wishes
from callbridge.call import wants as w
from transfer_calls import Calling

STATIC, BERLIN, OTHERWISE = "+14155550100", "+493012345678", "sip:desk@pbx.example.com"
BOUNDS = ["+4940", "sip:*@pbx.example.com"]
SECRET = ("14155550100", "493012345678", "pbx.example.com", "4940")
"""What no model may see of them."""

NAMES = ("static", "ruled", "asked", "said")

HOSTILE = st.one_of(
    st.sampled_from(
        [
            *("+19002345678", "911", "sip:evil@evil.example", "client:evil", "static\n", "STATIC", "static "),
            *('"}{"to": "+1900', "{caller}", "{0.__class__}", "\u202e", "\ud800", "x" * 20_000, "+4940" * 99),
        ]
    ),
    st.text(max_size=30),
    st.sampled_from(NAMES),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.one_of(
    st.fixed_dictionaries(
        {"to": st.sampled_from(NAMES) | JSON, "reason": HOSTILE | JSON},
        optional={"summary": HOSTILE | JSON, "address": JSON, "say": JSON, "name": JSON},
    ).map(json.dumps),
    st.dictionaries(HOSTILE, JSON, max_size=4).map(json.dumps),
    st.sampled_from(["", "{", "null", "[]", '{"to": "static", "to": "asked", "reason": ""}', "[" * 5000]),
)
TOOLS = st.sampled_from(["transfer", "transfer_failed", "send", "note", "key 1", "end_call"])


def hostile_agent() -> Agent:
    """One whose tools believe all that a model writes."""

    def asked(call: Call) -> str:
        return str(call.values.get("city"))

    agent = Agent(
        transfers=[
            Destination("static", STATIC, asks=True, briefing="{city}: {reason}. {summary}"),
            Destination("ruled", by("city", {"Berlin": BERLIN}, otherwise=OTHERWISE), warm=True),
            Destination("asked", asked, within=BOUNDS),
            Destination("said", STATIC, says="One moment."),
        ]
    )

    @agent.tool
    async def send(name: str, words: str) -> Transfer:
        """Put through."""
        return Transfer(name, say=words, reason=words, summary=words)

    @agent.tool
    async def note(call: Call, city: str) -> str:
        """Note the city."""
        call.values["city"] = city
        return "noted"

    return agent


AGENT = hostile_agent()


def is_configured(address: str) -> bool:
    """Whether the operator allows it, judged without the code under test."""
    user, _, host = address.partition("@")
    is_of_function = (address.startswith("+4940") and address[1:].isascii() and address[1:].isdigit()) or (
        user.startswith("sip:") and host.split(";")[0].lower() == "pbx.example.com"
    )
    return address in {STATIC, BERLIN, OTHERWISE} or is_of_function


CITIES = st.sampled_from(
    [
        *("berlin", "+49401234567", "sip:a@pbx.example.com", "sip:a@pbx.example.com;transport=tls"),
        *("+14155550111", "+49411234567", "+4940", "+49401234567 ", "+49401234567,+19002345678"),
        *(
            "sip:evil@evil.example",
            "sip:a@pbx.example.com.evil.example",
            "sip:a@evil.example;@pbx.example.com",
        ),
        *("client:evil", "sips:a@pbx.example.com", "sip:a@pbx.example.com?X=1", "sip:+4940@evil.example"),
    ]
)
"""What the user's function answers then: it believes the model."""

CALLS = st.one_of(
    st.tuples(TOOLS, ARGUMENTS),
    st.tuples(st.just("note"), st.fixed_dictionaries({"city": CITIES | HOSTILE}).map(json.dumps)),
    st.just(("transfer", '{"to": "asked", "reason": ""}')),
    st.just(("transfer", '{"to": "ruled", "reason": ""}')),
    st.tuples(st.just("send"), st.fixed_dictionaries({"name": HOSTILE, "words": HOSTILE}).map(json.dumps)),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(CALLS, max_size=6))
def test_no_argument_leads_to_an_address_that_is_not_configured(calls: list[tuple[str, str]]) -> None:
    async def play() -> tuple[list[Any], list[str]]:
        results, outputs = list[Any](), list[str]()
        async with asyncio.TaskGroup() as tasks:
            calling = Calling(AGENT, tasks)
            outputs += [calling.agent.instructions, repr(calling.agent.definitions)]
            for name, arguments in calls:
                calling.tells(facts.CallerSpoke(1, 700))
                result = await calling.run(name, arguments)
                outputs.append(result.output)
                results += [result.wish, *(done.wish for done in calling.of(w.WishSet))]
        return results, outputs

    wished, outputs = asyncio.run(play())
    given_by_model = "".join(arguments for _, arguments in calls)
    for wish in wished:
        if isinstance(wish, wishes.Transfer):
            assert is_configured(wish.address)
            assert checked_address(wish.address) == wish.address
            assert len(wish.briefing) <= 600
            assert len(wish.reason) <= 300
            assert (wish.briefing + wish.reason).isprintable()  # Half a character is not.
    for output in outputs:
        assert not [part for part in SECRET if part in output and part not in given_by_model]


@given(st.text(max_size=40) | st.from_regex(r"\A\+?[0-9]{1,20}\Z") | HOSTILE)
def test_what_is_rung_can_be_rung(text: str) -> None:
    try:
        address = checked_address(text)
    except AddressFault:
        return
    assert address == text
    assert address.isascii()
    assert address.isprintable()
    assert not set(address) & set(" \"'<>&?\\")
    assert address.startswith(("+", "sip:", "sips:", "client:"))
