"""What the parts of an agent are made with: the list of origins, the secrets, and a place for faults."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from callbridge.agents.http.answers import Path, PathFault
from callbridge.agents.http.origins import OriginFault, listed_origin
from callbridge.agents.http.secrets import SecretFault, Secrets, names_a_secret
from callbridge.agents.http.sending import Sender
from callbridge.agents.written.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callbridge.agents.http.origins import Origin
    from callbridge.agents.written.key_lines import KeyPath

_SECRET_HEADERS: Final = frozenset(
    {"authorization", "cookie", "x-api-key", "api-key", "apikey", "x-auth-token"}
)
"""What stands in these is a secret. In the file everybody would read it who reads the agent."""


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

    def secret(self, path: KeyPath, text: str) -> str:
        """`text`, which must name a secret, with what it names."""
        if not names_a_secret(text):
            name = path[-1]
            self.fault(path, f'keep the secret in the environment, and write {name} = "…${{ITS_NAME}}"')
        return self.filled(path, text)

    def header(self, path: KeyPath, name: str, value: str) -> str:
        """The value of a header in the table `path`, with the secrets that it names."""
        where = (*path, "headers", name)
        is_secret = name.lower() in _SECRET_HEADERS
        return self.secret(where, value) if is_secret else self.filled(where, value)

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
