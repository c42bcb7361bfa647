"""Numbers of the account: pointed and put back with what was there kept; bought once, whatever is lost."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.server.errands.kept_pointings import KeptPointings
from callbridge.server.errands.numbers import (
    LOOKS,
    NumberError,
    buy,
    find_number,
    plan_pointing,
    plan_restoring,
    point,
    restore,
    written_in_full,
)
from callbridge.telephony.pointing import as_it_is
from callbridge.telephony.rest.fault import FaultKind, RestFault
from callbridge.telephony.rest.records import OwnedNumber, Pointing
from desks import BASE, made_settings
from twilio_numbers import NUMBER

if TYPE_CHECKING:
    from pathlib import Path

LOST = RestFault(FaultKind.UNKNOWN, "no answer")
REFUSED = RestFault(FaultKind.REFUSED, "no", 21402, 400)
SETTINGS = made_settings()


class Account:
    """An account whose answers get lost."""

    def __init__(self, *owned: OwnedNumber, fault: RestFault | None = None, is_done: bool = True) -> None:
        self.owned = list(owned)
        self.fault, self.is_done = fault, is_done
        self.bought: list[str] = []
        self.sent: list[Pointing] = []
        self.looked = 0
        self.hides = 0
        """Looks in which what was bought is not shown yet."""

    async def numbers(self, matching: str = "") -> list[OwnedNumber]:
        self.looked += 1
        shown = [one for one in self.owned if one.number not in self.bought or self.looked > self.hides]
        return [one for one in shown if matching in one.number]

    async def update_number(self, sid: str, pointing: Pointing) -> OwnedNumber:
        self.sent.append(pointing)
        (place,) = [place for place, one in enumerate(self.owned) if one.sid == sid]
        told = {field.name: getattr(pointing, field.name) for field in fields(pointing)}
        if self.fault is None or self.is_done:
            changed = {name: value for name, value in told.items() if value is not None}
            self.owned[place] = replace(self.owned[place], **changed)
        if self.fault is not None:
            raise self.fault
        return self.owned[place]

    async def buy_number(self, number: str, pointing: Pointing) -> OwnedNumber:
        self.bought.append(number)
        if self.fault is None or self.is_done:
            self.owned.append(replace(NUMBER, number=number, voice_url=pointing.voice_url or ""))
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return self.owned[-1]


def kept_in(folder: Path) -> KeptPointings:
    return KeptPointings(folder)


async def test_a_number_is_pointed_and_put_back(tmp_path: Path) -> None:
    """Also when it was pointed twice: what was there before us counts. A tunnel's old name is ours."""
    account, kept = Account(NUMBER), kept_in(tmp_path)
    rest: Any = account
    for base in ("", "https://one-name.example", "https://other-name.example/"):
        plan = plan_pointing(account.owned[0], SETTINGS, kept, base_url=base)
        assert plan.of_others == []
        await point(rest, plan, kept)
        assert account.owned[0].voice_url == f"{(base or BASE).rstrip('/')}/twilio/voice"
    plan = plan_restoring(account.owned[0], kept)
    assert plan.of_others == []
    await restore(rest, plan, kept)
    assert account.owned[0] == NUMBER
    with pytest.raises(NumberError, match="put back"):
        plan_restoring(account.owned[0], kept)


async def test_what_somebody_has_set_meanwhile_is_told_before_it_is_overwritten(tmp_path: Path) -> None:
    account, kept = Account(NUMBER), kept_in(tmp_path)
    rest: Any = account
    await point(rest, plan_pointing(NUMBER, SETTINGS, kept), kept)
    account.owned[0] = replace(account.owned[0], voice_url="https://shop.example/voice")
    assert [change.field for change in plan_restoring(account.owned[0], kept).of_others] == ["voice_url"]
    plan = plan_pointing(account.owned[0], SETTINGS, kept)
    assert [change.field for change in plan.of_others] == ["voice_url"]
    await point(rest, plan, kept)
    # What they have set is what is put back now.
    await restore(rest, plan_restoring(account.owned[0], kept), kept)
    assert account.owned[0].voice_url == "https://shop.example/voice"


async def test_of_a_number_that_was_changed_in_part_the_rest_is_put_back_as_before_us(tmp_path: Path) -> None:
    """Somebody sets a status callback of their own, and the tunnel gets another name."""
    account, kept = Account(NUMBER), kept_in(tmp_path)
    rest: Any = account
    await point(rest, plan_pointing(NUMBER, SETTINGS, kept, takes_texts=True), kept)
    account.owned[0] = replace(account.owned[0], status_url="https://shop.example/status")
    plan = plan_pointing(account.owned[0], SETTINGS, kept, base_url="https://other-name.example")
    assert [change.field for change in plan.of_others] == ["status_url"]
    await point(rest, plan, kept)
    plan = plan_restoring(account.owned[0], kept)
    assert plan.of_others == []
    await restore(rest, plan, kept)
    assert account.owned[0] == replace(NUMBER, status_url="https://shop.example/status")


async def test_what_twilio_refuses_changes_nothing_that_is_kept(tmp_path: Path) -> None:
    account, kept = Account(NUMBER, fault=REFUSED, is_done=False), kept_in(tmp_path)
    rest: Any = account
    with pytest.raises(RestFault):
        await point(rest, plan_pointing(NUMBER, SETTINGS, kept), kept)
    assert kept.find(NUMBER.sid) is None
    account.fault = None
    await point(rest, plan_pointing(NUMBER, SETTINGS, kept), kept)
    before, account.fault = kept.find(NUMBER.sid), REFUSED
    with pytest.raises(RestFault):
        await point(rest, plan_pointing(account.owned[0], SETTINGS, kept, base_url="https://y.example"), kept)
    assert kept.find(NUMBER.sid) == before


async def test_a_trunk_stays_unless_it_is_taken_away_by_force(tmp_path: Path) -> None:
    account, kept = Account(replace(NUMBER, trunk_sid="TK1")), kept_in(tmp_path)
    rest: Any = account
    assert "TK1" in plan_pointing(account.owned[0], SETTINGS, kept).overridden_by
    plan = plan_pointing(account.owned[0], SETTINGS, kept, by_force=True)
    assert "trunk_sid" in [change.field for change in plan.of_others]
    await point(rest, plan, kept)
    assert account.owned[0].trunk_sid == ""
    await restore(rest, plan_restoring(account.owned[0], kept), kept)
    assert account.owned[0].trunk_sid == "TK1"
    # Setting the one takes away the other: only the one that changes is sent.
    assert account.sent[-1].application_sid is None


@pytest.mark.parametrize("is_done", [True, False])
async def test_a_lost_answer_to_an_update_is_looked_after(tmp_path: Path, *, is_done: bool) -> None:
    account, kept = Account(NUMBER, fault=LOST, is_done=is_done), kept_in(tmp_path)
    rest: Any = account
    plan = plan_pointing(NUMBER, SETTINGS, kept)
    if is_done:
        await point(rest, plan, kept)
    else:
        with pytest.raises(RestFault):
            await point(rest, plan, kept)
        # It can be put back all the same, whatever Twilio does with what it has.
        assert kept.find(NUMBER.sid) is not None
    assert len(account.sent) == 1


async def test_a_number_is_bought_once_though_the_answer_is_lost() -> None:
    """It is looked for, also when the list is late; where it does not come up the user is told to look."""
    wanted, pointing = "+14155550123", Pointing(voice_url="https://x.example/")
    for hides in range(LOOKS):
        account = Account(fault=LOST)
        account.hides = hides
        rest: Any = account
        assert (await buy(rest, wanted, pointing, look_every_s=0)).number == wanted
        assert account.bought == [wanted]
    account = Account(fault=LOST, is_done=False)
    rest = account
    with pytest.raises(NumberError, match="number list"):
        await buy(rest, wanted, pointing, look_every_s=0)
    assert (account.bought, account.looked) == ([wanted], LOOKS)
    account = Account(fault=REFUSED, is_done=False)
    rest = account
    with pytest.raises(RestFault):
        await buy(rest, wanted, pointing, look_every_s=0)
    assert (account.bought, account.looked) == ([wanted], 0)


async def test_a_number_is_found_as_people_write_it() -> None:
    rest: Any = Account(NUMBER)
    assert await find_number(rest, "+1 (415) 555-0199") == NUMBER
    for wrong in ("415 555 0199", "", "+", "+1x", "+\u0661\u0662"):
        with pytest.raises(NumberError, match="country code"):
            written_in_full(wrong)
    with pytest.raises(NumberError, match="TWILIO_REGION"):
        await find_number(rest, "+14155550100")


def test_all_of_a_number_is_put_back() -> None:
    """No field of it is forgotten when Twilio gets another."""
    assert {field.name for field in fields(as_it_is(NUMBER))} <= {field.name for field in fields(NUMBER)}
