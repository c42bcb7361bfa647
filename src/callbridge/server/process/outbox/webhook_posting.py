"""One attempt to tell a receiver of an event: its request is made, sent, and what came back put in words."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callbridge.agents.http.origins import OriginFault, origin_of
from callbridge.agents.http.recipe import Request
from callbridge.agents.http.sending import NotAnswered, NotSent
from callbridge.agents.tools.threads import Threads, ThreadsBusy
from callbridge.records.outbox.body import body_of, no_link
from callbridge.records.outbox.schedule import asked_delay_s
from callbridge.records.outbox.webhook import TemplateFault
from callbridge.server.process.own_threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.agents.http.answers import HttpAnswer
    from callbridge.agents.http.kept_connections import KeptConnections
    from callbridge.records.outbox.events import Event
    from callbridge.records.outbox.webhook import Outgoing, Webhook

ANSWER_S: Final = 10.0
"""What a receiver may take to answer."""

TEMPLATE_S: Final = 10.0
"""What a template may take: a function of a user's may look things up."""

SHORT: Final = 4096
"""Characters of a fact: a body of it is made in 0.3 ms, and a thread is no sooner there."""

WORDS_MAX: Final = 200
"""Characters of what a receiver says of a request that it does not want."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of an attempt."""

    code: int | None = None
    """Of HTTP; nothing where no answer came."""
    error: str = ""
    """What went wrong, without secrets; empty where nothing did."""
    asked_s: float | None = None
    """What the receiver asked for in `Retry-After`."""
    is_skipped: bool = False
    """The template wants nothing sent."""
    is_hopeless: bool = False
    """The template is wrong: another attempt would be no better."""


class Posting:
    """How attempts are made.

    Args:
        connections: what is sent over.
        link_to: the address of a recording by its name; empty for none.
        wall_now: seconds since 1970.
    """

    def __init__(
        self,
        connections: KeptConnections,
        *,
        link_to: Callable[[str], str] = no_link,
        wall_now: Callable[[], float] = time.time,
    ) -> None:
        self._connections, self._link_to, self._wall_now = connections, link_to, wall_now

    async def post(self, webhook: Webhook, event: Event) -> Posted:
        """Tells a receiver of an event."""
        outgoing = await self._made(webhook, event)
        if isinstance(outgoing, Posted):
            return outgoing
        try:
            request = _request(webhook, outgoing)
            answer = await self._connections.send(request, ANSWER_S, is_internal=webhook.is_internal)
        except (OriginFault, NotSent, NotAnswered) as fault:
            return Posted(error=str(fault))
        if 200 <= answer.status < 300:
            return Posted(answer.status)
        return Posted(
            answer.status, _why(answer, webhook), asked_delay_s(answer.retry_after, self._wall_now())
        )

    async def _made(self, webhook: Webhook, event: Event) -> Outgoing | Posted:
        """The request, made in a thread where its body may be long, or a template or a link slow."""

        def make() -> Outgoing | None:
            return webhook.request_for(event, body_of(event, self._link_to), int(self._wall_now()))

        if webhook.template is None and not event.is_of_call and len(event.content) < SHORT:
            made = make()
            assert made is not None, "without a template all is sent"
            return made
        try:
            async with asyncio.timeout(TEMPLATE_S):
                made = await in_thread(_TEMPLATES, make, f"webhook {webhook.name}")
        except TemplateFault as fault:
            return Posted(error=str(fault), is_hopeless=True)
        except (TimeoutError, ThreadsBusy):
            return Posted(error=f"its template took longer than {TEMPLATE_S:g} s")
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything; its words may be a caller's
            return Posted(error=f"its template raised {type(error).__name__}")
        return Posted(is_skipped=True) if made is None else made


_TEMPLATES: Final = Threads(16)
"""One that hangs keeps its thread."""


def _request(webhook: Webhook, outgoing: Outgoing) -> Request:
    parts = urlsplit(webhook.url)
    origin = origin_of(f"{parts.scheme}://{parts.netloc}")
    return Request(outgoing.method, origin, outgoing.path, outgoing.headers, outgoing.content)


def _why(answer: HttpAnswer, webhook: Webhook) -> str:
    """What is told of an answer that is no 2xx."""
    phrase = HTTPStatus(answer.status).phrase if answer.status in list(HTTPStatus) else ""
    why = f"it answered {answer.status} {phrase}".rstrip()
    if 300 <= answer.status < 400:
        return f"{why}; redirects are not followed: set the new address"
    kind = answer.content_type.partition(";")[0].strip().lower()
    if answer.is_encoded or not (kind == "text/plain" or kind.endswith("json")):
        return why
    words = webhook.hide(answer.body.decode("utf-8", "replace"))
    shown = "".join(character if character.isprintable() else " " for character in words)
    shown = " ".join(shown.split())[:WORDS_MAX]
    return f"{why}: {shown}" if shown else why
