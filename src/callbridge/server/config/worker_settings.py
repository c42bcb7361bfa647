"""How many processes serve on this machine, how it is called, and where operators ask each of them: a part of
the settings.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_names import variable

PORT_MAX: Final = 65_535

WORKERS_MAX: Final = 64

MACHINE_MAX: Final = 63
"""Characters of the name of a machine."""

MACHINE_LETTERS: Final = "A-Za-z0-9._-"
"""As an expression has them between brackets."""

_MACHINE: Final = re.compile(rf"[{MACHINE_LETTERS}]{{1,{MACHINE_MAX}}}")


def _machine(name: str) -> str:
    if not _MACHINE.fullmatch(name):
        raise ValueError(f"must be a name of letters, digits, '.', '_' and '-', {MACHINE_MAX} at most")
    return name


class WorkerSettings(RestSettings):
    """The settings of workers."""

    workers: int = Field(1, ge=1, le=WORKERS_MAX)
    """Processes on this machine behind one port, for more calls than one core carries."""

    machine: Annotated[str, AfterValidator(_machine)] | None = None
    """How operators call this machine, where its host name says nothing to them."""

    @property
    def control_ports(self) -> tuple[int, ...]:
        """Where operators ask: each worker at a port of its own, and one that leaves at the last.

        Empty where nobody can ask.
        """
        if self.control_port == 0:
            return ()
        more = self.workers if self.workers > 1 else 0
        return tuple(range(self.control_port, self.control_port + more + 1))

    @model_validator(mode="after")
    def _workers_have_what_they_need(self) -> Self:
        if self.workers == 1:
            return self
        # Both are other parts' fields.
        if getattr(self, "state_path", None) is None and getattr(self, "shared_state", "off") == "off":
            raise ValueError(
                f"{variable('workers')} is {self.workers}, but they would share nothing: Twilio's next "
                f"question about a call may reach another one. Set {variable('state_path')} to a file, "
                f"{variable('shared_state')}=database, or {variable('workers')}=1"
            )
        ports = self.control_ports
        if ports and (ports[-1] > PORT_MAX or self.port in ports):
            raise ValueError(
                f"{variable('workers')} is {self.workers}, so operators ask at the ports {ports[0]} to "
                f"{ports[-1]}, and PORT is {self.port}. Set another {variable('control_port')}: ports to "
                f"{PORT_MAX}, without PORT among them"
            )
        return self
