"""The webhook of Twilio's debugger: noted once under a call that we know, and never with a number."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from callbridge.call import facts
from callbridge.call.facts import EndReason
from callbridge.call.telephone_facts import CarrierAlert
from callbridge.server.http.debugger import ALERTS_MAX, debugger_router
from callbridge.switchboard.continuation import read_facts
from callbridge.telephony.signatures import sign
from desks import ACCOUNT, AUTH_TOKEN, BASE, CALL, CALLED, CALLER, FrontDesk

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/twilio/debugger"
SID = "NO" + "a" * 32


@dataclass
class World(FrontDesk):
    """A service without a socket, and a Twilio that signs."""

    async def tell(self, form: Mapping[str, str], token: str = AUTH_TOKEN) -> int:
        """The status with which one request is answered."""
        app = FastAPI()
        app.include_router(debugger_router(self.desk))
        headers = {"X-Twilio-Signature": sign(token, BASE + PATH, form.items())}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
            return (await client.post(PATH, data=dict(form), headers=headers)).status_code

    def write(self, *told: facts.Fact, call_sid: str = CALL) -> None:
        """What is known of a call."""
        for fact in told:
            self.state.append(call_sid, fact.kind, facts.encode(fact))

    async def alerts(self) -> list[CarrierAlert]:
        """What was noted."""
        found = read_facts(await self.state.events(CALL))
        return [fact for _, fact in found if isinstance(fact, CarrierAlert)]


STARTED = facts.StreamStarted(CALLER, CALLED, source="MZ1")


def ended(reason: EndReason) -> facts.StreamEnded:
    return facts.StreamEnded(reason, source="MZ1")


def form(code: str = "31920", sid: str = SID, call_sid: str = CALL, level: str = "ERROR") -> dict[str, str]:
    payload = {
        "resource_sid": call_sid,
        "error_code": code,
        "more_info": {"Msg": f"A call of {CALLER} failed. " + "x" * 500},
        "webhook": {"request": {"parameters": {"From": CALLER, "To": CALLED}}},
    }
    told = {"AccountSid": ACCOUNT, "ParentAccountSid": "", "Sid": sid, "Level": level}
    return told | {"PayloadType": "application/json", "Payload": json.dumps(payload)}


async def test_an_alert_is_noted_once_and_logged_with_its_remedy() -> None:
    world = World()
    world.write(STARTED)
    with capture_logs() as logs:
        assert [await world.tell(form()) for _ in range(3)] == [204] * 3
    (alert,) = await world.alerts()
    assert (alert.alert_sid, alert.code, alert.level) == (SID, "31920", "error")
    assert len(alert.text) < 250
    (line,) = logs
    assert (line["event"], line["severity"], line["call_sid"]) == ("carrier_alert", "error", CALL)
    assert "upgrade_refused" in line["remedy"]
    assert not any(CALLER[1:] in text or CALLED[1:] in text for text in (str(line), alert.text))


async def test_alerts_of_unknown_calls_are_dropped_and_counted() -> None:
    """The address is the account's: other services' errors come, too."""
    world = World()
    messages = form(call_sid="SM" + "1" * 32)
    with capture_logs() as logs:
        for told in (form(), form(), form(sid="NO" + "b" * 32), messages, {"AccountSid": ACCOUNT}):
            assert await world.tell(told) == 204
    assert await world.kinds() == []
    dropped = [(line["event"], line["reason"]) for line in logs]
    assert dropped == [
        ("carrier_alert_dropped", why) for why in ("no call of ours", "not about a call", "unreadable")
    ]
    assert ("carrier_alert_dropped: no call of ours", 2) in list(world.desk.refused.rest(world.now + 1000))


@pytest.mark.parametrize(
    ("reason", "is_noted"),
    [
        (None, True),
        (EndReason.AGENT_HANGUP, False),
        (EndReason.TRANSFERRED, False),
        (EndReason.HANDED_OVER, False),
        (EndReason.MODEL_LOST, False),
        (EndReason.MEDIA_LOST, True),
        (EndReason.INTERNAL_ERROR, True),
    ],
)
async def test_a_close_of_ours_counts_only_when_nobody_meant_it(
    reason: EndReason | None, *, is_noted: bool
) -> None:
    """Twilio logs 31921 for a deliberate close, too."""
    world = World()
    world.write(STARTED, *([] if reason is None else [ended(reason)]))
    assert await world.tell(form("31921")) == 204
    assert bool(await world.alerts()) is is_noted
    assert await world.tell(form("31903", "NO" + "c" * 32, level="WARNING")) == 204
    assert (await world.alerts())[-1].level == "warning"


async def test_alerts_of_one_call_are_bounded() -> None:
    world = World()
    world.write(STARTED)
    for number in range(ALERTS_MAX + 5):
        assert await world.tell(form(sid=f"NO{number:032x}")) == 204
    assert len(await world.alerts()) == ALERTS_MAX


async def test_strangers_and_other_accounts_are_refused() -> None:
    world = World()
    world.write(STARTED)
    assert await world.tell(form(), token="another") == 403
    with capture_logs() as log:  # One address is entered for all subaccounts, and their errors may be many.
        for _ in range(20):
            assert await world.tell(form() | {"AccountSid": "AC" + "9" * 32}) == 403
    assert [line["reason"] for line in log if line["event"] == "webhook_refused"] == ["another account"]
    assert await world.alerts() == []
