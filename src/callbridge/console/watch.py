"""The pages on which calls are watched: those that are on, the last ones, and each of them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from callbridge.console.call_list import ListQuery, list_view, live_rows
from callbridge.console.call_sound import KeptSounds, audio_answer
from callbridge.console.call_view import size_in_words, view_of
from callbridge.console.event_stream import EventStream, message
from callbridge.console.lanes import lanes_of
from callbridge.console.live_call import LiveCall
from callbridge.console.pages import page, part
from callbridge.console.sources import SourceError
from callbridge.records.call_list import CallSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from callbridge.console.call_book import CallBook
    from callbridge.console.sources import Freezing, PastCalls, Sounds
    from callbridge.records.call_list import Filter
    from callbridge.records.story import CallStory

CALLS_PATH: Final = "/calls"

TICK_S: Final = 0.15
"""A page is told of changes so often at most: as fast as people read."""


@dataclass(slots=True, kw_only=True)
class Watch:
    """The pages of calls.

    Args:
        book: the calls of this process.
        past: where calls are kept; by default the book alone.
        sounds: what was recorded of them; nothing where none is.
        freezing: makes a test of a call; nothing where that cannot be.
        no_sound: why a call may have no sound, for who looks for it.
        next_steps: what to do after a call, and how.
        opens_live: whether the list leads to the next call by itself.
    """

    book: CallBook
    past: PastCalls | None = None
    sounds: Sounds | None = None
    freezing: Freezing | None = None
    no_sound: str = "It was not recorded."
    next_steps: Sequence[tuple[str, str]] = ()
    opens_live: bool = False
    _live: dict[str, LiveCall] = field(default_factory=dict, init=False)
    _kept: KeptSounds = field(init=False)

    def __post_init__(self) -> None:
        self._kept = KeptSounds(self.sounds)

    def router(self) -> APIRouter:
        """Their routes."""
        one = f"{CALLS_PATH}/{{sid}}"
        router = APIRouter()
        router.routes += [
            Route(CALLS_PATH, self.calls),
            Route(f"{CALLS_PATH}/live", self.list_events),
            Route(one, self.call),
            Route(f"{one}/live", self.call_events),
            Route(f"{one}/sound", self.sound_has_come),
            Route(f"{one}/audio.wav", self.audio),
            Route(f"{one}/call.json", self.json),
            Route(f"{one}/test", self.freeze, methods=["POST"]),
        ]
        return router

    # --- The list ---

    async def calls(self, request: Request) -> Response:
        """The calls that are on, and the last ones."""
        query = ListQuery.of(request.query_params)
        trouble, calls = "", list[CallSummary]()
        try:
            calls = await self._calls(query.filter())
        except SourceError as error:
            trouble = str(error)
        live = await self.book.live()
        told = list_view(calls, live, query)
        return page(
            request, "calls/list.html", told=told, query=query, trouble=trouble, opens=self.opens_live
        )

    async def _calls(self, wanted: Filter) -> list[CallSummary]:
        """The last ones. What has ended a moment ago may not be on record yet: the book has it."""
        found = {} if self.past is None else {call.call_sid: call for call in await self.past.calls(wanted)}
        if self.past is None or not wanted.after:
            found |= {call.call_sid: call for call in await self.book.calls(wanted)}
        latest_first = sorted(found.values(), key=lambda call: (call.began_at, call.call_sid), reverse=True)
        return latest_first[: wanted.limit]

    async def list_events(self, _request: Request) -> Response:
        """Keeps the list of those that are on as it is."""
        return EventStream(_ListEvents(self.book).next)

    # --- One call ---

    async def call(self, request: Request) -> Response:
        """A call: while it is on as it goes, and then with its sound."""
        call_sid = request.path_params["sid"]
        booked = self.book.find(call_sid)
        if booked is not None and booked.rows:
            shown = await self._live_call(call_sid).now()
            if shown.view.is_live:
                return page(request, "calls/live.html", shown=shown, view=shown.view, drawn=shown.drawn)
            log = shown.snapshot.log
        else:
            log = ()
        story = await self._story(call_sid)
        sound, trouble = await self._kept.sound_or_why(story)
        drawn = await run_in_threadpool(lanes_of, story, sound)
        return page(
            request,
            "calls/past.html",
            view=view_of(story),
            size=size_in_words(story),
            drawn=drawn,
            log=log,
            no_sound=trouble or self.no_sound,
            may_freeze=self.freezing is not None,
            next_steps=self.next_steps,
            awaits_sound=sound is None and self.sounds is not None and _is_just_over(story),
        )

    async def call_events(self, request: Request) -> Response:
        """Keeps the page of a live call as it is."""
        call_sid = request.path_params["sid"]
        booked = self.book.find(call_sid)
        if booked is None or not booked.rows:
            raise HTTPException(HTTPStatus.NOT_FOUND, "No such call is on.")
        events = _CallEvents(self._live_call(call_sid), request.query_params.get("seen", ""))
        return _Listening(self.book, EventStream(events.next))

    def _live_call(self, call_sid: str) -> LiveCall:
        call = self.book.find(call_sid)
        assert call is not None
        for sid in [sid for sid in self._live if self.book.find(sid) is None]:
            del self._live[sid]
        return self._live.setdefault(call_sid, LiveCall(self.book, call))

    async def _story(self, call_sid: str) -> CallStory:
        """Of the book first: it is never late."""
        try:
            story = await self.book.story(call_sid)
            if story is None and self.past is not None:
                story = await self.past.story(call_sid)
        except SourceError as error:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        if story is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such call on record.")
        return story

    async def sound_has_come(self, request: Request) -> Response:
        """Has a page loaded again that waits for the sound of its call."""
        sound, _why = await self._kept.sound_or_why(await self._story(request.path_params["sid"]))
        if sound is None:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return Response(headers={"HX-Refresh": "true"})

    async def audio(self, request: Request) -> Response:
        """Its sound as a WAV file: caller left, agent right, from the beginning of the call."""
        story = await self._story(request.path_params["sid"])
        wav = await self._kept.wav(story)
        if wav is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no sound of this call.")
        name = f"{story.call_sid}.wav" if "download" in request.query_params else ""
        return audio_answer(wav, request.headers.get("range", ""), name)

    async def json(self, request: Request) -> Response:
        """All that is known of it."""
        story = await self._story(request.path_params["sid"])
        text = msgspec.json.format(msgspec.json.encode(story), indent=2)
        headers = {
            "Content-Disposition": f'attachment; filename="{story.call_sid}.json"',
            "Cache-Control": "no-store",
        }
        return Response(text, media_type="application/json", headers=headers)

    async def freeze(self, request: Request) -> Response:
        """Makes a test of it. Answers a part of the page."""
        if self.freezing is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        story = await self._story(request.path_params["sid"])
        frozen, trouble = None, ""
        try:
            sound = await self._kept.sound(story)
            frozen = await self.freezing.freeze(story, sound)
        except SourceError as error:
            trouble = str(error)
        return HTMLResponse(part("calls/frozen.html", frozen=frozen, trouble=trouble))


SOUND_COMES_S: Final = 120.0
"""So long after a call its recording may still be on its way to where it is stored."""


def _is_just_over(story: CallStory) -> bool:
    return story.ended_at is not None and time.time() - story.ended_at < SOUND_COMES_S


class _ListEvents:
    """The events of one page with the list."""

    def __init__(self, book: CallBook) -> None:
        self._book = book
        self._seen = -1
        self._on: set[str] = set()

    async def next(self) -> str | None:
        """The next message: the calls that are on, and that one of them has ended."""
        book = self._book
        if book.is_closed:
            return None
        if self._seen >= 0:
            await book.all.changed(self._seen)
            await book.pause(TICK_S)
        seen, live = book.all.changes, await book.live()
        on = {story.call_sid for story in live}
        has_ended, self._seen, self._on = bool(self._on - on), seen, on
        told = message("live", part("calls/live_rows.html", live=live_rows(live)))
        return told + message("ended", "") if has_ended else told


class _CallEvents:
    """The events of one page of one call."""

    def __init__(self, live: LiveCall, seen: str) -> None:
        self._live = live
        self._seen = int(seen) if re.fullmatch("[0-9]{1,15}", seen) else -1
        self._is_over = False

    async def next(self) -> str | None:
        """The next message: what has changed; at the end that it is over; then none."""
        if self._is_over:
            return None
        book, call = self._live.book, self._live.call
        if self._seen == call.changes:
            await call.changed(self._seen)
            await book.pause(TICK_S)
        seen, parts, is_over = await self._live.since(self._seen)
        self._seen, self._is_over = seen, is_over or book.is_closed
        told = message("parts", parts) if parts else ""
        return told + message("over", "") if self._is_over else told


class _Listening(Response):
    """A stream during which the words of calls are asked for."""

    def __init__(self, book: CallBook, stream: EventStream) -> None:
        super().__init__()
        self._book, self._stream = book, stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer."""
        with self._book.listening():
            await self._stream(scope, receive, send)
