"""A request after transport and credentials: what a resource is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.simulators.account.form import Form
    from callbridge.simulators.account.rest import RestRequest


@dataclass(frozen=True, slots=True)
class Asked:
    """What a resource is asked."""

    request: RestRequest
    form: Form
    """Of the query for GET, of the body for POST."""
    parts: tuple[str, ...]
    """What stands in the places of the path: sids, labels, a country."""
    path: str
    """Without region, for messages and page addresses."""
    region: str

    @property
    def sid(self) -> str:
        """The last thing that the path names."""
        return self.parts[-1]
