"""Rooms: who is let in, when the talk begins, with whom it ends, and what is told of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.phone import Leg, Moment, Person
from callbridge.simulators.phone.call_settings import FROM_NUMBER
from callbridge.simulators.phone.conferences import Conference, Conferences, Participant
from callbridge.simulators.phone.dial_nouns import ROOM_EVENTS, Callback, Room
from callbridge.simulators.phone.new_leg import NewLeg
from callbridge.simulators.phone.webhooks import Line
from leftovers import until
from scripted_service import Service, at_exchange

if TYPE_CHECKING:
    from callbridge.simulators.phone import CallReport

DESK, TO = "+15550100031", "+15550100002"
TOLD = Callback("https://example.com/room", "POST", frozenset(ROOM_EVENTS))


@dataclass
class Rooms:
    """An account's rooms, and their news."""

    told: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """URL, event and parameters."""

    def __post_init__(self) -> None:
        self.all = Conferences("AC1", lambda to, event, form: self.told.append((to.url, event, form)))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.told]

    def enter(self, name: str, room: Room | None = None) -> tuple[Conference, Participant]:
        """A leg comes in whose CallSid is its name."""
        room = room or Room("r", callback=TOLD)
        conference = self.all.open(room)
        assert conference.fault(room) is None
        return conference, conference.join(Leg(Line("AC1", "", name, "+1", "+2")), room)


async def test_a_talk_begins_with_two_of_whom_one_may_begin_it() -> None:
    rooms = Rooms()
    conference, first = rooms.enter("a", Room("r", starts=False, callback=TOLD))
    _, second = rooms.enter("b", Room("r", starts=False))
    assert (conference.status, conference.others(first)) == ("init", [])
    rooms.enter("c", Room("r"))
    assert conference.has_begun
    assert [other.leg.sid for other in conference.others(second)] == ["a", "c"]
    assert rooms.events == ["participant-join"] * 3 + ["conference-start"]
    assert [form["SequenceNumber"] for _, _, form in rooms.told] == ["1", "2", "3", "4"]


async def test_who_may_begin_a_talk_may_also_have_come_first() -> None:
    rooms = Rooms()
    rooms.enter("a")
    conference, _ = rooms.enter("b", Room("r", starts=False))
    assert conference.has_begun


async def test_who_is_taken_out_takes_those_along_who_cannot_stay_alone() -> None:
    rooms = Rooms()
    conference, first = rooms.enter("a", Room("r", ends=True, callback=TOLD))
    _, second = rooms.enter("b")
    conference.kick(first)
    assert conference.reason_ended == "participant-with-end-conference-on-exit-kicked"
    assert (first.left, second.left) == ("participant_updated_via_api", "moderator_ended_conference")


async def test_the_first_leg_alone_says_who_is_told_and_of_what() -> None:
    rooms = Rooms()
    rooms.enter("a", Room("r", callback=Callback("https://example.com/first", "POST", frozenset({"leave"}))))
    conference, second = rooms.enter("b", Room("r", label="two", ends=True, callback=TOLD))
    conference.leave(second, "participant_hung_up")
    assert [(url, event) for url, event, _ in rooms.told] == [
        ("https://example.com/first", "participant-leave")
    ] * 2
    assert rooms.told[0][2]["ReasonParticipantLeft"] == "participant_hung_up"
    assert rooms.told[0][2]["ParticipantLabel"] == "two"
    assert rooms.told[1][2]["ReasonParticipantLeft"] == "moderator_ended_conference"
    assert "CallStatus" not in rooms.told[0][2]


async def test_with_whom_a_room_ends() -> None:
    rooms = Rooms()
    conference, first = rooms.enter("a")
    _, second = rooms.enter("b", Room("r", label="human", ends=True))
    conference.leave(second, "participant_hung_up")
    assert (conference.status, first.left) == ("completed", "moderator_ended_conference")
    assert rooms.told[-1][1] == "conference-end"
    told = {"CallSidEndingConference": "b", "ParticipantLabelEndingConference": "human"}
    assert told.items() <= rooms.told[-1][2].items()
    assert conference.reason_ended == "participant-with-end-conference-on-exit-left"
    another, _ = rooms.enter("c")
    assert another is not conference, "a name is free again when its room is over"


@pytest.mark.parametrize(
    ("how", "reason", "left"),
    [
        ("end", "conference-ended-via-api", "conference_ended_via_api"),
        ("kick", "last-participant-kicked", "participant_updated_via_api"),
        ("leave", "last-participant-left", "participant_hung_up"),
    ],
)
async def test_ways_out(how: str, reason: str, left: str) -> None:
    rooms = Rooms()
    conference, only = rooms.enter("a")
    if how == "end":
        conference.end()
    elif how == "kick":
        conference.kick(only)
    else:
        conference.leave(only, "participant_hung_up")
    assert (conference.reason_ended, only.left) == (reason, left)
    assert rooms.events == ["participant-join", "participant-leave", "conference-end"]


@pytest.mark.parametrize(
    ("room", "code"),
    [
        (Room("r", label="one"), 16025),
        (Room("r", label="a/b"), 16023),
        (Room("r", label="x" * 129), 16023),
        (Room("r", label="CA" + "0" * 32), 16023),
        (Room("r", participants_max=2), 16020),
        (Room("r", coach="nobody"), 13240),
        (Room("r", label="two", coach="a"), None),
        (Room("r", coach="held"), 16027),
    ],
)
async def test_who_is_let_in(room: Room, code: int | None) -> None:
    rooms = Rooms()
    conference, _ = rooms.enter("a", Room("r", label="one"))
    _, held = rooms.enter("held")
    conference.hold(held, is_on_hold=True)
    fault = conference.fault(room)
    assert (fault and fault[0]) == code


async def test_who_hears_whom() -> None:
    rooms = Rooms()
    conference, first = rooms.enter("a")
    _, second = rooms.enter("b", Room("r", label="two"))
    _, third = rooms.enter("c")

    def hears(one: Participant) -> list[str]:
        return [other.leg.sid for other in conference.others(one)]

    assert conference.participant("two") is conference.participant("b") is second
    conference.mute(second, is_muted=True)
    assert (hears(first), hears(second)) == (["c"], ["a", "c"])
    conference.mute(second, is_muted=False)
    conference.hold(first, is_on_hold=True)
    assert (hears(first), hears(second)) == ([], ["c"])
    conference.hold(first, is_on_hold=False)
    conference.modify(third, coaches="b", ends=True)
    assert (hears(first), hears(second)) == (["b"], ["a", "c"])
    assert rooms.events[4:] == [
        "participant-mute",
        "participant-unmute",
        "participant-hold",
        "participant-unhold",
        "participant-modify",
    ]
    assert rooms.told[-1][2]["CallSidToCoach"] == "b"


# --- Legs in rooms -------------------------------------------------------------------------------


def room(more: str = "", of_dial: str = "action='/after'") -> str:
    return f"<Dial {of_dial}><Conference beep='false' {more}>r</Conference></Dial><Say>next</Say>"


async def met(service: Service, twiml: str) -> tuple[CallReport, Leg]:
    """A caller comes into the room, and then a person who was rung apart."""
    exchange = service.exchange
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(service.call().run())
        assert await until(lambda: any(one.participants for one in exchange.conferences.all.values()))
        leg = exchange.call_out(NewLeg(DESK, TO, twiml=twiml))
    return running.result(), leg


ENDS = "<Dial action='BASE/human'><Conference endConferenceOnExit='true' waitUrl=''>r</Conference></Dial>"


async def test_two_meet_and_the_room_ends_with_one_of_them() -> None:
    documents = {"voice": room("waitUrl='/wait'"), "after": "<Say>Gone.</Say>", "wait": "<Say>Wait.</Say>"}
    async with at_exchange({DESK: Person(talks_s=60)}, **documents) as service:
        report, leg = await met(service, f"<Response>{ENDS.replace('BASE', service.base)}</Response>")
    form = service.form("/after")
    assert (form["DialCallStatus"], "DialCallSid" in form, "DialBridged" in form) == (
        "answered",
        False,
        False,
    )
    assert form["CallStatus"] == "in-progress"
    assert service.form("/human")["CallStatus"] == "completed"
    assert (leg.status, leg.hung_up_by) == ("completed", "person")
    assert ("conference", FROM_NUMBER) in [(item.what, item.text) for item in leg.heard]
    assert [item.what for item in report.heard][:2] == ["<Conference>", DESK]
    assert [verb.verb for verb in report.verbs] == ["Dial", "Say"]
    (conference,) = service.exchange.conferences.all.values()
    assert (conference.status, conference.ended_by) == ("completed", leg.sid)


async def test_a_caller_who_leaves_takes_whoever_cannot_stay_alone() -> None:
    document = room(
        "endConferenceOnExit='true' waitUrl='' statusCallback='/room' statusCallbackEvent='leave'"
    )
    async with at_exchange({DESK: Person(talks_s=None)}, voice=document, after="", room="") as service:
        exchange, call = service.exchange, service.call()
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(call.run())
            assert await until(lambda: bool(exchange.conferences.all))
            leg = exchange.call_out(NewLeg(DESK, TO, twiml=f"<Response>{room(of_dial='')}</Response>"))
            assert await until(lambda: any(one.has_begun for one in exchange.conferences.all.values()))
            call.hang_up()
            await leg.over.wait()
    assert running.result().status == "completed"
    form = service.form("/after")
    assert (form["DialCallStatus"], form["CallStatus"]) == ("completed", "completed")
    assert [verb.detail for verb in leg.executed if verb.verb == "Say"] == ["next"], (
        "without action it goes on"
    )
    assert "music" not in {item.text for item in leg.heard}, "nobody waits who comes second"
    reasons = [form["ReasonParticipantLeft"] for form in service.forms("/room")]
    assert reasons == ["participant_hung_up", "moderator_ended_conference"]


async def test_a_room_answers_the_call() -> None:
    document = room("waitUrl=''", of_dial="answerOnBridge='true' action='/after'")
    async with at_exchange({}, voice=document, after="") as service:
        call = service.call()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            tasks.create_task(call.run())
            assert await until(lambda: bool(service.exchange.conferences.all))
            assert call.leg.status == "in-progress"
            call.hang_up()


async def test_who_waits_in_vain_leaves() -> None:
    async with at_exchange({DESK: Person(leaves=Moment.WAITING, leaves_after_s=20)}) as service:
        document = f"<Response>{room(of_dial='')}</Response>"
        leg = service.exchange.call_out(NewLeg(DESK, TO, twiml=document))
        await asyncio.wait_for(leg.over.wait(), 5)
    assert (leg.status, leg.hung_up_by) == ("completed", "person")
    assert [(item.what, item.text) for item in leg.heard] == [("<Conference>", "music")]


async def test_what_is_heard_in_a_room_needs_an_address_of_its_own_in_a_document_without_one() -> None:
    async with at_exchange({DESK: Person()}) as service:
        enters = room("waitUrl='/wait'", of_dial="")
        leg = service.exchange.call_out(NewLeg(DESK, TO, twiml=f"<Response>{enters}</Response>"))
        await asyncio.wait_for(leg.over.wait(), 5)
    assert [complaint.code for complaint in leg.complaints] == [15004]
    assert service.exchange.conferences.all == {}, "who hears nothing does not get in"


@pytest.mark.parametrize(
    ("document", "wait", "codes", "status"),
    [
        (room("waitUrl='/none'"), "", [11200], "failed"),
        (room("waitUrl='/wait'"), "<Say>Wait.</Say><Dial>+1</Dial>", [13238], "answered"),
        (room("participantLabel='a/b'"), "", [16023], None),
    ],
)
async def test_what_a_room_minds(document: str, wait: str, codes: list[int], status: str | None) -> None:
    """Who does not get in because of a label goes on with the document; a waitUrl may not dial."""
    async with at_exchange({}, voice=document, wait=wait, after="<Hangup/>") as service:
        exchange, call = service.exchange, service.call(verb_time=0.001)
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(call.run())
            if status == "answered":
                assert await until(lambda: len(service.forms("/wait")) > 1)
                for conference in exchange.conferences.all.values():
                    conference.end()
    assert {warning.code for warning in running.result().warnings} == set(codes)
    assert [form["DialCallStatus"] for form in service.forms("/after")] == ([status] if status else [])
    assert ([verb.verb for verb in running.result().verbs][-1] == "Say") == (status is None)
