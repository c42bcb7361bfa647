"""Which call on record is meant: by its CallSid, or by the last characters of it, as lists show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.records.errors import RecordsError

if TYPE_CHECKING:
    from callbridge.records.reading import Records

_AMBIGUOUS_SHOWN: Final = 5


def named_sid(records: Records, name: str) -> str:
    """The CallSid of the one call that is called so; the name as it is, where no call is.

    Raises:
        RecordsError: there is more than one.
    """
    found = records.sids(name, _AMBIGUOUS_SHOWN + 1)
    if len(found) > 1:
        more = ", …" if len(found) > _AMBIGUOUS_SHOWN else ""
        some = ", ".join(found[:_AMBIGUOUS_SHOWN])
        raise RecordsError(f"More than one call ends in {name!r}: {some}{more}. Give more of it.")
    return found[0] if found else name
