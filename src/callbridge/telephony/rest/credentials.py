"""Who asks, and where: the account, its secret, and the region whose hosts know it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import SecretStr

EDGES: Final = {
    "us1": "ashburn",
    "ie1": "dublin",
    "au1": "sydney",
    "jp1": "tokyo",
    "sg1": "singapore",
    "br1": "sao-paulo",
    "de1": "frankfurt",
    "us2": "umatilla",
}
"""The way into each region, as Twilio's own libraries pair them. Hosts with a region alone were switched off
in April 2026, but for us1 (docs/global-infrastructure/understanding-edge-locations)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one account is known by. A key can be taken back alone; the auth token cannot."""

    account_sid: str
    secret: SecretStr
    """The auth token; with a key, the key's secret."""
    key_sid: str = ""
    """`SK…`, where a key is used."""
    region: str = ""
    """Where the account's calls are; none is us1."""
    edge: str = ""
    """The way into it; none is the region's own."""
    api_url: str = ""
    """The API is not at Twilio's but here: the simulated account."""

    @property
    def way_in(self) -> tuple[str | None, str | None]:
        """Region and edge, of which neither stands alone in a host name; nothing for Twilio's plain hosts."""
        if self.api_url or not (self.region or self.edge):
            return None, None
        region = self.region or "us1"
        return region, self.edge or EDGES.get(region)

    @property
    def authorization(self) -> str:
        """The header of that name (HTTP Basic)."""
        pair = f"{self.key_sid or self.account_sid}:{self.secret.get_secret_value()}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
