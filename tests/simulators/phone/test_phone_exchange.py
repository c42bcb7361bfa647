"""One call reaches another: people who are rung, whispers, and what the action of a `<Dial>` is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from callbridge.simulators.phone import AccountNumber, Answers, Exchange, LineSettings, Moment, Person
from callbridge.simulators.phone.call_settings import FROM_NUMBER, TO_NUMBER
from leftovers import until
from scripted_service import at_exchange, scripted_service

if TYPE_CHECKING:
    from callbridge.simulators.phone import CallReport, Leg
    from scripted_service import Service

DESK, OTHER = "+15550100031", "+15550100032"
TALKED = {"DialCallStatus": "completed", "DialBridged": "true"}
LAG_S = 2.4
"""What a busy machine takes for itself is time on the line as well; half of the 5 s that it rings longer."""
IN_VAIN = {"DialCallStatus": "completed", "DialBridged": "false"}
WHISPER = "<Gather numDigits='1' action='/pressed' timeout='5'><Say>Press one.</Say></Gather><Hangup/>"


def dial(nouns: str = f"<Number>{DESK}</Number>", more: str = "") -> str:
    return f"<Dial action='/after' timeout='20' {more}>{nouns}</Dial><Say>never</Say>"


BRIEFED = dial(f"<Number url='/whisper'>{DESK}</Number>")


async def called(service: Service) -> tuple[CallReport, dict[str, str]]:
    """The report of a call that dials once, and what its action was told."""
    async with asyncio.timeout(10):
        report = await service.call().run()
    return report, service.form("/after")


def heard(leg: Leg) -> list[tuple[str, str]]:
    return [(item.what, item.text) for item in leg.heard]


@pytest.mark.parametrize(
    ("person", "told", "status", "code", "rung_s"),
    [
        (Person(after_s=4, talks_s=60), TALKED, "completed", [], 4),
        (Person(answers=Answers.MAILBOX, after_s=4), TALKED, "completed", [], 4),
        (Person(answers=Answers.BUSY, after_s=1), {"DialCallStatus": "busy"}, "busy", [], 1),
        (Person(answers=Answers.DECLINES, after_s=6), {"DialCallStatus": "busy"}, "busy", [], 6),
        (Person(answers=Answers.NO_ANSWER), {"DialCallStatus": "no-answer"}, "no-answer", [], 25),
        (Person(after_s=25), {"DialCallStatus": "no-answer"}, "no-answer", [], 25),
        (Person(answers=Answers.UNREACHABLE), {"DialCallStatus": "failed"}, "failed", [], 0),
    ],
)
async def test_what_becomes_of_a_ring(
    person: Person, told: dict[str, str], status: str, code: list[int], rung_s: float
) -> None:
    """Twilio rings 5 s longer than it is told to."""
    async with at_exchange({DESK: person}, voice=dial(), after="<Hangup/>") as service:
        report, form = await called(service)
    (leg,) = service.exchange.to(DESK)
    assert told.items() <= form.items()
    assert form["DialBridged"] == ("true" if told is TALKED else "false")
    talked_s = person.talks_s if told is TALKED else None
    assert int(form.get("DialCallDuration", 0)) == pytest.approx(talked_s or 0, abs=LAG_S)
    assert ("DialCallDuration" in form) == (leg.answered_at is not None)
    assert (form["DialCallSid"], form["CallStatus"]) == (leg.sid, "in-progress")
    assert (leg.status, leg.direction, leg.from_address) == (status, "outbound-dial", FROM_NUMBER)
    ringing = next(item for item in report.heard if item.what == "<Dial>")
    assert ringing.to_ms - ringing.from_ms == pytest.approx(rung_s * 1000, abs=LAG_S * 1000)
    assert report.longest_wait_ms == pytest.approx(rung_s * 1000, abs=LAG_S * 1000)
    assert [warning.code for warning in report.warnings] == code
    assert [verb.verb for verb in report.verbs] == ["Dial", "Hangup"]


@pytest.mark.parametrize(
    ("person", "pressed", "told", "asked"),
    [
        (Person(presses=("1",)), "", TALKED, True),
        (Person(presses=("1",)), "<Hangup/>", IN_VAIN, True),
        (Person(), "", IN_VAIN, False),
        (Person(answers=Answers.MAILBOX), "", IN_VAIN, False),
        (Person(leaves=Moment.BRIEFING, presses=("1",)), "", IN_VAIN, False),
        (Person(leaves=Moment.KEYS, presses=("1",)), "", IN_VAIN, False),
    ],
)
async def test_who_is_briefed_accepts_with_a_key(
    person: Person, pressed: str, told: dict[str, str], *, asked: bool
) -> None:
    documents = {"voice": BRIEFED, "whisper": WHISPER, "pressed": pressed, "after": "<Hangup/>"}
    async with at_exchange({DESK: person}, **documents) as service:
        report, form = await called(service)
    (leg,), whisper = service.exchange.to(DESK), service.form("/whisper")
    assert told.items() <= form.items()
    assert whisper["ParentCallSid"] == report.call_sid
    expected = ("outbound-dial", DESK, FROM_NUMBER, leg.sid, "in-progress")
    assert tuple(whisper[name] for name in ("Direction", "To", "From", "CallSid", "CallStatus")) == expected
    assert bool(service.forms("/pressed")) == asked
    assert heard(leg)[0] == ("<Say>", "Press one.")
    assert (("talk", FROM_NUMBER) in heard(leg)) == (told is TALKED)
    assert (DESK in {item.what for item in report.heard}) == (told is TALKED)


async def test_a_whisper_that_ends_without_a_hangup_connects() -> None:
    async with at_exchange(
        {DESK: Person()}, voice=BRIEFED, whisper="<Say>A call.</Say>", after=""
    ) as service:
        _, form = await called(service)
    assert form["DialBridged"] == "true"


@pytest.mark.parametrize("verb", ["<Pause/>", "<Record action='/r'/>", "<Redirect>/r</Redirect>"])
async def test_what_a_whisper_cannot_hold_is_passed_over(verb: str) -> None:
    whisper = f"{verb}<Say>A call.</Say>"
    async with at_exchange({DESK: Person()}, voice=BRIEFED, whisper=whisper, after="", r="") as service:
        _, form = await called(service)
    (leg,) = service.exchange.to(DESK)
    assert [complaint.code for complaint in leg.complaints] == [12200]
    assert (heard(leg)[0], service.forms("/r")) == (("<Say>", "A call."), [])
    assert form["DialBridged"] == "true"


async def test_who_is_rung_cannot_dial() -> None:
    async with at_exchange(
        {DESK: Person()}, voice=BRIEFED, whisper=f"<Dial>{OTHER}</Dial>", after=""
    ) as service:
        _, form = await called(service)
    (leg,) = service.exchange.to(DESK)
    assert [complaint.code for complaint in leg.complaints] == [13201]
    assert (form["DialBridged"], service.exchange.to(OTHER)) == ("false", [])


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        ("ringing", {"DialCallStatus": "canceled", "DialBridged": "false"}),
        ("whisper", IN_VAIN),
        ("talk", TALKED),
    ],
)
async def test_a_caller_who_hangs_up_releases_whoever_was_rung(phase: str, told: dict[str, str]) -> None:
    """The action is told, as of a call that is over, and its answer is not executed."""
    person = Person(after_s=3600 if phase == "ringing" else 0, talks_s=None)
    documents = {"voice": BRIEFED, "whisper": "<Gather timeout='3600'/>" if phase == "whisper" else ""}
    async with at_exchange({DESK: person}, 1, after="<Say>never</Say>", **documents) as service:
        call = service.call()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(call.run())
            assert await until(lambda: any(_is_in(leg, phase) for leg in service.exchange.to(DESK)))
            call.hang_up()
    report = running.result()
    form, (leg,) = service.form("/after"), service.exchange.to(DESK)
    assert told.items() <= form.items()
    assert form["CallStatus"] == "completed"
    assert leg.status == ("canceled" if phase == "ringing" else "completed")
    assert leg.hung_up_by == "exchange"
    assert [verb.verb for verb in report.verbs] == ["Dial"]
    assert report.status == "completed"


def _is_in(leg: Leg, phase: str) -> bool:
    if phase == "ringing":
        return leg.status == "ringing"
    if phase == "whisper":
        return any(verb.verb == "Gather" for verb in leg.executed)
    return leg.status == "in-progress" and bool(leg.documents)


async def test_the_first_to_pick_up_wins_and_be_it_a_machine() -> None:
    nouns = f"<Number>{DESK}</Number><Client>bob</Client><Sip>{OTHER}@example.com</Sip>"
    people = {
        DESK: Person(after_s=3600),
        "client:bob": Person(answers=Answers.MAILBOX, after_s=20),
        f"sip:{OTHER}@example.com": Person(answers=Answers.BUSY, after_s=0),
    }
    document = dial(nouns).replace("timeout='20'", "timeout='600'")
    async with at_exchange(people, 0.005, voice=document, after="") as service:
        _, form = await called(service)
    statuses = {leg.to_address: leg.status for leg in service.exchange.legs.values() if leg.parent_sid}
    assert statuses == {
        DESK: "canceled", "client:bob": "completed", f"sip:{OTHER}@example.com": "busy",
    }  # fmt: skip
    (machine,), (desk,) = (service.exchange.to(who) for who in ("client:bob", DESK))
    assert form["DialCallSid"] == machine.sid
    assert machine.ended_at is not None
    assert desk.ended_at is not None
    assert desk.ended_at < machine.ended_at, "nobody rings on while others talk"


async def test_whom_the_exchange_cannot_ring_it_does_not_wait_for() -> None:
    async with at_exchange({}, voice=dial("<Queue>support</Queue>"), after="<Hangup/>") as service:
        report, form = await called(service)
    assert (form["DialCallStatus"], form["DialBridged"]) == ("failed", "false")
    assert "not simulated" in report.findings[0]


async def test_one_after_another() -> None:
    nouns = f"<Number>{DESK}</Number><Number>{OTHER}</Number>"
    people = {DESK: Person(answers=Answers.BUSY), OTHER: Person()}
    async with at_exchange(people, voice=dial(nouns, "sequential='true'"), after="") as service:
        _, form = await called(service)
    first, second = service.exchange.to(DESK)[0], service.exchange.to(OTHER)[0]
    assert first.ended_at is not None
    assert first.ended_at <= second.created_at
    assert (form["DialCallSid"], form["DialCallStatus"]) == (second.sid, "completed")


async def test_nobody_else_is_rung_when_the_caller_has_hung_up() -> None:
    nouns = f"<Number>{DESK}</Number><Number>{OTHER}</Number>"
    people = {DESK: Person(after_s=3600), OTHER: Person()}
    async with at_exchange(people, 1, voice=dial(nouns, "sequential='true'"), after="") as service:
        call = service.call()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            tasks.create_task(call.run())
            assert await until(lambda: bool(service.exchange.to(DESK)))
            call.hang_up()
    assert service.exchange.to(OTHER) == []


async def test_the_star_ends_the_talk_and_not_the_call() -> None:
    people, documents = {DESK: Person(after_s=0, talks_s=None)}, {"voice": dial(more="hangupOnStar='true'")}
    async with at_exchange(people, after="<Say>Back.</Say>", **documents) as service:
        call = service.call()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(call.run())
            assert await until(lambda: call.leg.on_key is not None)
            call.press("#")
            assert service.exchange.to(DESK)[0].cut is None
            call.press("*")
    report = running.result()
    assert TALKED.items() <= service.form("/after").items()
    assert [verb.verb for verb in report.verbs] == ["Dial", "Say"]


@pytest.mark.parametrize(("moment", "heard_s"), [(Moment.KEYS, 13 / 15 + 3), (Moment.BRIEFING, 3)])
async def test_when_somebody_has_enough_is_their_own_time(moment: Moment, heard_s: float) -> None:
    """The seconds go by on their line, whatever the pace."""
    person = Person(leaves=moment, leaves_after_s=3, presses=())
    whisper = WHISPER.replace("Press one.", "Press one." if moment is Moment.KEYS else "words " * 100)
    async with at_exchange({DESK: person}, 0.05, voice=BRIEFED, whisper=whisper, after="") as service:
        _, form = await called(service)
    assert form["DialBridged"] == "false"
    assert int(form["DialCallDuration"]) == pytest.approx(heard_s, abs=LAG_S)


async def test_a_talk_has_a_limit() -> None:
    people = {DESK: Person(talks_s=None)}
    async with at_exchange(people, voice=dial(more="timeLimit='60'"), after="") as service:
        _, form = await called(service)
    assert TALKED.items() <= form.items()
    assert service.exchange.to(DESK)[0].hung_up_by == "exchange"


@pytest.mark.parametrize(
    ("answers", "status"), [(Answers.PICKS_UP, "in-progress"), (Answers.BUSY, "ringing")]
)
async def test_a_call_may_stay_unanswered_until_somebody_is_there(answers: Answers, status: str) -> None:
    document = dial(more="answerOnBridge='true'")
    async with at_exchange({DESK: Person(answers=answers)}, voice=document, after="") as service:
        _, form = await called(service)
    assert form["CallStatus"] == status


async def test_an_older_account_is_not_told_who_was_connected() -> None:
    async with at_exchange({DESK: Person()}, voice=dial(), after="") as service:
        call = service.call(line=LineSettings(tells_dial_bridged=False))
        await call.run()
    assert "DialBridged" not in service.form("/after")


async def test_several_persons_take_turns_at_a_telephone() -> None:
    people = {DESK: [Person(answers=Answers.BUSY), Person()]}
    async with at_exchange(people, voice=dial(), after=[dial(), "<Hangup/>"]) as service:
        await service.call().run()
    assert [form["DialCallStatus"] for form in service.forms("/after")] == ["busy", "completed"]


async def test_a_person_who_forwards_to_our_number_is_a_new_call() -> None:
    """It ends with the one that was forwarded, and tells who has forwarded it."""
    people = {DESK: Person(forwards_to=TO_NUMBER)}
    documents = {"voice": dial(), "after": "<Hangup/>", "in": "<Say>Welcome.</Say>"}
    async with scripted_service(**documents) as service:
        numbers = {TO_NUMBER: AccountNumber(f"{service.base}/in")}
        async with Exchange(people=people, numbers=numbers, pace=0.001) as service.exchange:
            report, form = await called(service)
    inbound = service.form("/in")
    assert (inbound["Direction"], inbound["ForwardedFrom"], inbound["From"]) == ("inbound", DESK, FROM_NUMBER)
    assert inbound["CallSid"] not in {report.call_sid, form["DialCallSid"]}
    assert TALKED.items() <= form.items()


async def test_a_call_that_is_forwarded_to_our_number_ends_with_the_one_that_led_there() -> None:
    people = {DESK: Person(forwards_to=TO_NUMBER)}
    async with scripted_service(
        voice=dial(), after="", ended="", **{"in": "<Pause length='3600'/>"}
    ) as service:
        number = AccountNumber(f"{service.base}/in", status_callback_url=f"{service.base}/ended")
        async with Exchange(people=people, numbers={TO_NUMBER: number}, pace=1) as service.exchange:
            call = service.call()
            async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
                tasks.create_task(call.run())
                assert await until(lambda: any(one.answered_at for one in service.exchange.forwarded))
                call.hang_up()
            assert await until(lambda: bool(service.forms("/ended")))
            (forwarded,) = service.exchange.forwarded
            assert (forwarded.leg.status, forwarded.leg.hung_up_by) == ("completed", "caller")


async def test_who_dials_our_own_number_is_forwarded_by_nobody() -> None:
    async with scripted_service(
        voice=dial(f"<Number>{OTHER}</Number>"), after="", **{"in": "<Hangup/>"}
    ) as service:
        numbers = {OTHER: AccountNumber(f"{service.base}/in")}
        async with Exchange(numbers=numbers, pace=0.001) as service.exchange:
            await called(service)
    assert "ForwardedFrom" not in service.form("/in")


async def test_nouns_have_callbacks_of_their_own_in_their_order() -> None:
    events = "statusCallbackEvent='initiated ringing answered completed'"
    noun = f"<Number statusCallback='/s' {events}>{DESK}</Number>"
    async with at_exchange({DESK: Person(talks_s=64)}, voice=dial(noun), after="", s="") as service:
        report, _ = await called(service)
    told = service.forms("/s")
    assert [form["CallStatus"] for form in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [form["SequenceNumber"] for form in told] == ["0", "1", "2", "3"]
    assert {form["ParentCallSid"] for form in told} == {report.call_sid}
    assert [("CallDuration" in form) for form in told] == [False, False, False, True]
    assert int(told[3]["CallDuration"]) == pytest.approx(64, abs=LAG_S)
    assert (told[3]["Duration"], told[3]["SipResponseCode"]) == ("2", "200"), "in minutes, rounded up"
