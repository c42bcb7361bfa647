"""The fallback's menu and its office hours, from the webhook to the end, on a phone as strict as Twilio."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from callbridge.call.endings import FOLLOWS
from callbridge.call.facts import CallOffered, EndReason, MenuAnswered, StreamEnded, StreamStarted, encode
from callbridge.server.http.fallback import fallback_router
from callbridge.server.http.webhooks import webhook_router
from callbridge.simulators.phone import program as pg
from callbridge.simulators.phone.line_settings import DialOutcome, LineSettings
from callbridge.simulators.phone.twiml import WebAnswer
from callbridge.switchboard.continuation import read_facts
from callbridge.telephony.signatures import sign
from desks import ACCOUNT, APOLOGY, AUTH_TOKEN, BASE, CALL, CALLED, CALLER, FrontDesk

if TYPE_CHECKING:
    from collections.abc import Mapping

HUMAN, SALES, NIGHT = "+14155550123", "+14155550124", "+14155550125"
OPENING = "We open at nine."
MENU: dict[str, dict[str, Any]] = {
    "1": {"label": "sales", "dial": SALES},
    "2": {"label": "a message", "voicemail": True},
    "3": {"label": "our opening hours", "say": OPENING},
}
PROMPT = "Please choose. For sales, press 1. For a message, press 2. For our opening hours, press 3."
AT_NIGHT = "Please choose. For a message, press 2. For our opening hours, press 3."
CLOSED = "Thank you for your call. You are calling outside of our office hours."
VOICEMAIL = "We cannot take your call at the moment. Please leave a message after the tone."
GOODBYE = "Thank you for your call. Goodbye."

SETTINGS = {
    "CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "0",
    "CALLBRIDGE_CALLS_PER_CALLER_DAY": "0",
    "CALLBRIDGE_FALLBACK_DIAL": HUMAN,
    "CALLBRIDGE_FALLBACK_MENU": json.dumps(MENU),
    "CALLBRIDGE_OFFICE_HOURS": "Mo-Fr 9:00-17:30",
    "CALLBRIDGE_TIME_ZONE": "Europe/Berlin",
}


def wall(hour: int, minute: int = 0, *, day: int = 27) -> float:
    """A time of that Friday in Berlin."""
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


NOON, LATE = wall(12), wall(22)


@dataclass
class Line(FrontDesk):
    """One service without a socket, and calls that a strict phone carries out."""

    wall_now: float = NOON
    numbers: tuple[str, str] = (CALLER, CALLED)
    call_sid: str = CALL
    more: tuple[tuple[str, str], ...] = ()
    """What Twilio says besides of the call."""

    def __post_init__(self) -> None:
        super().__post_init__()
        app = FastAPI()
        for router in (webhook_router, fallback_router):
            app.include_router(router(self.desk))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)
        self.asked: list[tuple[str, dict[str, str], str]] = []
        """Each address, with what was said there and the answer."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def post(self, url: str, told: Mapping[str, str]) -> str:
        """What a genuine request is answered."""
        form = {"CallSid": self.call_sid, "AccountSid": ACCOUNT}
        form |= {"From": self.numbers[0], "To": self.numbers[1], **told}
        target = url.partition("#")[0].removeprefix(BASE)
        signature = sign(AUTH_TOKEN, BASE + target, form.items())
        response = await self.client.post(target, data=form, headers={"X-Twilio-Signature": signature})
        assert response.status_code == 200, response.text
        return response.text

    async def calls(
        self, line: LineSettings | None = None, *, ran_past: bool = False
    ) -> list[tuple[str, str]]:
        """What the phone carries out: it must have nothing to complain about.

        `ran_past`: Twilio gets a stream, and runs on behind it without asking.
        """
        program = pg.Program(f"{BASE}/twilio/voice", "POST", self.numbers, line or LineSettings())
        step: pg.Step = program.begin()
        while not isinstance(step, pg.End):
            match step:
                case pg.Fetch():
                    status = "completed" if step.is_over else "in-progress" if step.is_answered else "ringing"
                    told = {"CallStatus": status, **dict(self.more), **dict(step.parameters)}
                    body = await self.post(step.url, told)
                    self.asked.append((step.url, told, body))
                    step = program.answered(WebAnswer(step.url, 200, "text/xml", body.encode()))
                case pg.Spend():
                    step = program.spent()
                case pg.OpenStream(noun=noun):
                    step = program.stream_ended(replace(noun, action=None) if ran_past else noun)
        assert (program.complaints, program.findings) == ([], [])
        return [
            (done.verb, done.detail)
            for done in program.executed
            if done.verb not in {"Hangup", "Connect/Stream"}
        ]

    async def menu_answers(self) -> list[tuple[str, str]]:
        """What is written of the menu."""
        found = read_facts(await self.state.events(self.call_sid))
        return [(fact.round, fact.keys) for _, fact in found if isinstance(fact, MenuAnswered)]


def declining(wall_now: float = NOON, settings: Mapping[str, str] = SETTINGS, **line: Any) -> Line:
    """A process that takes no call any more."""
    made = Line(settings, wall_now=wall_now, **line)
    made.desk.drain.begin()
    return made


def pressing(*keys: str, **more: Any) -> LineSettings:
    return LineSettings(gather_inputs=keys, **more)


def dialled(number: str, outcome: str = "completed") -> tuple[str, str]:
    return ("Dial", f"Number {number}: {outcome}")


SAYS_MENU, SILENT = ("Say", PROMPT), ("Gather", "nothing entered")
MESSAGE = [("Say", VOICEMAIL), ("Record", "5 s")]
HEARD_ONCE = [SAYS_MENU, ("Gather", "3"), ("Say", OPENING), SAYS_MENU]

CASES: tuple[tuple[LineSettings, list[tuple[str, str]]], ...] = (
    (pressing("1"), [SAYS_MENU, ("Gather", "1"), dialled(SALES)]),
    *(
        (
            pressing("1", dial_outcome=outcome),
            [SAYS_MENU, ("Gather", "1"), dialled(SALES, outcome), *MESSAGE],
        )
        for outcome in (DialOutcome.BUSY, DialOutcome.NO_ANSWER, DialOutcome.FAILED, DialOutcome.DECLINED)
    ),
    (
        pressing("1", dial_outcome=DialOutcome.HUNG_UP),
        [SAYS_MENU, ("Gather", "1"), dialled(SALES, "hung-up")],
    ),
    (pressing("2"), [SAYS_MENU, ("Gather", "2"), *MESSAGE]),
    (
        pressing("2", recording_s=0),
        [SAYS_MENU, ("Gather", "2"), MESSAGE[0], ("Record", "0 s"), ("Say", APOLOGY)],
    ),
    (pressing("3"), [*HEARD_ONCE, SILENT, ("Say", GOODBYE)]),
    (pressing("3", "9"), [*HEARD_ONCE, ("Gather", "9"), ("Say", GOODBYE)]),
    (pressing("3", "3"), [*HEARD_ONCE, ("Gather", "3"), ("Say", OPENING), ("Say", GOODBYE)]),
    (pressing("3", "1"), [*HEARD_ONCE, ("Gather", "1"), dialled(SALES)]),
    (pressing("3", "2"), [*HEARD_ONCE, ("Gather", "2"), *MESSAGE]),
    (pressing("9", "2"), [SAYS_MENU, ("Gather", "9"), SAYS_MENU, ("Gather", "2"), *MESSAGE]),
    (pressing("9", "3"), [SAYS_MENU, ("Gather", "9"), *HEARD_ONCE, SILENT, ("Say", GOODBYE)]),
    (pressing(), [SAYS_MENU, SILENT, SAYS_MENU, SILENT, dialled(HUMAN)]),
    (
        pressing("#", "*", dial_outcome=DialOutcome.BUSY),
        [SAYS_MENU, ("Gather", "#"), SAYS_MENU, ("Gather", "*"), dialled(HUMAN, "busy"), *MESSAGE],
    ),
)
"""What the caller presses, and all that they hear."""


@pytest.mark.parametrize("ran_past", [False, True])
async def test_each_key_leads_where_it_says(*, ran_past: bool) -> None:
    """Also where the menu stands behind a stream, as a last resort."""
    async with Line(SETTINGS) if ran_past else declining() as world:
        for number, (line, heard) in enumerate(CASES):
            world.call_sid = f"CA{number:032d}"
            world.now += 60.0
            assert await world.calls(line, ran_past=ran_past) == heard, number
            world.desk.release(world.call_sid)


LAST_WORDS = {"Dial", "Record", "Say"}


async def test_whatever_is_pressed_the_call_comes_to_an_end() -> None:
    """The menu is heard three times at the most, and nobody is left in silence."""
    async with declining() as world:
        for number, keys in enumerate(itertools.product(("", "3", "9"), repeat=3)):
            world.call_sid = f"CA{number:032d}"
            world.now += 60.0
            heard = [verb for verb, _ in await world.calls(pressing(*keys))]
            assert heard.count("Gather") <= 3, keys
            assert heard[-1] in LAST_WORDS, keys


async def test_a_human_who_is_rung_too_often_meanwhile_is_not_rung() -> None:
    """The key was offered; the caller may leave a message."""
    async with declining() as world:
        first = await world.post("/twilio/voice", {"CallStatus": "ringing"})
        assert "press 1" in first
        for other in ("CA1", "CA2"):
            world.desk.rings.began(other, world.desk.caller_key(CALLER), world.now)
        told = {"CallStatus": "in-progress", "Digits": "1"}
        answer = await world.post("/twilio/fallback-menu?round=first&keys=123&human=1", told)
        assert "<Dial" not in answer
        assert "<Record" in answer


async def test_who_is_asked_twice_answers_the_same() -> None:
    """At another time, and in another process."""
    async with declining() as world:
        await world.calls(pressing("9", "1", dial_outcome=DialOutcome.BUSY))
        answers = await world.menu_answers()
        assert answers == [("first", "9"), ("again", "1")]
        world.wall_now = LATE
        for url, told, body in world.asked[1:]:
            assert await world.post(url, told) == body
        assert await world.menu_answers() == answers
        async with declining(LATE) as other:
            for url, told, body in world.asked[1:]:
                assert await other.post(url, told) == body


async def test_the_offer_asked_again_is_that_of_its_hour() -> None:
    async with declining(wall(17, 29) + 50) as world:
        first = await world.post("/twilio/voice", {"CallStatus": "ringing"})
        world.wall_now = wall(17, 30) + 5
        assert await world.post("/twilio/voice", {"CallStatus": "ringing"}) == first
        assert "press 1" in first
    async with Line(SETTINGS, wall_now=wall(17, 29) + 50) as world:
        for fact in (
            CallOffered(CALLER, CALLED),
            StreamStarted(CALLER, CALLED, source="MZ1"),
            StreamEnded(EndReason.PERSON_WANTED, follows=FOLLOWS[EndReason.PERSON_WANTED], source="MZ1"),
        ):
            world.state.append(CALL, fact.kind, encode(fact))
        first = await world.post("/twilio/stream-ended?stream=1", {"CallStatus": "in-progress"})
        world.wall_now = wall(17, 30) + 5
        assert await world.post("/twilio/stream-ended?stream=1", {"CallStatus": "in-progress"}) == first
        assert "press 1" in first


# --- Hours ----------------------------------------------------------------------------------------------

NO_MENU = SETTINGS | {"CALLBRIDGE_FALLBACK_MENU": ""}
NO_VOICEMAIL = {"CALLBRIDGE_FALLBACK_VOICEMAIL": "false"}


@pytest.mark.parametrize("ran_past", [False, True])
@pytest.mark.parametrize(
    ("at", "settings", "heard"),
    [
        (NOON, NO_MENU, [dialled(HUMAN)]),
        (LATE, NO_MENU, [("Say", CLOSED), *MESSAGE]),
        (wall(12, day=28), NO_MENU, [("Say", CLOSED), *MESSAGE]),
        (LATE, NO_MENU | NO_VOICEMAIL, [("Say", CLOSED)]),
        (LATE, NO_MENU | NO_VOICEMAIL | {"CALLBRIDGE_CLOSED_MESSAGE": "Shut."}, [("Say", "Shut.")]),
        (LATE, NO_MENU | {"CALLBRIDGE_FALLBACK_DIAL": ""}, [("Say", CLOSED), *MESSAGE]),
        (wall(16, 31), NO_MENU | {"CALLBRIDGE_TIME_ZONE": "UTC"}, [dialled(HUMAN)]),
        (wall(18, 31), NO_MENU | {"CALLBRIDGE_TIME_ZONE": "UTC"}, [("Say", CLOSED), *MESSAGE]),
    ],
)
async def test_the_hour_decides_between_a_human_voicemail_and_a_word(
    at: float, settings: dict[str, str], heard: list[tuple[str, str]], *, ran_past: bool
) -> None:
    async with Line(settings, wall_now=at) if ran_past else declining(at, settings) as world:
        assert await world.calls(ran_past=ran_past) == heard


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        (pressing("2"), [("Gather", "2"), *MESSAGE]),
        (pressing("1"), [("Gather", "1"), ("Say", AT_NIGHT), SILENT, *MESSAGE]),
        (pressing(), [SILENT, ("Say", AT_NIGHT), SILENT, *MESSAGE]),
    ],
)
async def test_at_night_the_menu_has_no_humans(line: LineSettings, heard: list[tuple[str, str]]) -> None:
    """Nor does it lead to the one of the fallback, and the word is said once."""
    async with declining(LATE) as world:
        assert await world.calls(line) == [("Say", CLOSED), ("Say", AT_NIGHT), *heard]


async def test_an_entry_may_have_hours_of_its_own() -> None:
    menu = {
        "1": {"label": "sales", "dial": SALES, "hours": "Mo-Fr 9-12"},
        "7": {"label": "emergencies", "dial": NIGHT, "hours": "0:00-24:00"},
    }
    settings = SETTINGS | {"CALLBRIDGE_FALLBACK_MENU": json.dumps(menu)}
    async with declining(LATE, settings) as world:
        heard = await world.calls(pressing("7"))
    assert heard[1:] == [("Say", "Please choose. For emergencies, press 7."), ("Gather", "7"), dialled(NIGHT)]
    async with declining(wall(11), settings) as world:
        assert "press 1. For emergencies" in (await world.calls())[0][1]


# --- Humans ---------------------------------------------------------------------------------------------


async def test_a_human_of_the_menu_goes_by_the_rules_of_the_fallback() -> None:
    """A caller ID that Twilio takes; nobody who would forward the call back here; bounded rings at once."""
    async with declining(numbers=("anonymous", CALLED)) as world:
        assert (await world.calls(pressing("1")))[-1] == dialled(SALES)
    by_sip = ("sip:bob@example.com", "sip:us@demo.sip.twilio.com")
    async with declining(numbers=by_sip) as world:
        assert (await world.calls(pressing("2")))[0] == ("Say", AT_NIGHT), "there is no number to show"
    async with declining(
        settings=SETTINGS | {"CALLBRIDGE_FALLBACK_CALLER_ID": NIGHT}, numbers=by_sip
    ) as world:
        line = pressing("1", verified_numbers=frozenset({NIGHT}))
        assert (await world.calls(line))[-1] == dialled(SALES)
    async with declining(more=(("ForwardedFrom", SALES),)) as world:
        heard = await world.calls(pressing())
        assert heard[0] == ("Say", AT_NIGHT), "it would come back"
    async with declining() as world:
        for other in ("CA1", "CA2"):
            world.desk.rings.began(other, world.desk.caller_key(CALLER), world.now)
        assert (await world.calls(pressing("2")))[0] == ("Say", AT_NIGHT), "they ring already"


async def test_a_menu_that_was_changed_meanwhile_leads_on() -> None:
    """And so does an address that another version has made."""
    async with declining() as world:
        await world.calls(pressing("1"))
        (url, told, _) = world.asked[1]
        settings = SETTINGS | {"CALLBRIDGE_FALLBACK_MENU": json.dumps({"2": MENU["2"]})}
        async with declining(settings=settings) as later:
            assert "press 2" in await later.post(url, told)
            odd = urlsplit(url)._replace(query="round=fourth&keys=%3C&human=1").geturl()
            assert HUMAN in await later.post(odd, told)


async def test_a_stranger_is_told_nothing() -> None:
    async with declining() as world:
        response = await world.client.post("/twilio/fallback-menu?round=first&keys=1", data={"CallSid": CALL})
        assert response.status_code == 403
        assert "<" not in response.text
