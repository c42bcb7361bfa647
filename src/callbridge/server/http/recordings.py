"""Recordings at the control listener: who has a signed link may hear one, and needs no key.

Who has the key may ask for a link, and delete a recording. A store is asked in a thread.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from fastapi.responses import FileResponse, JSONResponse, Response

from callbridge.records.recording import links
from callbridge.records.recording.stores import TYPES, DirectoryStore, StoreAwayError, is_name
from callbridge.server.http.openapi import Operation
from callbridge.server.http.recorded_calls import Refusal, refusal
from callbridge.server.process.keeping.recording_links import delete_recording, link_to, store_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from callbridge.server.config.settings import Settings

RECORDING_PATH: Final = links.PATH + "/{name}"
LINK_PATH: Final = RECORDING_PATH + "/link"

VALID_S: Final = 3600.0
VALID_S_MAX: Final = 7 * 86_400.0
"""As long as Amazon's links may live."""


class LinkQuery(msgspec.Struct, frozen=True):
    """How long a link is to be good."""

    valid_s: Annotated[float, msgspec.Meta(ge=1, le=VALID_S_MAX)] = VALID_S


class RecordingLink(msgspec.Struct, frozen=True):
    """A link to a recording."""

    url: str
    valid_s: float


class RecordingDeleted(msgspec.Struct, frozen=True):
    """A recording that is no more."""

    name: str


_HEADERS: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


class RecordingDoor:
    """Answers what is asked of recordings.

    Args:
        settings: say where they are.
        wall_now: seconds since 1970.
    """

    def __init__(self, settings: Settings, wall_now: Callable[[], float]) -> None:
        self._settings, self._wall_now = settings, wall_now
        self._key = links.key_of(settings.own_secret)
        place = settings.recordings_place
        self._directory = store_of(settings) if place is not None and place.directory else None

    async def hear(self, request: Request) -> Response:
        """The recording; 403 without a good link, whether there is one or not."""
        name = request.path_params["name"]
        given = [request.query_params.get(field, "") for field in ("expires", "signature")]
        # Signed names are all of one form; nothing else is even looked for.
        if not links.is_good(self._key, self._wall_now(), name, *given) or not is_name(name):
            return Response(status_code=HTTPStatus.FORBIDDEN)
        path = self._directory.path(name) if isinstance(self._directory, DirectoryStore) else None
        if path is None or not path.is_file():
            return Response(status_code=HTTPStatus.NOT_FOUND)
        return FileResponse(path, media_type=TYPES[name.rpartition(".")[2]], headers=_HEADERS)

    async def link(self, request: Request) -> Response:
        """A link to it that is good for `valid_s` seconds, an hour unless it is said."""
        try:
            query = msgspec.convert(dict(request.query_params), LinkQuery, strict=False)
            name = request.path_params["name"]
            url = await asyncio.to_thread(link_to, self._settings, name, query.valid_s, self._wall_now())
        except (ValueError, ImportError) as error:
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        return JSONResponse(msgspec.structs.asdict(RecordingLink(url, query.valid_s)))

    async def delete(self, request: Request) -> Response:
        """Deletes it; 404 where there is none."""
        name = request.path_params["name"]
        try:
            was_there = await asyncio.to_thread(delete_recording, self._settings, name)
        except (ValueError, ImportError) as error:
            return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except StoreAwayError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        if not was_there:
            return refusal(HTTPStatus.NOT_FOUND, "there is no such recording")
        return JSONResponse(msgspec.structs.asdict(RecordingDeleted(name)))


def recording_operations() -> tuple[Operation, Operation]:
    """What can be asked with the key, in the order of the endpoints: a link, and to delete one."""
    return (
        Operation(
            method="GET",
            path=LINK_PATH,
            summary="A link under which anybody can hear a recording for a while.",
            answer=RecordingLink,
            query=LinkQuery,
            refusals={422: Refusal},
        ),
        Operation(
            method="DELETE",
            path=RECORDING_PATH,
            summary="Delete a recording.",
            answer=RecordingDeleted,
            refusals={404: Refusal, 422: Refusal, 503: Refusal},
        ),
    )
