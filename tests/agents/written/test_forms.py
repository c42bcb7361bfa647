"""What an agent's file says of captured data: fields of ready types, and one request with the object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.agents.fault import AgentError
from callbridge.agents.written.reading import read_agent
from callbridge.call.outcomes import ToolOutcome
from form_rig import FormCall
from small_server import answered, small_server

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.agents.agent import Agent

HEAD = 'who = "You answer for a shop."\nallow = ["https://api.example.com"]\n'


def agent_of(text: str, folder: Path) -> Agent:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return read_agent(path, {"KEY": "pk-live-4711"}).agent


ALL_TYPES = """
[capture.visit]
about = "A visit at the shop."
[capture.visit.fields]
name = { type = "person_name" }
email = { type = "email", needed = false }
phone = { type = "phone", region = "DE" }
home = { type = "postal_address" }
day = { type = "date", past = true }
born = { type = "birth_date" }
at = { type = "date_and_time" }
code = { type = "digits", length = 4 }
alone = { type = "yes_no" }
size = { type = "choice", choices = ["small", "large"] }
note = { length_max = 20, description = "Anything else." }
guests = { type = "whole_number", at_least = 1, at_most = 8, read_back = true }
weight = { type = "number", needed = false }
"""


async def test_a_field_of_each_type_is_asked_for(tmp_path: Path) -> None:
    form = agent_of(HEAD + ALL_TYPES, tmp_path).forms["visit"]
    fields = {field["name"]: field for field in form.schema()["fields"]}
    assert [name for name, field in fields.items() if not field["is_needed"]] == ["email", "weight"]
    assert [name for name, field in fields.items() if field["has_keys"]] == ["code"]
    assert fields["size"]["schema"]["enum"] == ["small", "large"]
    assert fields["note"]["schema"]["description"] == "Anything else."
    assert fields["guests"]["schema"]["maximum"] == 8
    call = FormCall(form)
    told = await call.calls(
        "note_visit", name="anna miller", guests=9, size="huge", alone=True, note="x" * 21
    )
    assert set(call.ability.values) == {"name", "alone"}
    assert {"guests", "size", "note"} <= set(json.dumps(told).replace('"', " ").replace(":", " ").split())


BOOKING = """
[capture.booking.fields]
name = { type = "text", sent_as = "customer.name" }
guests = { type = "whole_number" }
mail = { type = "text", needed = false }
[capture.booking.send]
method = "PUT"
url = "ORIGIN/bookings?v=1"
headers = { X-Key = "${KEY}" }
timeout_s = 0.5
[capture.booking.send.parameters]
phone = { of_call = "caller_number", sent_as = "customer.phone" }
trace = { of_call = "call_sid", in = "header", sent_as = "X-Trace" }
[capture.booking.send.result]
table = "table.number"
"""


async def booked(answer: bytes | None, folder: Path) -> tuple[list[ToolOutcome], str, list[Any]]:
    """How the delivery ended, what the model is told, and what was asked."""
    async with small_server(lambda _: answer) as server:
        text = (
            (HEAD + BOOKING)
            .replace("ORIGIN", server.origin)
            .replace("https://api.example.com", server.origin)
        )
        call = FormCall(agent_of(text, folder).forms["booking"])
        await call.calls("note_booking", name="Miller", guests=2)
        await call.calls("decline_booking", field="mail")
        outcomes = await call.deliver()
        return outcomes, call.told[-1].text, server.asked


async def test_the_object_is_sent_and_the_answer_told(tmp_path: Path) -> None:
    outcomes, told, (asked,) = await booked(answered('{"table": {"number": 7}, "x": 1}'), tmp_path)
    assert outcomes == [ToolOutcome.ANSWERED]
    assert '{"table":7}' in told
    assert (asked.method, asked.target) == ("PUT", "/bookings?v=1")
    assert (asked.headers["x-key"], asked.headers["x-trace"]) == ("pk-live-4711", "CA1")
    assert asked.json == {"customer": {"name": "Miller", "phone": "+14155550100"}, "guests": 2}


@pytest.mark.parametrize(
    ("answer", "outcome", "words"),
    [
        (
            answered("Full.", status="409 Conflict", kind="text/plain"),
            ToolOutcome.FAILED,
            "409 Conflict: Full.",
        ),
        (None, ToolOutcome.TIMED_OUT, "may have been done all the same"),
    ],
)
async def test_a_delivery_that_fails_is_told(
    answer: bytes | None, outcome: ToolOutcome, words: str, tmp_path: Path
) -> None:
    """As a failure, and once."""
    outcomes, told, asked = await booked(answer, tmp_path)
    assert (outcomes, len(asked)) == ([outcome], 1)
    assert words in told


SEND = '[capture.booking.send]\nurl = "https://api.example.com/b"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '[capture.booking]\nabout = "x"',
            "line 3, capture.booking.fields: it is missing",
        ),
        (
            '[capture.booking.fields]\nx = { type = "names" }',
            "line 4, capture.booking.fields.x.type: it should be 'person_name', 'email', ",
        ),
        (
            '[capture.booking.fields]\nx = { type = "email", length = 3 }',
            "line 4, capture.booking.fields.x.length: this is not said of the type email",
        ),
        (
            '[capture.booking.fields]\nx = { type = "digits", length = 3, length_max = 4 }',
            "line 4, capture.booking.fields.x: digits: give length, exactly so many, or length_max",
        ),
        (
            '[capture.booking.fields]\nx = { type = "phone", region = "XX" }',
            "line 4, capture.booking.fields.x: phone_number: there is no region 'XX'",
        ),
        (
            '[capture.booking.fields]\nx = { type = "choice" }',
            "line 4, capture.booking.fields.x: say its `choices`",
        ),
        (
            "[capture.booking.fields]\njson = {}",
            "line 4, capture.booking.fields.json: a field cannot be called json here; call it otherwise",
        ),
        (
            f"[capture.booking.fields]\nx = {{}}\n{SEND}parameters.x.value = 1",
            "line 5, capture.booking.send: x would be sent twice, or as an object and as a value",
        ),
        (
            f"[capture.booking.fields]\nx = {{}}\n{SEND}parameters.y.type = 'integer'",
            "line 7, capture.booking.send.parameters.y: no model gives it: say what it is `of_call`",
        ),
        (
            f"[capture.booking.fields]\nx = {{}}\n{SEND}timeout_s = 60",
            "line 7, capture.booking.send.timeout_s: set it to 12 at most",
        ),
        (
            f"[capture.booking.fields]\nx = {{}}\n{SEND}method = 'GET'",
            "line 7, capture.booking.send.method: it should be 'POST', 'PUT' or 'PATCH'",
        ),
        (
            f"[capture.booking.fields]\nx = {{}}\n{SEND.replace('api', 'apy')}",
            "line 6, capture.booking.send.url: https://apy.example.com is not in the list `allow`",
        ),
    ],
)
def test_what_is_wrong_is_told(text: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(AgentError) as caught:
        agent_of(HEAD + text, tmp_path)
    faults = [line.strip() for line in str(caught.value).split("\n")[1:]]
    assert len(faults) == 1
    assert faults[0].startswith(fault)
