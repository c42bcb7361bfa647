"""The account and the telephone network: what is set over the API is where calls lead, and is heard of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accounts import OURS, THEIRS, Desk

from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.phone import CallerScript, Exchange, Person, WaitForEnd
from leftovers import until
from scripted_service import Service, scripted_service

ANNA = "+14155550191"


@asynccontextmanager
async def office(**documents: str | list[str]) -> AsyncIterator[tuple[Desk, Service]]:
    """An account whose number leads to a service, and Anna, who can be rung."""
    people = {ANNA: Person(after_s=0, talks_s=None)}
    async with (
        asyncio.timeout(10),
        scripted_service(**documents) as service,
        Exchange(people=people, pace=0.01) as exchange,
    ):
        desk = Desk(AccountSettings(numbers=(OURS,)), exchange)
        desk.clock.now = time.time()
        path = f"/IncomingPhoneNumbers/{desk.account.numbers[0].sid}.json"
        desk.ask(
            "POST", path, {"VoiceUrl": f"{service.base}/voice", "StatusCallback": f"{service.base}/ended"}
        )
        yield desk, service


async def test_a_call_leads_where_its_number_was_pointed() -> None:
    async with office(voice="<Say>Hello.</Say>", ended="") as (desk, service):
        report = await desk.account.call_in(THEIRS, OURS, CallerScript([WaitForEnd()])).run()
        assert (service.form("/voice")["From"], service.form("/voice")["To"]) == (THEIRS, OURS)
        assert service.form("/ended")["CallStatus"] == "completed"
        found = desk.ask("GET", f"/Calls/{report.call_sid}.json")
        assert (found["direction"], found["status"]) == ("inbound", "completed")
        assert found["phone_number_sid"] == desk.account.numbers[0].sid
        path = f"/IncomingPhoneNumbers/{desk.account.numbers[0].sid}.json"
        desk.ask("POST", path, {"TrunkSid": "TK" + "1" * 32})
        await desk.account.call_in(THEIRS, OURS, CallerScript([WaitForEnd()])).run()
        assert len(service.forms("/voice")) == 1, "with a trunk no TwiML runs"


async def test_what_is_recorded_is_found_by_its_sid() -> None:
    async with office(voice="<Record action='/kept'/>", kept="<Hangup/>", ended="") as (desk, service):
        report = await desk.account.call_in(THEIRS, OURS, CallerScript([WaitForEnd()])).run()
        sid = service.form("/kept")["RecordingSid"]
        found = desk.ask("GET", f"/Recordings/{sid}.json")
        assert (found["call_sid"], found["duration"], found["status"]) == (report.call_sid, "5", "completed")
        of_call = desk.ask("GET", f"/Calls/{report.call_sid}/Recordings.json")["recordings"]
        assert [recording["sid"] for recording in of_call] == [sid]
        assert desk.send("DELETE", f"/Recordings/{sid}.json").answer.status == 204
        assert desk.code("GET", f"/Recordings/{sid}.json") == (404, 20404)
        kept = desk.ask("GET", f"/Recordings/{sid}.json?IncludeSoftDeleted=true")
        assert kept["status"] == "deleted", "what it was is known for 40 days more"
        assert desk.ask("GET", "/Recordings.json")["recordings"] == []


async def test_what_goes_wrong_on_a_call_is_an_alert_about_it() -> None:
    async with office(voice="<Say>Hello.</Say><Sing/>") as (desk, service):
        report = await desk.account.call_in(THEIRS, OURS, CallerScript([WaitForEnd()])).run()
        alerts = desk.ask("GET", "/v1/Alerts")["alerts"]
        told = {alert["error_code"]: (alert["resource_sid"], alert["log_level"]) for alert in alerts}
        assert told == {"12200": (report.call_sid, "warning"), "15003": (report.call_sid, "warning")}
        url = next(alert["request_url"] for alert in alerts if alert["error_code"] == "15003")
        assert url == f"{service.base}/ended"


async def test_a_call_that_is_made_can_be_sent_elsewhere_and_ended_over_http() -> None:
    async with office(first="<Pause length='600'/>", second="<Pause length='600'/>") as (desk, service):
        account = desk.account
        async with serve_account(account):
            made = desk.ask("POST", "/Calls.json", {"To": ANNA, "From": OURS, "Url": f"{service.base}/first"})
            path = f"/Calls/{made['sid']}.json"
            assert await until(lambda: len(service.forms("/first")) == 1)
            desk.ask("POST", path, {"Url": f"{service.base}/second"})
            assert await until(lambda: len(service.forms("/second")) == 1)
            assert service.form("/second")["CallSid"] == made["sid"]
            desk.ask("POST", path, {"Status": "completed"})
            assert await until(lambda: desk.ask("GET", path)["status"] == "completed")
            assert desk.code("POST", path, {"Status": "completed"}) == (400, 21220)


async def test_inline_twiml_has_nothing_that_it_is_relative_to() -> None:
    async with office() as (desk, _):
        twiml = "<Response><Record action='/kept'/></Response>"
        made = desk.ask("POST", "/Calls.json", {"To": ANNA, "From": OURS, "Twiml": twiml})
        assert await until(lambda: desk.ask("GET", f"/Calls/{made['sid']}.json")["status"] == "completed")
        alerts = desk.ask("GET", f"/Calls/{made['sid']}/Notifications.json")["notifications"]
        assert [alert["error_code"] for alert in alerts] == ["15004"]


async def test_the_debugger_is_told_of_calls_signed_and_without_their_sid() -> None:
    async with office(voice="<Sing/>", debugger="", ended="") as (desk, service):
        account: SimulatedAccount = desk.account
        account.ledger.debugger_url = f"{service.base}/debugger"
        async with serve_account(account):
            report = await account.call_in(THEIRS, OURS, CallerScript([WaitForEnd()])).run()
            assert await until(lambda: bool(service.forms("/debugger")))
        form = service.form("/debugger")
        assert "CallSid" not in form
        assert report.call_sid in form["Payload"]


async def test_who_forwards_to_a_number_of_the_account_reaches_what_it_is_set_to() -> None:
    """As it is set when it rings, and its fallback where that cannot be had."""
    async with office(voice="<Hangup/>", spare="<Hangup/>", ended="") as (desk, service):
        exchange = desk.account.exchange
        assert isinstance(exchange, Exchange)
        exchange.people[ANNA] = Person(forwards_to=OURS)
        asked = {"To": ANNA, "From": OURS, "Twiml": "<Response><Hangup/></Response>"}
        path = f"/IncomingPhoneNumbers/{desk.account.numbers[0].sid}.json"
        for changed in (
            {},
            {
                "VoiceUrl": f"{service.base}/gone",
                "VoiceFallbackUrl": f"{service.base}/spare",
                "VoiceFallbackMethod": "GET",
            },
        ):
            desk.ask("POST", path, changed)
            sid = desk.ask("POST", "/Calls.json", asked)["sid"]
            await exchange.legs[sid].over.wait()
            assert exchange.legs[sid].status == "completed", "who hangs up at once has answered all the same"
        await asyncio.gather(*(call.leg.over.wait() for call in exchange.forwarded))
        told = service.form("/voice")
        assert (told["Direction"], told["ForwardedFrom"], told["To"]) == ("inbound", ANNA, OURS)
        assert [verb.verb for call in exchange.forwarded for verb in call.leg.executed] == ["Hangup"] * 2
        assert service.forms("/gone")[0]["CallSid"] != told["CallSid"]
        assert service.form("/spare") == {}, "asked with GET"


async def test_a_call_to_an_application_is_a_call_of_its_own_with_what_it_was_given() -> None:
    async with office(agent="<Pause length='600'/>") as (desk, service):
        application = "AP" + "1" * 32
        settings = AccountSettings(numbers=(OURS,), applications={application: f"{service.base}/agent"})
        exchange = desk.account.exchange
        assert isinstance(exchange, Exchange)
        with_application = Desk(settings, exchange)
        asked = {"To": f"app:{application}?session=s-7", "From": OURS, "Label": "agent"}
        made = with_application.ask("POST", "/Conferences/room/Participants.json", asked)
        assert await until(lambda: bool(service.forms("/agent")))
        told = service.form("/agent")
        assert (told["To"], told["session"]) == (f"app:{application}", "s-7")
        assert told["CallSid"] != made["call_sid"]
        path = f"/Conferences/{made['conference_sid']}/Participants/agent.json"
        assert await until(lambda: with_application.send("GET", path).answer.status == 200)


async def test_a_trial_account_gets_no_stream_rings_nobody_and_has_one_room() -> None:
    documents = {
        "voice": "<Connect action='/no'><Stream url='wss://a.example/m'/></Connect><Dial action='/no'>"
        "<Number>BASE</Number></Dial><Dial><Conference>secret</Conference></Dial>",
    }
    async with office(**documents, ended="") as (_, service):
        settings = AccountSettings(type="Trial", numbers=(OURS,), verified_numbers=frozenset({ANNA}))
        async with Exchange(people={ANNA: Person(after_s=0)}, pace=0.001) as exchange:
            desk = Desk(settings, exchange)
            desk.account.numbers[0].voice_url = f"{service.base}/voice"
            call = desk.account.call_in(ANNA, OURS, CallerScript([WaitForEnd()]))
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(call.run())
                assert await until(lambda: bool(exchange.conferences.all))
                call.hang_up()
            made = desk.ask("POST", "/Calls.json", {"To": ANNA, "From": OURS, "Url": f"{service.base}/voice"})
            leg = exchange.legs[made["sid"]]
            assert await until(lambda: any(verb.verb == "Dial" for verb in leg.executed))
    notices = [f"The {noun} verb is not available on trial accounts." for noun in ("Stream", "Number")]
    assert [verb.detail for verb in running.result().verbs][:2] == notices
    assert [verb.detail for verb in leg.executed][:2] == notices, "also in calls that it makes"
    assert service.forms("/no") == []
    assert {room.name for room in exchange.conferences.all.values()} == {settings.account_sid}


async def test_an_application_comes_before_an_address_and_other_numbers_may_be_shown() -> None:
    application, second = "AP" + "1" * 32, "+14155550101"
    async with office(agent=f"<Dial callerId='{second}'>{ANNA}</Dial>", ended="") as (_, service):
        settings = AccountSettings(
            numbers=(OURS, second), applications={application: f"{service.base}/agent"}
        )
        async with Exchange(people={ANNA: Person(after_s=0)}, pace=0.001) as exchange:
            desk = Desk(settings, exchange)
            path = f"/IncomingPhoneNumbers/{desk.account.numbers[0].sid}.json"
            desk.ask("POST", path, {"VoiceApplicationSid": application})
            await desk.account.call_in(THEIRS, OURS, CallerScript([WaitForEnd()])).run()
            assert [leg.from_address for leg in exchange.to(ANNA)] == [second]
        assert desk.complained == []
        assert "ParameterOfTomorrow" in service.form("/agent"), "as in every request"
