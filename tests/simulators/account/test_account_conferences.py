"""Conferences of the simulated account, over rooms in which people are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accounts import OURS, Desk

from callbridge.simulators.account import AccountSettings
from callbridge.simulators.phone import Exchange, Person
from leftovers import until

ANNA, BEN, CARA = "+14155550191", "+14155550192", "+14155550193"
PEOPLE = {address: Person(after_s=0, talks_s=None) for address in (ANNA, BEN, CARA)}
ENTERS = (
    "<Response><Dial><Conference participantLabel='{}'>room-7</Conference></Dial><Pause length='3600'/>"
    "</Response>"
)


@asynccontextmanager
async def meeting() -> AsyncIterator[tuple[Desk, str]]:
    """Anna and Ben are in a room: the account, and the room's sid."""
    async with asyncio.timeout(10), Exchange(people=PEOPLE, pace=0.01) as exchange:
        desk = Desk(AccountSettings(numbers=(OURS,)), exchange)
        desk.clock.now = time.time()
        for address, label in ((ANNA, "anna"), (BEN, "ben")):
            desk.ask("POST", "/Calls.json", {"To": address, "From": OURS, "Twiml": ENTERS.format(label)})
        rooms = exchange.conferences.all
        assert await until(lambda: any(len(room.participants) == 2 for room in rooms.values()))
        yield desk, next(iter(rooms))


async def test_who_is_in_a_room_is_told() -> None:
    async with meeting() as (desk, sid):
        found = desk.ask("GET", f"/Conferences/{sid}.json")
        assert (found["friendly_name"], found["status"]) == ("room-7", "in-progress")
        listed = desk.ask("GET", "/Conferences.json?FriendlyName=room-7&Status=in-progress")
        assert [room["sid"] for room in listed["conferences"]] == [sid]
        there = desk.ask("GET", f"/Conferences/{sid}/Participants.json")["participants"]
        assert [(one["label"], one["muted"], one["status"]) for one in there] == [
            ("anna", False, "connected"),
            ("ben", False, "connected"),
        ]
        by_label = desk.ask("GET", f"/Conferences/{sid}/Participants/anna.json")
        assert by_label["call_sid"] == there[0]["call_sid"]
        assert desk.code("GET", f"/Conferences/{sid}/Participants/cara.json") == (404, 20404)
        assert desk.code("GET", f"/Conferences/CF{'0' * 32}.json") == (404, 20404)


async def test_a_participant_is_muted_held_and_coached() -> None:
    async with meeting() as (desk, sid):
        anna, ben = (f"/Conferences/{sid}/Participants/{who}.json" for who in ("anna", "ben"))
        found = desk.ask("POST", anna, {"Muted": "true", "EndConferenceOnExit": "true"})
        assert (found["muted"], found["hold"], found["end_conference_on_exit"]) == (True, False, True)
        assert desk.ask("POST", ben, {"Hold": "true"})["hold"] is True
        held = desk.ask("GET", f"/Conferences/{sid}/Participants.json?Hold=true")["participants"]
        assert [one["label"] for one in held] == ["ben"]
        call = desk.ask("GET", ben)["call_sid"]
        coaching = desk.ask("POST", anna, {"Coaching": "true", "CallSidToCoach": call})
        assert (coaching["coaching"], coaching["call_sid_to_coach"], coaching["muted"]) == (True, call, True)
        nobody = {"Coaching": "true", "CallSidToCoach": "CA" + "0" * 32}
        assert desk.code("POST", anna, nobody) == (400, 16028)
        for unheard in ("HoldUrl", "AnnounceUrl", "WaitUrl"):
            assert desk.code("POST", ben, {"Hold": "false", unheard: "https://a.example/x"}) == (400, 20422)
        assert desk.ask("GET", ben)["hold"] is True, "refused means not done"


async def test_who_is_taken_out_goes_on_with_their_document() -> None:
    async with meeting() as (desk, sid):
        path = f"/Conferences/{sid}/Participants/ben.json"
        call = desk.ask("GET", path)["call_sid"]
        assert desk.send("DELETE", path).answer.status == 204
        assert desk.code("DELETE", path) == (404, 20404)
        exchange = desk.account.exchange
        assert isinstance(exchange, Exchange)
        leg = exchange.legs[call]
        assert await until(lambda: "Pause" in [verb.verb for verb in leg.executed])
        assert leg.status == "in-progress"


async def test_a_name_opens_a_room_and_is_found_again() -> None:
    async with meeting() as (desk, sid):
        asked = {"To": CARA, "From": OURS}
        made = desk.ask("POST", "/Conferences/a-new-room/Participants.json", asked)
        assert made["conference_sid"] != sid
        assert desk.ask("GET", f"/Conferences/{made['conference_sid']}.json")["friendly_name"] == "a-new-room"
        again = desk.ask("POST", "/Conferences/a-new-room/Participants.json", asked)
        assert again["conference_sid"] == made["conference_sid"]
        joins = desk.ask("POST", "/Conferences/room-7/Participants.json", asked)
        assert joins["conference_sid"] == sid


async def test_who_can_be_added_and_how() -> None:
    async with meeting() as (desk, sid):
        path, asked = f"/Conferences/{sid}/Participants.json", {"To": CARA, "From": OURS}
        for changed, code in (
            ({"To": ""}, 21201),
            ({"From": ""}, 21213),
            ({"From": ANNA}, 21210),
            ({"Timeout": "4"}, 21208),
            ({"CallToken": "x"}, 20422),
            ({"MachineDetection": "Enable"}, 20422),
            ({"Record": "true"}, 20422),
        ):
            assert desk.code("POST", path, {**asked, **changed}) == (400, code)
        assert desk.complained == []
        made = desk.ask("POST", path, {**asked, "AsyncAmd": "true", "Muted": "true", "Label": "cara"})
        assert desk.complained == [21263], "it is implied"
        cara = f"/Conferences/{sid}/Participants/cara.json"
        assert await until(lambda: desk.send("GET", cara).answer.status == 200)
        assert (desk.ask("GET", cara)["muted"], made["muted"]) == (True, True)


async def test_who_is_added_is_rung_into_the_room_and_their_call_ends_with_it() -> None:
    async with meeting() as (desk, sid):
        asked = {
            "To": CARA,
            "From": OURS,
            "Label": "cara",
            "Beep": "false",
            "StatusCallbackEvent": "answered",
        }
        made = desk.ask("POST", f"/Conferences/{sid}/Participants.json", asked)
        assert (made["status"], made["label"], made["conference_sid"]) == ("queued", "cara", sid)
        path = f"/Conferences/{sid}/Participants/cara.json"
        assert await until(lambda: desk.send("GET", path).answer.status == 200)
        desk.ask("POST", f"/Conferences/{sid}.json", {"Status": "completed"})
        ended = desk.ask("GET", f"/Conferences/{sid}.json")
        assert (ended["status"], ended["reason_conference_ended"]) == (
            "completed",
            "conference-ended-via-api",
        )
        assert desk.code("POST", f"/Conferences/{sid}.json", {"Status": "completed"}) == (404, 20404)
        assert await until(lambda: desk.account.exchange.legs[made["call_sid"]].status == "completed")
        assert desk.code("POST", f"/Conferences/{sid}/Participants.json", asked) == (400, 16022)
        assert desk.complained == []
