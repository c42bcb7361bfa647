"""Destinations as they are written down: what can be, and what is refused when the agent is made."""

from __future__ import annotations

from typing import Any

import pytest

from callbridge import Agent, AgentFault, Call, Destination, Flow, Step, by
from callbridge.agents.tools.schema import ToolError
from callbridge.agents.transfers.addresses import checked_address, is_within
from callbridge.agents.transfers.templates import Template

SALES = "+14155550100"


def anybody() -> str:
    return SALES


def of_two(call: Call, one: str, other: str) -> str:
    return call.called + one + other


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"name": ""}, "a name is"),
        ({"name": "sales department"}, "a name is"),
        ({"name": "+14155550100"}, "a name is"),
        ({"to": "911"}, "8 to 15 digits"),
        ({"to": "+911"}, "8 to 15 digits"),
        ({"to": "+49112"}, "8 to 15 digits"),
        ({"to": "04155550100"}, "8 to 15 digits"),
        ({"to": "+1 415 555 0100"}, "8 to 15 digits"),
        ({"to": "+14155550100\n"}, "8 to 15 digits"),
        ({"to": "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"}, "8 to 15 digits"),
        ({"to": "+499001123456"}, "premium"),
        ({"to": "+19002345678"}, "premium"),
        ({"to": "sip:pbx.example.com"}, "like sip:sales@"),
        ({"to": "sip:a@pbx.example.com?X-To=+1900"}, "like sip:sales@"),
        ({"to": "sip:a@pbx.example.com;maddr=evil.example"}, "like sip:sales@"),
        ({"to": "client:"}, "like client:anna"),
        ({"to": "client:an na"}, "like client:anna"),
        ({"to": 5}, "to is an address"),
        ({"to": by("city", {"Berlin": "112"})}, "8 to 15 digits"),
        ({"to": by("city", {"Berlin": SALES}, otherwise="0")}, "8 to 15 digits"),
        ({"to": anybody}, "needs bounds"),
        ({"to": of_two, "within": ["+1"]}, "sales', to: it is given the call"),
        ({"asks": True, "briefing": of_two}, "sales', briefing: it is given the call"),
        ({"to": anybody, "within": ["+"]}, "no bound"),
        ({"to": anybody, "within": ["sip:*@*"]}, "no bound"),
        ({"within": ["+49"]}, "within is for a function"),
        ({"ring_s": 4}, "5 to 120"),
        ({"ring_s": 121}, "5 to 120"),
        ({"ring_s": True}, "5 to 120"),
        ({"extension": "12a"}, "digits"),
        ({"to": "client:anna", "extension": "12"}, "numbers only"),
        ({"to": by("x", {"a": SALES, "b": "sip:a@b.example"}), "extension": "1"}, "numbers only"),
        ({"to": anybody, "within": ["+49", "client:*"], "extension": "1"}, "numbers only"),
        ({"shows": "nobody"}, "caller or line"),
        ({"hours": "Mo-Fr"}, "add the hours"),
        ({"asks": True, "briefing": "{name"}, "brace"),
        ({"asks": True, "briefing": "{caller.number}"}, "no name"),
        ({"asks": True, "briefing": "{name!r}"}, "no name"),
        ({"asks": True, "briefing": " "}, "has words"),
        ({"briefing": "{name} calls."}, "nobody hears"),
        ({"when": "they want +1 (415) 555-0100"}, "what the model reads"),
        ({"says": "I ring 14155550100."}, "what the model reads"),
        ({"when": "x" * 501}, "500"),
        ({"language": "german"}, "language"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], why: str) -> None:
    arguments: dict[str, Any] = {"name": "sales", "to": SALES} | given
    with pytest.raises(AgentFault, match=why):
        Destination(arguments.pop("name"), arguments.pop("to"), **arguments)


def test_warm_implies_that_they_are_asked() -> None:
    sales = Destination("sales", SALES, warm=True, extension="ww12#", hours="Mo 9-10", language="de-AT")
    assert (sales.asks, sales.warm, sales.wants_summary) == (True, True, True)
    assert not Destination("sales", SALES, asks=True, briefing="{reason}").wants_summary


def test_names_are_unique_and_known() -> None:
    sales, again = Destination("sales", SALES), Destination("Sales", "client:anna")
    with pytest.raises(AgentFault, match="same name"):
        Agent(transfers=[sales, again])
    with pytest.raises(AgentFault, match="'sales' is no Destination"):
        Agent(transfers=["sales"])  # type: ignore[list-item] # That is what is tested.
    with pytest.raises(AgentFault, match="at most 50"):
        Agent(transfers=[Destination(f"n{n}", "client:anna") for n in range(51)])
    for wrong in (Step("hello", transfers=["support"], ends=True), Step("hello", transfer="support")):
        with pytest.raises(AgentFault, match="step hello: there is no destination support; there are: sales"):
            Agent(transfers=[sales], flow=Flow(wrong))
    with pytest.raises(AgentFault, match="cannot be put through"):
        Agent(transfers=[sales], flow=Flow(Step("hello", transfer="sales", ends=True)))
    with pytest.raises(ToolError, match="transfer"):
        Agent(transfers=[sales], tools=[transfer])
    with pytest.raises(AgentFault, match="give each value one address"):
        by("city", {"Berlin": SALES, "berlin ": SALES})
    with pytest.raises(AgentFault, match="give the agent transfers"):
        Agent().transfer_failed(anybody)


def transfer() -> None:
    """A user's own."""


@pytest.mark.parametrize(
    ("bound", "inside", "outside"),
    [
        ("+4930", ["+493012345"], ["+493112345", "+14930123456", "sip:+493012345@b.example", "client:x"]),
        (
            "sip:*@pbx.example.com",
            ["sip:anna@pbx.example.com", "sip:bob@PBX.example.com;transport=tls"],
            ["sip:anna@pbx.example.com.evil.example", "sip:a@xpbx.example.com", "sips:anna@pbx.example.com"],
        ),
        ("sip:anna@pbx.example.com:5061", ["sip:anna@pbx.example.com:5061"], ["sip:anna@pbx.example.com"]),
        ("client:*", ["client:anna"], ["+493012345", "sip:client@b.example"]),
        ("client:anna", ["client:anna"], ["client:annabel", "client:Anna"]),
    ],
)
def test_a_bound_allows_what_is_within_it(bound: str, inside: list[str], outside: list[str]) -> None:
    assert Destination("sales", anybody, within=[bound]).within == (bound,)
    assert all(is_within(checked_address(address), [bound]) for address in inside)
    assert not any(is_within(checked_address(address), [bound]) for address in outside)


def test_a_template_leaves_out_sentences_of_which_something_is_missing() -> None:
    template = Template.read("{name} calls about {reason}. The order is {order}! Take care, {{really}}.")
    assert template.names == {"name", "reason", "order"}
    assert template.filled({"name": "Anna", "reason": "a cake"}) == (
        "Anna calls about a cake. Take care, {really}."
    )
    assert template.filled({"order": "7", "name": ""}) == "The order is 7! Take care, {really}."
