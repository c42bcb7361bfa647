"""`GET /calls…`: what is on record of calls, as JSON. Reads only.

The database is asked in threads of our own and for a few seconds at most: neither a call nor the control
listener waits for one that does not answer. What is answered is what is kept.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import msgspec
from fastapi.responses import JSONResponse, Response

from callbridge.call.facts import Fact
from callbridge.records.call_list import CallSummary, Filter
from callbridge.records.errors import RecordsError
from callbridge.records.story import CallStory
from callbridge.server.config.records import showing
from callbridge.server.http.openapi import JSON, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request

    from callbridge.records.database import Database
    from callbridge.records.reading import Records
    from callbridge.server.process.desk import Desk

CALLS_PATH: Final = "/calls"
CALL_PATH: Final = "/calls/{sid}"
FACTS_PATH: Final = "/calls/{sid}/facts"

ANSWER_WITHIN_S: Final = 5.0
READERS: Final = 2
"""Threads. Who hangs in the database keeps one of them, and no more than these."""

CALLS_MAX: Final = 200
FACTS_MAX: Final = 1000
"""On one page. A call has some hundred."""

_NOWHERE: Final = "No records are kept: neither DATABASE_URL nor CALLBRIDGE_STATE_PATH is set, or it is off."

_T = TypeVar("_T")

Seconds = Annotated[float, msgspec.Meta(description="In seconds since 1970.")]


class CallsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which calls are wanted. What is given holds together."""

    since: Annotated[Seconds | None, msgspec.Meta(description="Began then or later, in Unix seconds.")] = None
    until: Annotated[Seconds | None, msgspec.Meta(description="Began before that.")] = None
    agent: Annotated[str, msgspec.Meta(description="Answered by this one.")] = ""
    caller_key: Annotated[
        str, msgspec.Meta(description="Calls of one caller: the key that each call is listed with.")
    ] = ""
    ended: Annotated[str, msgspec.Meta(description="How: caller_hangup, agent_hangup, …")] = ""
    state: Annotated[
        Literal["", "declined", "live", "ended"], msgspec.Meta(description="Where the call is.")
    ] = ""
    longer_than_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53, description="Took at least so long.")] = 0
    words: Annotated[
        str, msgspec.Meta(description="All of these were said or heard in one turn, or captured.")
    ] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=CALLS_MAX, description="So many on a page.")] = 50
    after: Annotated[str, msgspec.Meta(description="The next page: `next` of the one before.")] = ""


class StoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a call is told."""

    words: Annotated[bool, msgspec.Meta(description="What was said, too, where it is kept.")] = True


class FactsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which facts of a call are wanted."""

    after: Annotated[int, msgspec.Meta(ge=0, le=2**53, description="`next` of the page before.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=FACTS_MAX, description="So many on a page.")] = FACTS_MAX


class CallPage(msgspec.Struct, frozen=True):
    """Calls, the latest first."""

    calls: list[CallSummary]
    next: str | None
    """What the next page is `after`; nothing where there is none."""


class KeptFact(msgspec.Struct, frozen=True):
    """A fact as it is kept."""

    source: str
    number: int
    at: Seconds
    fact: Fact | None
    """Nothing for a kind that this version does not know."""


class FactPage(msgspec.Struct, frozen=True):
    """Facts of a call, in the order of their times."""

    facts: list[KeptFact]
    next: int | None
    """What the next page is `after`; nothing where there is none."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a question is not answered."""

    error: str


def _as_json(found: object) -> Response:
    return Response(msgspec.json.encode(found), media_type=JSON)


@dataclass(slots=True)
class RecordedCalls:
    """The endpoints."""

    desk: Desk
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(READERS, thread_name_prefix="records reader")
    )

    async def list(self, request: Request) -> Response:
        """A page of calls."""
        try:
            query = _query(request, CallsQuery)
        except msgspec.ValidationError as error:
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        return await self.answer(lambda records: _page(records, query))

    async def story(self, request: Request) -> Response:
        """One call, whole."""
        call_sid = called(request)
        try:
            query = _query(request, StoryQuery)
        except msgspec.ValidationError as error:
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        shown = None if query.words else showing(self.desk.settings, words=False)
        return await self.answer(lambda records: records.story(call_sid, shown))

    async def facts(self, request: Request) -> Response:
        """The facts of a call."""
        call_sid = called(request)
        try:
            query = _query(request, FactsQuery)
        except msgspec.ValidationError as error:
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        return await self.answer(lambda records: _facts(records, call_sid, query))

    async def answer(
        self, read: Callable[[Records], _T | None], told: Callable[[_T], Response] = _as_json
    ) -> Response:
        """What `read` finds in the records, in a thread, as `told` makes an answer of it; or why not."""
        if self.desk.records is None:
            return refusal(HTTPStatus.NOT_FOUND, _NOWHERE)
        try:
            found = await self._read(read, self.desk.records.database)
        except RecordsError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except TimeoutError:
            words = f"The database has not answered for {ANSWER_WITHIN_S:g} s."
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, words)
        if found is None:
            return refusal(HTTPStatus.NOT_FOUND, "There is no such call on record.")
        return told(found)

    async def _read(self, read: Callable[[Records], _T], database: Database) -> _T:
        from callbridge.records.reading import Records  # noqa: PLC0415 - who keeps no records needs none

        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await asyncio.get_running_loop().run_in_executor(self._threads, read, Records(database))


def record_operations() -> tuple[Operation, Operation, Operation]:
    """What can be asked, in the order of the endpoints: the list, a story, its facts."""
    away = {404: Refusal, 503: Refusal}
    return (
        Operation(
            method="GET",
            path=CALLS_PATH,
            summary="Calls on record, the latest first.",
            answer=CallPage,
            query=CallsQuery,
            refusals=away | {422: Refusal},
        ),
        Operation(
            method="GET",
            path=CALL_PATH,
            summary="One call: turns, times, tools, cost.",
            answer=CallStory,
            query=StoryQuery,
            refusals=away | {422: Refusal},
        ),
        Operation(
            method="GET",
            path=FACTS_PATH,
            summary="The facts that a call is told from.",
            answer=FactPage,
            query=FactsQuery,
            refusals=away | {422: Refusal},
        ),
    )


def refusal(status: HTTPStatus, words: str) -> JSONResponse:
    """An answer that says why not."""
    return JSONResponse(msgspec.structs.asdict(Refusal(words)), status)


def called(request: Request) -> str:
    """Which call is asked about."""
    return str(request.path_params["sid"]).replace("\0", "?")


_Query = TypeVar("_Query", CallsQuery, StoryQuery, FactsQuery)


def _query(request: Request, kind: type[_Query]) -> _Query:
    if any("\0" in value for value in request.query_params.values()):
        raise msgspec.ValidationError("NUL is in no text")  # PostgreSQL has no place for it.
    return msgspec.convert(dict(request.query_params), kind, strict=False)


def _page(records: Records, query: CallsQuery) -> CallPage:
    wanted = Filter(
        since=query.since,
        until=query.until,
        agent=query.agent,
        caller_key=query.caller_key,
        end_reason=query.ended,
        state=query.state,
        duration_ms_min=query.longer_than_ms,
        words=query.words,
        limit=query.limit + 1,
        after=query.after,
    )
    found = records.calls(wanted)
    calls = found[: query.limit]
    return CallPage(calls, calls[-1].cursor if len(found) > query.limit else None)


def _facts(records: Records, call_sid: str, query: FactsQuery) -> FactPage | None:
    rows = records.facts(call_sid)
    if not rows:
        return None
    end = query.after + query.limit
    facts = [KeptFact(row.source, row.number, row.at, row.fact) for row in rows[query.after : end]]
    return FactPage(facts, end if end < len(rows) else None)
