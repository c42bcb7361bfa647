"""The pages put together: a guard before them, one navigation, static files, errors as pages.

Served on a loopback listener of their own. What a section needs of the process is given to it by whoever
starts the pages; none of them knows the service.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from callbridge.console.guard import HEADERS, Guard
from callbridge.console.pages import page, part
from callbridge.console.vendored import STATIC

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.types import Scope

    from callbridge.console.notice import Notice

FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
"""What is ours may change with the next start."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the pages that the navigation leads to.

    Args:
        word: in the navigation.
        path: where it begins, such as `/calls`.
        router: its routes, with their whole paths.
    """

    word: str
    path: str
    router: APIRouter


def create_console(
    sections: Sequence[Section], *, key: str, notice: Callable[[], Notice | None] = lambda: None
) -> FastAPI:
    """The pages of one start.

    Args:
        sections: in the order of the navigation; the first is where one begins.
        key: stands in the first address (`guard.new_address`), and nobody without it sees anything.
        notice: what is to be known at this moment.
    """
    app = FastAPI(title="callbridge pages", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.sections = tuple(sections)
    app.add_middleware(Guard, key=key, refused=lambda why: part("refused.html", why=why))
    for section in sections:
        app.include_router(section.router)
    begin = sections[0].path
    app.router.routes += [
        Route("/", lambda _request: RedirectResponse(begin, HTTPStatus.SEE_OTHER)),
        Route("/notice", _Notices(notice).answer),
        Mount("/static", _Static(directory=STATIC)),
    ]
    app.add_exception_handler(HTTPException, _say_why_not)
    app.add_exception_handler(Exception, _say_that_it_failed)
    return app


class _Static(StaticFiles):
    """With what a browser may keep. A vendored file has its version in its name."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = FOR_EVER if path.startswith("vendor/") else ASK_AGAIN
        return response


@dataclass(frozen=True, slots=True)
class _Notices:
    """Asked every other second by every page. What it has shown already is not sent again."""

    notice: Callable[[], Notice | None]

    def answer(self, request: Request) -> Response:
        notice = self.notice()
        told = hashlib.sha256(repr(notice).encode()).hexdigest()[:16]
        if request.query_params.get("seen") == told:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return HTMLResponse(part("notice.html", notice=notice, seen=told))


async def _say_why_not(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail == words else error.detail
    return page(request, "error.html", status=error.status_code, words=words, detail=detail)


async def _say_that_it_failed(request: Request, error: Exception) -> Response:
    del error  # The terminal has all of it.
    words, detail = "That has failed", "What went wrong stands in the terminal of callbridge dev."
    answer = page(request, "error.html", status=500, words=words, detail=detail)
    answer.headers.update(HEADERS)  # It passes by the guard on its way out.
    return answer
