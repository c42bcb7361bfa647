"""The browser phone: one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter

from callbridge.console.pages import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

TALK_PATH: Final = "/talk"


@dataclass(frozen=True, slots=True)
class Line:
    """Who answers here, and how."""

    agents: tuple[str, ...]
    model: str
    account: str
    voice_url: str


def talk_router(line: Line) -> APIRouter:
    """Its routes."""
    router = APIRouter()

    async def show(request: Request) -> Response:
        return page(request, "talk.html", line=line)

    router.add_route(TALK_PATH, show)
    return router
