"""Makes destinations of what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.agents.fault import AgentFault
from callbridge.agents.transfers.destination import By, Destination, by

if TYPE_CHECKING:
    from callbridge.agents.written.key_lines import KeyPath
    from callbridge.agents.written.transfer_tables import WrittenTransfer
    from callbridge.agents.written.workshop import Workshop

_WHO: Final = {"to", "by", "addresses", "otherwise"}


def destination_of(workshop: Workshop, name: str, written: WrittenTransfer) -> Destination | None:
    """The destination that was written down; None where that has faults."""
    path: KeyPath = ("transfers", name)
    count = len(workshop.faults)
    try:
        to = _who(workshop, path, written)
        if len(workshop.faults) == count:
            return Destination(name, to, **written.model_dump(exclude=_WHO, exclude_none=True))
    except AgentFault as fault:
        workshop.fault(path, str(fault).removeprefix(f"destination {name!r}: "))
    return None


def _who(workshop: Workshop, path: KeyPath, written: WrittenTransfer) -> str | By:
    if (written.to is None) == (written.by is None):
        workshop.fault(path, "say `to`, or `by` with its `addresses`")
    elif written.to is not None:
        if written.addresses is not None or written.otherwise is not None:
            workshop.fault(path, "`addresses` and `otherwise` are said with `by`")
        return workshop.filled((*path, "to"), written.to)
    elif not written.addresses:
        workshop.fault((*path, "by"), "say the `addresses` for its values")
    elif written.by is not None:
        where = (*path, "addresses")
        addresses = {value: workshop.filled(where, one) for value, one in written.addresses.items()}
        return by(written.by, addresses, otherwise=workshop.filled(path, written.otherwise or ""))
    return ""
