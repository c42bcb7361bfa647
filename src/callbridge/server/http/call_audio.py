"""`GET /calls/{sid}/audio`: leads to the recording of a call, wherever it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import msgspec
from fastapi.responses import RedirectResponse

from callbridge.server.http.openapi import Operation
from callbridge.server.http.recorded_calls import Refusal, called, refusal
from callbridge.server.process.keeping.recording_links import link_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request
    from fastapi.responses import Response

    from callbridge.records.reading import Records
    from callbridge.server.config.settings import Settings
    from callbridge.server.http.recorded_calls import RecordedCalls

AUDIO_PATH: Final = "/calls/{sid}/audio"

LINK_VALID_S: Final = 600.0
"""From the answer until the recording is fetched. Who listens for longer has begun before."""


class AudioQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which recording."""

    part: Annotated[
        int, msgspec.Meta(ge=1, le=999, description="1, 2, …: each stream of a call has one of its own.")
    ] = 1


@dataclass(frozen=True, slots=True)
class CallAudio:
    """The endpoint."""

    recorded: RecordedCalls
    settings: Settings
    wall_now: Callable[[], float]

    async def lead(self, request: Request) -> Response:
        """Redirects to a link that is good for a while; 404 where there is no recording."""
        try:
            part = msgspec.convert(dict(request.query_params), AudioQuery, strict=False).part
        except msgspec.ValidationError as error:
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        call_sid = called(request)
        return await self.recorded.answer(lambda records: self._link(records, call_sid, part), _redirect)

    def _link(self, records: Records, call_sid: str, part: int) -> str | None:
        story = records.story(call_sid)
        if story is None:
            return None
        if part > len(story.recordings):
            return ""
        try:
            url = link_to(self.settings, story.recordings[part - 1], LINK_VALID_S, self.wall_now())
        except (ValueError, ImportError):
            return ""  # It was made when recordings were stored elsewhere.
        place = self.settings.recordings_place
        if place is None or not place.directory:
            return url
        # By the way that this was asked: it may be another host's name than the settings have.
        return urlsplit(url)._replace(scheme="", netloc="").geturl()


def _redirect(url: str) -> Response:
    if not url:
        return refusal(HTTPStatus.NOT_FOUND, "There is no such recording of this call.")
    return RedirectResponse(url, headers={"Cache-Control": "no-store"})


def audio_operation() -> Operation:
    """What can be asked."""
    return Operation(
        method="GET",
        path=AUDIO_PATH,
        summary="Leads to the recording: caller left, agent right, as they were heard.",
        answer=None,
        status=307,
        query=AudioQuery,
        refusals={404: Refusal, 422: Refusal, 503: Refusal},
    )
