"""The agent is loaded anew when its files change: calls that are live keep theirs, the next one gets the new.

What is wrong with the new code is told, and the agent before goes on answering.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callbridge.agents.fault import AgentError
from callbridge.console.notice import Notice
from callbridge.server.config.who_answers import who_answers

if TYPE_CHECKING:
    from callbridge.agents.choosing.choice import Roster
    from callbridge.cli.development.own_modules import OwnModules
    from callbridge.cli.development.screen import Screen
    from callbridge.server.config.plan import Plans
    from callbridge.server.config.settings import Settings

DEBOUNCE_MS: Final = 150
"""An editor that saves several files is waited for."""

ENDINGS: Final = (".py", ".toml")

GOOD_NEWS_S: Final = 8.0
"""How long a page shows that the new code was taken."""


@dataclass(slots=True)
class Reloading:
    """Of the agent of one run.

    Args:
        settings: name it.
        plans: ask the roster for who answers the next call.
        own: the project's modules.
        screen: where it is said.
    """

    settings: Settings
    plans: Plans
    own: OwnModules
    screen: Screen
    _notice: Notice | None = field(default=None, init=False)
    _noticed_at: float = field(default=0.0, init=False)

    def notice(self) -> Notice | None:
        """What the pages show of it: a fault for as long as it is one, good news for a moment."""
        notice = self._notice
        is_old = (
            notice is not None and not notice.is_bad and time.monotonic() - self._noticed_at > GOOD_NEWS_S
        )
        return None if is_old else notice

    async def watch_forever(self) -> None:
        """Loads it anew whenever something changes where its files are."""
        try:
            while folders := self.folders():
                await self._watch(folders)
        except (OSError, RuntimeError) as error:  # The system has no more watches, or a folder is gone.
            self.screen.say(f"Changed files are not seen any more ({error}): start again to load the agent.")

    async def _watch(self, folders: set[Path]) -> None:
        """Until its files are in other folders."""
        from watchfiles import awatch  # noqa: PLC0415 - who has no agent of their own never needs it

        # Not what lies below: a project may stand in a home, or have other things beside it.
        changes = awatch(*folders, recursive=False, debounce=DEBOUNCE_MS, watch_filter=_is_of_an_agent)
        async with aclosing(changes):
            async for changed in changes:
                await self.load({Path(path).name for _, path in changed})
                if self.folders() != folders:
                    return

    def folders(self) -> set[Path]:
        """Where its files are: those of its modules, or of what is written in TOML."""
        name = self.settings.agent or ""
        written = Path(name)
        if name.endswith(".toml") or written.is_dir():
            return {(written if written.is_dir() else written.parent).resolve()}
        return {file.parent for file in self.own.files()}

    async def load(self, changed: set[str]) -> bool:
        """Loads it. False: the new code has a fault, and nothing has changed."""
        files = ", ".join(sorted(changed))
        try:
            # In a thread: the user's code may want an event loop of its own while it is imported.
            roster = await asyncio.to_thread(self._loaded)
        except AgentError as error:
            self.screen.trouble(str(error).removesuffix("."), "The agent before goes on answering.")
            self._tell(Notice(f"{files}: the new code has a fault. {error}", error.where, is_bad=True))
            return False
        self.plans.roster = roster
        self.screen.say(f"{files} has changed: the next call gets it.")
        self._tell(Notice(f"{files} has changed: the next call gets it."))
        return True

    def _loaded(self) -> Roster:
        with self.own.anew():
            return who_answers(self.settings)

    def _tell(self, notice: Notice) -> None:
        self._notice, self._noticed_at = notice, time.monotonic()


def _is_of_an_agent(_change: object, path: str) -> bool:
    return path.endswith(ENDINGS)
