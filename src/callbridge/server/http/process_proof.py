"""An address by which one process is known from all others: for who asks whether a name leads to it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request


class ProcessProof:
    """An address that only this process answers, with words that only it knows."""

    def __init__(self) -> None:
        self.path = f"/healthz/{secrets.token_hex(8)}"
        self._words = secrets.token_hex(16)

    def add_to(self, app: FastAPI) -> None:
        """From now on `app` answers there."""
        app.router.routes.append(Route(self.path, self._answer, methods=["GET"]))

    async def _answer(self, _request: Request) -> PlainTextResponse:
        return PlainTextResponse(self._words)

    def is_given_by(self, text: str) -> bool:
        """Whether it is this process that has answered so."""
        return text.strip() == self._words
