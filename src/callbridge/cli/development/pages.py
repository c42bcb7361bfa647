"""The pages of `callbridge dev`, on a loopback listener beside the service, and a browser there."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import webbrowser
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from callbridge.cli.development.asking import Asking
from callbridge.cli.development.configuration import LOOPBACK
from callbridge.cli.development.talking import Talks
from callbridge.cli.development.watching import watched
from callbridge.console.app import Section, create_console
from callbridge.console.guard import new_address
from callbridge.console.talk import TALK_PATH, Line, talk_router
from callbridge.console.watch import CALLS_PATH
from callbridge.server.process.listening.listening import pages_config
from callbridge.server.process.listening.serving import serving
from callbridge.simulators.phone import FROM_NUMBER, TO_NUMBER

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from callbridge.cli.development.configuration import Told
    from callbridge.console.notice import Notice
    from callbridge.console.watch import Watch
    from callbridge.server.config.settings import Settings
    from callbridge.server.preparing import Prepared

KEY_BYTES: Final = 16


@dataclass(slots=True)
class Pages:
    """Those of one run.

    Args:
        listener: where they are served.
        opens_browser: whether somebody may be shown them unasked.
        called: the number that is called there.
    """

    listener: socket.socket
    opens_browser: bool = False
    called: str = TO_NUMBER
    _key: str = field(default_factory=lambda: secrets.token_urlsafe(KEY_BYTES), init=False)

    @property
    def address(self) -> str:
        """The one to be opened first: it has the key in it."""
        return new_address(LOOPBACK, self.listener.getsockname()[1], self._key)

    @contextlib.asynccontextmanager
    async def served(
        self,
        prepared: Prepared,
        told: Told,
        settings: Settings,
        notice: Callable[[], Notice | None] = lambda: None,
    ) -> AsyncIterator[None]:
        """Serves them for the length of the context. `notice`: what every page shows at the moment."""
        async with Asking(settings.public_base_url, settings.port, settings.auth_tokens[0]) as asking:
            state = prepared.app.state
            talks = Talks(settings, state.media_door, asking, state.desk.feed)
            async with (
                watched(prepared.app.state.desk, is_public=settings.is_public, is_own=talks.has) as watch,
                talks.opened(),
            ):
                sections = self._sections(prepared, told, settings, talks, watch)
                app = create_console(sections, key=self._key, notice=notice)
                async with serving(pages_config(app, settings), self.listener):
                    try:
                        yield
                    finally:
                        watch.book.close()  # Streams that a browser reads would keep the pages from ending.

    def _sections(
        self, prepared: Prepared, told: Told, settings: Settings, talks: Talks, watch: Watch
    ) -> list[Section]:
        plans = prepared.app.state.desk.plans

        def line() -> Line:
            return Line(
                tuple(plans.roster.agents),
                "simulated" if told.simulates_model else settings.realtime_model,
                "real" if told.has_account else "made up",
                settings.voice_url,
                FROM_NUMBER,
                self.called,
                talks.voice,
                f"{CALLS_PATH}/SID",
            )

        return [
            Section("Talk", TALK_PATH, talk_router(line, talks)),
            Section("Calls", CALLS_PATH, watch.router()),
        ]

    async def open(self) -> None:
        """Shows them, where there is somebody to see them."""
        if self.opens_browser:
            with contextlib.suppress(webbrowser.Error):
                await asyncio.to_thread(webbrowser.open, self.address)
