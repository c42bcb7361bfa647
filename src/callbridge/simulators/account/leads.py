"""Where calls to the numbers and the applications of an account lead, read when somebody calls them.

The one truth for who calls from outside, who is forwarded there, and a `<Dial>` or a call that is made to
them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from callbridge.simulators.phone.ringing import AccountNumber

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.simulators.account.ledger import Ledger
    from callbridge.simulators.account.phone_number import PhoneNumber

APPLICATION: Final = "app:"


class Leads(Mapping[str, AccountNumber]):
    """By number, and by `app:AP…`.

    Args:
        ledger: of the account.
        besides: where other numbers lead: the account's own come first.
    """

    def __init__(self, ledger: Ledger, besides: Mapping[str, AccountNumber]) -> None:
        self._ledger = ledger
        self._besides = besides

    def __getitem__(self, address: str) -> AccountNumber:
        if address.startswith(APPLICATION):
            return AccountNumber(self._ledger.settings.applications[address.removeprefix(APPLICATION)])
        number = self._ledger.number(address)
        return self._besides[address] if number is None else self._lead(number)

    def __iter__(self) -> Iterator[str]:
        ours = [number.address for number in self._ledger.numbers.values()]
        applications = [f"{APPLICATION}{sid}" for sid in self._ledger.settings.applications]
        return iter(dict.fromkeys([*ours, *applications, *self._besides]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _lead(self, number: PhoneNumber) -> AccountNumber:
        """A trunk runs no TwiML, and an application stands before the address."""
        if number.trunk_sid:
            return AccountNumber("")
        return AccountNumber(
            self._ledger.settings.applications.get(number.voice_application_sid, number.voice_url),
            number.voice_method,
            number.status_callback or None,
            number.voice_fallback_url or None,
            number.voice_fallback_method,
        )
