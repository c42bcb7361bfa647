"""The button that makes a test of a call: it goes into `tests/` of the project."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callbridge.console.sources import Frozen, SourceError
from callbridge.records.errors import RecordsError
from callbridge.server.config.settings import find_variables

if TYPE_CHECKING:
    from callbridge.console.lanes import Sound
    from callbridge.records.story import CallStory
    from callbridge.server.process.desk import Desk

INTO: Final = Path("tests")


def named_for_tests(agent: str) -> str:
    """Who answers, as a scenario in `INTO` names them; nothing for whom the settings name without us.

    Args:
        agent: as the command line or the settings have it.
    """
    if not agent or find_variables().values.get("CALLBRIDGE_AGENT") == agent:
        return ""
    file, colon, _ = agent.partition(":")
    is_module = bool(colon) and not file.endswith(".py")
    return agent if is_module or Path(agent).is_absolute() else f"../{agent}"


@dataclass(frozen=True, slots=True)
class CallFreezing:
    """Writes tests (`console.sources.Freezing`).

    Args:
        desk: of the service: who answers now, and where tapes are.
    """

    desk: Desk

    async def freeze(self, story: CallStory, sound: Sound | None) -> Frozen:
        """See `Freezing`."""
        return await asyncio.to_thread(self._freeze, story, sound)

    def _freeze(self, story: CallStory, sound: Sound | None) -> Frozen:
        from callbridge.testing.freezing import NotFrozenError, frozen, own_tools, write  # noqa: PLC0415 - of few calls

        _, agent = self.desk.plans.roster.find(story.agent)
        named, own = named_for_tests(self.desk.settings.agent or ""), own_tools(agent)
        try:
            made = frozen(story, sound=sound, tape=self._tape(story), agent=named, own_tools=own)
            path = write(made, INTO)
        except NotFrozenError as error:
            raise SourceError(str(error)) from error
        except OSError as error:
            raise SourceError(f"The test cannot be written: {error.strerror}.") from error
        return Frozen(str(path), f"callbridge test {path}", " ".join(made.missing))

    def _tape(self, story: CallStory) -> list[bytes]:
        if self.desk.records is None:
            return []
        from callbridge.records.tapes import TapeStore  # noqa: PLC0415 - SQLAlchemy is slow, and there by now

        try:
            return [*TapeStore(self.desk.records.database).lines(story.call_sid)]
        except RecordsError as error:
            raise SourceError(str(error)) from error
