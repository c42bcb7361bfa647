"""Has a text model look at calls that are over, one after the other: an organ of the process.

Nobody waits for it: not a call, and not the event loop, which the database is kept away from by threads.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

import msgspec
import structlog

from callbridge.call.record_facts import CallAnalysed
from callbridge.records.analysis.asking import ask
from callbridge.records.analysis.completion import AnalysisFault, open_client
from callbridge.records.analysis.findings import Custom
from callbridge.records.analysis.result import result_of
from callbridge.records.errors import RecordsError
from callbridge.server.config.check_analysis import why_not_analysed
from callbridge.server.process.own_threads import AFTER_CALLS, in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.agents.agent import Agent
    from callbridge.agents.choosing.choice import Roster
    from callbridge.records.analysis.completion import TextClient
    from callbridge.records.analysis.pending import Pending
    from callbridge.records.database import Database
    from callbridge.records.projecting import Outgrowth
    from callbridge.records.story import CallStory
    from callbridge.server.config.settings import Settings

T = TypeVar("T")

LOOK_EVERY_S: Final = 1.0
"""How often it is looked whether a call is due, where none was."""

_log = structlog.get_logger()


class Analysing:
    """Analyses the calls of one process, or of others.

    Args:
        pending: which are due.
        settings: which model is asked, and where.
        roster: who knows what an agent wants to know besides.
        look_every_s: see `LOOK_EVERY_S`.
    """

    def __init__(
        self, pending: Pending, settings: Settings, roster: Roster, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._pending, self._roster, self._look_every_s = pending, roster, look_every_s
        assert settings.analysis_model is not None, "asked for nothing"
        self._model, self._url = settings.analysis_model, settings.analysis_url
        self._key = settings.openai_api_key.get_secret_value()

    async def run_forever(self) -> NoReturn:
        """One life of the organ."""
        # In a thread: it imports the library and reads the certificates, for a second and more.
        async with await _aside(partial(open_client, self._url, self._key)) as client:
            while True:
                if not await self._is_one_done(client):
                    await asyncio.sleep(self._look_every_s)

    async def _is_one_done(self, client: TextClient) -> bool:
        """Looks at one call; false where none is due, or the database is away: its shipping says so."""
        try:
            story = await _aside(self._pending.claim)
            if story is None:
                return False
            await self._analyse(client, story)
        except RecordsError:
            return False
        return True

    async def _analyse(self, client: TextClient, story: CallStory) -> None:
        agent = self._roster.agents.get(story.agent)
        wish = None if agent is None else agent.analysis
        custom = None if wish is None or wish.schema is None else Custom(wish.schema, wish.read)
        log = _log.bind(call_sid=story.call_sid)
        try:
            answer = await ask(
                client,
                self._model,
                story,
                tools=() if agent is None else _tools_of(agent),
                instructions="" if wish is None else wish.instructions,
                custom=custom,
            )
        except AnalysisFault as fault:
            log.warning("call_not_analysed", reason=fault.why, is_given_up=fault.is_lasting)
            await _aside(partial(self._pending.failed, story.call_sid, fault))
            return
        result = msgspec.json.encode(result_of(answer, story)).decode()
        fact = CallAnalysed(result, answer.model, answer.tokens_in, answer.tokens_out)
        await _aside(partial(self._pending.found, story.call_sid, fact))
        log.info("call_analysed", model=answer.model)


async def _aside(function: Callable[[], T]) -> T:
    return await in_thread(AFTER_CALLS, function, "analysis")


def is_analysing(settings: Settings) -> bool:
    """Whether calls are to be looked at, and can be."""
    return settings.analysis_model is not None and why_not_analysed(settings) is None


def analysis_outgrowths(settings: Settings, clock: Callable[[], float]) -> list[Outgrowth]:
    """What has calls looked at, written down with their ends; nothing where they are not."""
    if (why := why_not_analysed(settings)) is not None:
        _log.warning("calls_not_analysed", reason=why[0], remedy=why[1])
    if not is_analysing(settings):
        return []
    # With the database's library, which takes a fifth of a second to import.
    from callbridge.records.analysis.pending import Which, asks_for_analysis  # noqa: PLC0415 - see above

    which = Which(settings.analysis_share, settings.analysis_seconds_min * 1000)
    return [asks_for_analysis(which, clock)]


def open_analysing(
    settings: Settings,
    database: Database,
    roster: Roster,
    clock: Callable[[], float],
    analysed: Sequence[Outgrowth] = (),
) -> Analysing:
    """The organ. Only where `is_analysing`.

    Args:
        settings: which model is asked, and where.
        database: where the records are.
        roster: whose calls they are.
        clock: seconds since 1970.
        analysed: what follows an analysis, in the transaction that writes it down.
    """
    from callbridge.records.analysis.pending import Pending  # noqa: PLC0415 - see above

    return Analysing(Pending(database, clock, analysed), settings, roster)


def _tools_of(agent: Agent) -> tuple[str, ...]:
    """By name, those of a guest among them."""
    return (*agent.toolbox.names, *(() if agent.guest is None else agent.guest.tool_names))
