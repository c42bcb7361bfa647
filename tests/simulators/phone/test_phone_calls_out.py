"""Calls that are made, changed and ended over REST: queue, callbacks, redirects of any leg at any moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.server import serve

from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.phone import Answers, Exchange, Misbehaviour, NewLeg, Person
from leftovers import until
from scripted_service import Service, at_exchange, scripted_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.asyncio.server import ServerConnection

    from callbridge.simulators.phone import CallReport, Leg, SimulatedCall

OURS, DESK, OTHER = "+15550100002", "+15550100031", "+15550100032"
EVENTS = ("initiated", "ringing", "answered", "completed")
STAYS = Person(after_s=0, talks_s=None)


def out(service: Service, path: str = "", twiml: str = "", events: Sequence[str] = EVENTS) -> Leg:
    """A call to the desk that tells of its progress."""
    return service.exchange.call_out(
        NewLeg(
            DESK,
            OURS,
            url=path and f"{service.base}{path}",
            twiml=twiml and f"<Response>{twiml}</Response>",
            timeout_s=20,
            status_callback=f"{service.base}/s",
            status_callback_events=tuple(events),
        )
    )


async def over(leg: Leg) -> None:
    async with asyncio.timeout(5):
        await leg.over.wait()


@pytest.mark.parametrize(
    ("person", "statuses", "code", "rung_s"),
    [
        (Person(talks_s=1), ["initiated", "ringing", "in-progress", "completed"], "200", 2),
        (Person(answers=Answers.BUSY), ["initiated", "ringing", "busy"], "486", 2),
        (Person(answers=Answers.NO_ANSWER), ["initiated", "ringing", "no-answer"], "487", 20),
        (Person(answers=Answers.UNREACHABLE), ["initiated", "failed"], "404", 0),
    ],
)
async def test_how_a_call_fares(person: Person, statuses: list[str], code: str, rung_s: float) -> None:
    async with at_exchange({DESK: person}, out="<Say>Hello.</Say>", s="") as service:
        leg = out(service, "/out")
        assert leg.status == "queued"
        await over(leg)
    told = service.forms("/s")
    assert [form["CallStatus"] for form in told] == statuses
    assert [form["SequenceNumber"] for form in told] == [str(number) for number in range(len(told))]
    assert {form["Direction"] for form in told} == {"outbound-api"}
    assert told[-1]["SipResponseCode"] == code
    assert ("CallDuration" in told[-1]) == (leg.answered_at is not None) == bool(service.forms("/out"))
    assert leg.clock.skipped_s == pytest.approx(rung_s + (leg.duration_s or 0), abs=1)


async def test_the_document_is_asked_when_somebody_has_answered() -> None:
    async with at_exchange({DESK: Person()}, out="<Say>Hello.</Say>") as service:
        leg = service.exchange.call_out(NewLeg(DESK, OURS, url=f"{service.base}/out", send_digits="1w2"))
        await over(leg)
    form = service.form("/out")
    assert (form["CallStatus"], form["From"], form["To"]) == ("in-progress", OURS, DESK)
    assert {"CallToken", "StirVerstat", "ParentCallSid"}.isdisjoint(form)
    assert [(item.what, item.text) for item in leg.heard] == [("<Say>", "Hello.")]
    assert leg.keys_heard == "1w2"


async def test_only_the_events_are_told_that_were_asked_for() -> None:
    async with at_exchange({DESK: Person()}, s="") as service:
        await over(out(service, twiml="<Hangup/>", events=("completed",)))
    assert [(form["CallStatus"], form["SequenceNumber"]) for form in service.forms("/s")] == [
        ("completed", "0")
    ]


async def test_one_call_a_second_leaves_the_queue_and_who_is_cancelled_in_it_is_not_told() -> None:
    people = {DESK: Person(answers=Answers.BUSY, after_s=0)}
    async with scripted_service(s="") as service, Exchange(people=people, pace=0.02) as service.exchange:
        first, second, third = (out(service, twiml="<Hangup/>") for _ in range(3))
        assert second.cancel()
        assert not second.cancel()
        await asyncio.gather(over(first), over(second), over(third))
    assert (first.status, second.status, third.status) == ("busy", "canceled", "busy")
    assert second.left_queue_at is None
    assert first.left_queue_at is not None
    assert third.left_queue_at is not None
    waited_s = (third.left_queue_at - first.created_at).total_seconds()
    assert waited_s >= 2 * 0.02 * 0.9
    assert {form["CallSid"] for form in service.forms("/s")} == {first.sid, third.sid}


async def test_who_can_be_changed_and_when() -> None:
    async with at_exchange({DESK: Person(after_s=3600)}, 1.0, s="") as service:
        leg = out(service, twiml="<Pause/>")
        assert await until(lambda: leg.left_queue_at is not None)
        assert not await leg.redirect(f"{service.base}/other")
        assert not leg.redirect_to("<Response/>")
        assert leg.cancel()
        await over(leg)
        assert [leg.hang_up(), leg.cancel(), leg.redirect_to("<Response/>")] == [False] * 3
    assert leg.status == "canceled"
    assert [form["CallStatus"] for form in service.forms("/s")] == ["initiated", "ringing", "canceled"]


async def test_a_call_that_was_made_has_a_limit_a_fallback_and_a_new_address_for_its_news() -> None:
    async with at_exchange({DESK: STAYS}, spare="<Pause length='3600'/>", s="") as service:
        asked = NewLeg(DESK, OURS, f"{service.base}/gone", fallback_url=f"{service.base}/spare")
        leg = service.exchange.call_out(replace(asked, time_limit_s=60))
        leg.report_to(f"{service.base}/s", "POST")
        await over(leg)
        assert await until(lambda: bool(service.forms("/s")))
    assert service.form("/spare")["ErrorCode"] == "11200"
    assert (leg.status, leg.hung_up_by) == ("completed", "exchange")
    assert service.form("/s")["CallStatus"] == "completed"


@pytest.mark.parametrize(
    ("twiml", "code"),
    [
        ("<Redirect>/next</Redirect>", 15004),
        ("<Gather/>", 11100),
        ("<Record/>", 11100),
        (f"<Dial action='/after'>{OTHER}</Dial>", 15004),
    ],
)
async def test_a_document_without_an_address_has_no_relatives(twiml: str, code: int) -> None:
    async with at_exchange({DESK: Person(presses=("1",)), OTHER: Person()}) as service:
        leg = out(service, twiml=f"{twiml}<Say>never</Say>", events=())
        await over(leg)
    assert [complaint.code for complaint in leg.complaints] == [code]
    assert "never" not in {item.text for item in leg.heard}


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.CALLBACKS_TWICE, Misbehaviour.LATE_CALLBACKS])
async def test_callbacks_that_come_twice_or_late(misbehaviour: Misbehaviour) -> None:
    async with scripted_service(s="") as service:
        spoilt = frozenset({misbehaviour})
        async with Exchange(people={DESK: Person()}, pace=0, misbehaviours=spoilt) as service.exchange:
            await over(out(service, twiml="<Hangup/>", events=("answered", "completed")))
    statuses = [form["CallStatus"] for form in service.forms("/s")]
    if misbehaviour is Misbehaviour.CALLBACKS_TWICE:
        assert statuses == ["in-progress"] * 2 + ["completed"] * 2
        assert len(set(service.tokens)) == 2, "whoever is told twice can see that it is the same"
    else:
        assert statuses == ["completed", "in-progress"]


@pytest.mark.parametrize(
    ("person", "mode", "verdict", "after_s"),
    [
        (Person(), "Enable", "human", 4),
        (Person(answers=Answers.MAILBOX), "Enable", "machine_start", 4),
        (Person(answers=Answers.MAILBOX), "DetectMessageEnd", "machine_end_beep", 15),
        (Person(taken_for="unknown"), "Enable", "unknown", 4),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_who_has_picked_up_is_known_after_a_while(
    person: Person, mode: str, verdict: str, after_s: float, *, is_async: bool
) -> None:
    """Held back until then is the document, or it is told apart, be it after the end of the call."""
    async with at_exchange({DESK: person}, out="<Hangup/>", amd="") as service:
        where = f"{service.base}/amd" if is_async else ""
        asked = NewLeg(DESK, OURS, f"{service.base}/out", machine_detection=mode, is_amd_async=is_async)
        leg = service.exchange.call_out(replace(asked, amd_callback=where))
        await over(leg)
    assert leg.answered_by == verdict
    assert service.form("/out").get("AnsweredBy") == (None if is_async else verdict)
    told = [(form["AnsweredBy"], form["MachineDetectionDuration"]) for form in service.forms("/amd")]
    assert told == ([(verdict, str(after_s * 1000))] if is_async else [])
    assert leg.duration_s == pytest.approx(0 if is_async else after_s, abs=2)


async def test_of_a_person_who_is_dialled_the_verdict_comes_beside_the_call() -> None:
    noun = f"<Number machineDetection='Enable' amdStatusCallback='/amd'>{DESK}</Number>"
    people = {DESK: Person(answers=Answers.MAILBOX, talks_s=1)}
    async with at_exchange(people, voice=f"<Dial action='/after'>{noun}</Dial>", after="", amd="") as service:
        await service.call().run()
        await over(service.exchange.to(DESK)[0])
        assert await until(lambda: bool(service.forms("/amd")))
    told = service.form("/amd")
    assert (told["AnsweredBy"], told["CallSid"]) == ("machine_start", service.exchange.to(DESK)[0].sid)
    assert service.form("/after")["DialBridged"] == "true", "nobody waits for it"


# --- Redirects -----------------------------------------------------------------------------------


async def moved(
    service: Service, call: SimulatedCall, is_there: str, leg_of: str, document: str = ""
) -> CallReport:
    """A call of which one leg is sent elsewhere, once the caller or the desk is where it should be."""
    exchange = service.exchange
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(call.run())
        assert await until(lambda: any(_has(leg, is_there) for leg in exchange.legs.values()))
        leg = call.leg if leg_of == "caller" else exchange.to(DESK)[0]
        assert leg.redirect_to(document) if document else await leg.redirect(f"{service.base}/moved")
    return running.result()


def _has(leg: Leg, verb: str) -> bool:
    if verb == "talk":
        return leg.parent_sid is not None and leg.status == "in-progress"
    return any(executed.verb == verb for executed in leg.executed)


DIAL = f"<Dial action='/after'>{DESK}</Dial>"


async def test_the_parent_of_a_talk_is_moved_and_the_child_falls_out() -> None:
    """Its action is asked, and the answer ignored."""
    async with at_exchange(
        {DESK: STAYS}, voice=DIAL, after="<Say>no</Say>", moved="<Say>Moved.</Say>"
    ) as service:
        report = await moved(service, service.call(), "talk", "caller")
    (child,) = service.exchange.to(DESK)
    assert (child.status, child.hung_up_by) == ("completed", "exchange")
    assert [verb.verb for verb in report.verbs] == ["Dial", "Say"]
    assert report.verbs[1].detail == "Moved."
    assert service.form("/after")["DialCallStatus"] == "completed"
    assert [path for path, _ in service.asked] == ["/voice", "/after", "/moved"]


async def test_the_action_may_come_after_the_new_document() -> None:
    async with at_exchange(
        {DESK: STAYS}, voice=DIAL, after="<Say>no</Say>", moved="<Say>Moved.</Say>"
    ) as service:
        await moved(service, service.call(action_lags=True), "talk", "caller")
    assert sorted(path for path, _ in service.asked) == ["/after", "/moved", "/voice"]


async def test_without_an_action_twilio_walks_on_to_a_redirect_and_ignores_that() -> None:
    voice = f"<Dial>{DESK}</Dial><Redirect>/next</Redirect>"
    async with at_exchange(
        {DESK: STAYS}, voice=voice, next="<Say>no</Say>", moved="<Say>Moved.</Say>"
    ) as service:
        report = await moved(service, service.call(), "talk", "caller")
    assert [path for path, _ in service.asked] == ["/voice", "/next", "/moved"]
    assert report.verbs[-1].detail == "Moved."


async def test_the_child_of_a_talk_is_moved_and_the_parent_goes_on_with_its_action() -> None:
    """Which is told no duration, and whose answer counts."""
    document = "<Response><Say>Over here.</Say></Response>"
    async with at_exchange({DESK: STAYS}, voice=DIAL, after="<Say>Back.</Say>") as service:
        report = await moved(service, service.call(), "talk", "desk", document)
        (child,) = service.exchange.to(DESK)
        await over(child)
    form = service.form("/after")
    assert (form["DialCallStatus"], form["DialBridged"], form["CallStatus"]) == (
        "completed",
        "true",
        "in-progress",
    )
    assert "DialCallDuration" not in form
    assert report.verbs[-1].detail == "Back."
    assert ("<Say>", "Over here.") in [(item.what, item.text) for item in child.heard]


@pytest.mark.parametrize("is_asked", [True, False])
async def test_a_stream_is_stopped_and_its_action_ignored(*, is_asked: bool) -> None:
    """Whether it is asked at all, Twilio does not say."""
    heard: list[str] = []

    async def bridge(socket: ServerConnection) -> None:
        heard.extend([str(message) async for message in socket])

    async with serve(bridge, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        voice = f"<Connect action='/after'><Stream url='ws://127.0.0.1:{port}'/></Connect>"
        async with at_exchange({}, voice=voice, after="<Say>no</Say>", moved="<Say>Moved.</Say>") as service:
            call = service.call(asks_connect_when_moved=is_asked)
            report = await moved(service, call, "Connect/Stream", "caller")
    assert '"event":"stop"' in heard[-1]
    assert report.streams[0].ended_by == "carrier"
    assert [verb.detail for verb in report.verbs[1:]] == ["Moved."]
    assert [path for path, _ in service.asked] == ["/voice", *["/after"] * is_asked, "/moved"]


@pytest.mark.parametrize("verb", ["Pause", "Gather", "talk"])
async def test_whoever_ends_a_call_over_rest_ends_it_at_any_moment(verb: str) -> None:
    voice = {"talk": DIAL, "Pause": "<Pause length='3600'/>", "Gather": "<Gather timeout='3600'/>"}[verb]
    async with at_exchange({DESK: STAYS}, 1.0, voice=voice, after="<Say>no</Say>") as service:
        call, legs = service.call(verb_time=1.0), service.exchange.legs
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(call.run())
            assert await until(lambda: any(_has(leg, verb) for leg in legs.values()))
            assert not call.leg.cancel(), "somebody has answered it"
            assert call.leg.hang_up()
            assert not call.leg.redirect_to("<Response/>"), "nothing comes after a hang-up"
    assert running.result().status == "completed"
    assert call.leg.hung_up_by == "api"
    assert not any(leg.is_live for leg in legs.values())


async def test_an_account_makes_moves_and_ends_its_calls_here() -> None:
    stays = "<Pause length='3600'/>"
    async with at_exchange({DESK: STAYS}, 1.0, out=stays, moved=stays) as service:
        account = SimulatedAccount(service.exchange, AccountSettings(numbers=(OURS,)))
        key = (account.settings.account_sid, account.settings.auth_token)
        async with serve_account(account) as server, httpx.AsyncClient(auth=key) as client:
            calls = f"{server.base_url}/2010-04-01/Accounts/{key[0]}/Calls"

            async def post(where: str, **form: str) -> tuple[int, dict[str, Any]]:
                told = await client.post(f"{calls}{where}.json", data=form)
                return told.status_code, told.json()

            status, made = await post("", To=DESK, From=OURS, Url=f"{service.base}/out")
            leg = service.exchange.legs[made["sid"]]
            assert (status, made["status"], made["direction"]) == (201, "queued", "outbound-api")
            assert await until(lambda: _has(leg, "Pause"))
            assert (await post(f"/{leg.sid}", Url=f"{service.base}/moved"))[0] == 200
            assert await until(lambda: bool(service.forms("/moved")))
            assert (await post(f"/{leg.sid}", Status="completed"))[0] == 200
            await over(leg)
            status, refused = await post(f"/{leg.sid}", Url=f"{service.base}/moved")
            assert (status, refused["code"]) == (400, 21220)
