"""A telephone number that leads to this machine for as long as it serves, and then where it led before.

Where it led is on disk before anything is changed. What a crash leaves is put back at the next start.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from callbridge.cli.development.hold import Hold
from callbridge.cli.development.trouble import DevTrouble
from callbridge.server.errands.kept_pointings import KeptPointings, kept_pointings
from callbridge.server.errands.numbers import (
    NumberError,
    find_number,
    plan_pointing,
    plan_restoring,
    point,
    restore,
)
from callbridge.telephony.pointing import needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.server.config.settings import Settings
    from callbridge.server.errands.numbers import Plan
    from callbridge.telephony.rest.client import TwilioRest
    from callbridge.telephony.rest.records import OwnedNumber

FOLDER: Final = "dev"
"""Apart from what `callbridge number` keeps: a number that was pointed somewhere for good goes back there."""
SHOWN_MAX: Final = 10

RESTORE: Final = "callbridge dev --restore"


def borrowed(settings: Settings, state_path: str) -> KeptPointings:
    """What is kept of numbers that are, or were, borrowed. `state_path`: as it was told."""
    told = settings.model_copy(update={"state_path": Path(state_path) if state_path else None})
    return KeptPointings(kept_pointings(told).folder / FOLDER)


async def choose(rest: TwilioRest, wanted: str) -> OwnedNumber:
    """The number that is meant; the only one where none was named.

    Raises:
        NumberError: it is none of this account.
        DevTrouble: there is none, or more than one.
        RestFault: Twilio does not say.
    """
    if wanted:
        return await find_number(rest, wanted)
    numbers = [number for number in await rest.numbers() if number.has_voice]
    if not numbers:
        raise DevTrouble("the account has no number that takes calls", "Buy one: callbridge number buy.")
    if len(numbers) > 1:
        some = ", ".join(number.number for number in numbers[:SHOWN_MAX])
        raise DevTrouble(
            f"the account has several numbers: {some}",
            f"Name one: callbridge dev --phone {numbers[0].number}",
        )
    return numbers[0]


@dataclass(slots=True)
class BorrowedNumber:
    """One number, from the moment at which it leads here.

    Args:
        rest: of the account.
        number: as it was.
        kept: where it is kept where it led.
    """

    rest: TwilioRest
    number: OwnedNumber
    kept: KeptPointings
    _hold: Hold = field(init=False)

    def __post_init__(self) -> None:
        self._hold = _hold(self.kept, self.number.sid)

    def plan(self, settings: Settings) -> Plan:
        """What changes when it is pointed at the PUBLIC_BASE_URL of `settings`; texts, too, where it may.

        Raises:
            DevTrouble: another process has borrowed it, or something makes Twilio ignore what it points at.
        """
        if self._hold.is_anothers:
            raise DevTrouble(
                f"{self.number.number} leads to another callbridge dev, which runs",
                "End that one, or name another number.",
            )
        takes_texts = self.number.has_sms and not self.number.sms_application_sid
        plan = plan_pointing(self.number, settings, self.kept, takes_texts=takes_texts)
        if plan.overridden_by:
            raise DevTrouble(
                f"{self.number.number} is answered by {plan.overridden_by}, whatever its voice URL says",
                "Take it away in the console, or by callbridge number point --force, or name another number.",
            )
        return plan

    @property
    def is_taken(self) -> bool:
        """Whether it leads here now, or may: it is kept where it led before."""
        return self._hold.is_ours and self.kept.find(self.number.sid) is not None

    async def point(self, plan: Plan) -> Self:
        """Points it as planned, for as long as this process lives.

        Raises:
            DevTrouble: another process was faster.
        """
        if not self._hold.take():
            raise DevTrouble(f"another callbridge dev has just taken {self.number.number}", "Start again.")
        await point(self.rest, plan, self.kept)
        return self

    async def give_back(self) -> None:
        """Puts it back where it led.

        Raises:
            DevTrouble: somebody has set something of it meanwhile, which stays.
            RestFault: Twilio did not answer, or refused.
        """
        try:
            await _give_back(self.rest, self.number.number, self.kept)
        finally:
            self._hold.let_go()


async def give_back_what_was_left(rest: TwilioRest, kept: KeptPointings, say: Callable[[str], None]) -> bool:
    """Puts back the numbers of processes that have ended without doing so. Answers whether there were any."""
    found = tuple(_left(kept))
    for sid in found:
        if (left := kept.find(sid)) is None:
            continue
        try:
            await _give_back(rest, left.number, kept)
            say(f"{left.number} was still pointed at an earlier run, and is put back where it led before.")
        except (DevTrouble, NumberError) as trouble:
            say(f"{str(trouble).removesuffix('.')}.")
    return bool(found)


async def _give_back(rest: TwilioRest, number: str, kept: KeptPointings) -> None:
    plan = plan_restoring(await find_number(rest, number), kept)
    ours = [change for change in plan.changes if change not in plan.of_others]
    await restore(rest, replace(plan, pointing=needed(ours)), kept)
    if plan.of_others:
        words = ", ".join(change.words for change in plan.of_others)
        raise DevTrouble(f"{number} is put back, but for what somebody has set meanwhile: {words}")


def _left(kept: KeptPointings) -> Iterator[str]:
    for path in sorted(kept.folder.glob("*.json")):
        if not _hold(kept, path.stem).is_anothers:
            yield path.stem


def _hold(kept: KeptPointings, sid: str) -> Hold:
    return Hold(kept.folder / f"{sid}.lock")
