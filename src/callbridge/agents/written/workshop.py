"""What the parts of an agent are made with: the list of origins, the secrets, and a place for faults."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from callbridge.agents.http.answers import Path, PathFault
from callbridge.agents.http.origins import OriginFault, listed_origin
from callbridge.agents.http.secrets import SecretFault, Secrets
from callbridge.agents.http.sending import Sender
from callbridge.agents.written.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callbridge.agents.http.origins import Origin
    from callbridge.agents.written.key_lines import KeyPath


class Workshop:
    """What one agent is made with.

    Args:
        allow: where requests may go, as it was written.
        environment: where secrets are looked for.
    """

    def __init__(self, allow: Iterable[str], environment: Mapping[str, str]) -> None:
        self.secrets = Secrets(environment)
        self.faults: list[Fault] = []
        """All that was found so far."""
        self.allowed: list[Origin] = []
        """Where requests may go."""
        for place, entry in enumerate(allow):
            try:
                self.allowed.append(listed_origin(entry))
            except OriginFault as error:
                self.fault(("allow", place), str(error))

    @cached_property
    def sender(self) -> Sender:
        """Sends the requests. It is made for who needs one."""
        return Sender()

    def fault(self, path: KeyPath, text: str) -> None:
        """Something is wrong."""
        self.faults.append(Fault(path, text))

    def filled(self, path: KeyPath, text: str) -> str:
        """`text` with the secrets that it names."""
        try:
            return self.secrets.fill(text)
        except SecretFault as error:
            self.fault(path, str(error))
            return "?"

    def path(self, path: KeyPath, text: str) -> Path | None:
        """The JMESPath expression that `text` is."""
        try:
            return Path(text)
        except PathFault as error:
            self.fault(path, f"this is no JMESPath expression: {error}")
            return None
