"""A number is lent to one process at a time, and given back by whoever comes after one that died."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from callbridge.cli.development.borrowed_number import BorrowedNumber, give_back_what_was_left
from callbridge.cli.development.hold import Hold
from callbridge.cli.development.trouble import DevTrouble
from callbridge.server.errands.kept_pointings import KeptPointings
from callbridge.server.errands.numbers import plan_pointing, point
from desks import made_settings
from twilio_numbers import NUMBER

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.telephony.rest.client import TwilioRest
    from callbridge.telephony.rest.records import OwnedNumber, Pointing

SETTINGS = made_settings()


class OneNumber:
    """An account with one number."""

    def __init__(self) -> None:
        self.number = NUMBER

    async def numbers(self, _matching: str) -> list[OwnedNumber]:
        return [self.number]

    async def update_number(self, _sid: str, pointing: Pointing) -> OwnedNumber:
        told: dict[str, Any] = {field.name: getattr(pointing, field.name) for field in fields(pointing)}
        self.number = replace(
            self.number, **{name: value for name, value in told.items() if value is not None}
        )
        return self.number


def test_one_has_it_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "dev" / "PN1.lock"
    ours, theirs = Hold(path), Hold(path)
    assert not ours.is_anothers
    assert ours.take()
    assert (ours.is_anothers, theirs.is_anothers, theirs.take()) == (False, True, False)
    ours.let_go()
    assert not theirs.is_anothers
    assert not path.exists()


async def test_a_number_that_is_lent_is_neither_lent_twice_nor_given_back_by_others(tmp_path: Path) -> None:
    """Whoever is refused it must not put it back either: it leads to somebody who serves."""
    account, kept, said = OneNumber(), KeptPointings(tmp_path), list[str]()
    rest = cast("TwilioRest", account)
    first, second = BorrowedNumber(rest, NUMBER, kept), BorrowedNumber(rest, NUMBER, kept)
    await first.point(first.plan(SETTINGS))
    with pytest.raises(DevTrouble, match="leads to another callbridge dev, which runs"):
        second.plan(SETTINGS)
    assert not second.is_taken
    assert not await give_back_what_was_left(rest, kept, said.append)
    assert account.number.voice_url == SETTINGS.voice_url
    await first.give_back()
    assert (account.number, first.is_taken) == (NUMBER, False)
    assert not kept.find(NUMBER.sid)


async def test_what_a_dead_process_has_left_is_given_back(tmp_path: Path) -> None:
    """Its file is still there, and its id may be another process's by now."""
    account, kept, said = OneNumber(), KeptPointings(tmp_path), list[str]()
    rest = cast("TwilioRest", account)
    await point(rest, plan_pointing(NUMBER, SETTINGS, kept), kept)
    kept.folder.joinpath(f"{NUMBER.sid}.lock").touch()
    assert await give_back_what_was_left(rest, kept, said.append)
    assert account.number == NUMBER
    assert "is put back where it led before" in said[0]
