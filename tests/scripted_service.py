"""For tests of the exchange: a service whose webhooks answer with fixed documents, and keep what they got."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from callbridge.simulators.phone import CallerScript, CallSettings, Exchange, SimulatedCall, WaitForEnd
from small_server import answered, small_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from callbridge.simulators.phone import Person
    from small_server import Asked


@dataclass
class Service:
    """Answers each path with its document, `<Response/>` around it; others with 404."""

    documents: dict[str, str | list[str]]
    """By path; of several each is given once, and the last one for ever."""
    base: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and form of each request, in the order of their arrival."""
    tokens: list[str] = field(default_factory=list)
    _exchange: Exchange | None = None

    @property
    def exchange(self) -> Exchange:
        """Where its calls are placed."""
        assert self._exchange is not None, "it was given none"
        return self._exchange

    @exchange.setter
    def exchange(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def answer(self, asked: Asked) -> bytes:
        path = urlsplit(asked.target).path
        self.asked.append((path, dict(parse_qsl(asked.body.decode(), keep_blank_values=True))))
        self.tokens.append(asked.headers["i-twilio-idempotency-token"])
        found = self.documents.get(path)
        if found is None:
            return answered("", status="404 Not Found")
        body = found if isinstance(found, str) else found.pop(0) if len(found) > 1 else found[0]
        return answered(f"<Response>{body}</Response>".replace("BASE", self.base), kind="text/xml")

    def forms(self, path: str) -> list[dict[str, str]]:
        """What was told to a path."""
        return [form for asked, form in self.asked if asked == path]

    def form(self, path: str) -> dict[str, str]:
        """The only request for a path."""
        (form,) = self.forms(path)
        return form

    def call(self, **settings: object) -> SimulatedCall:
        """A call that is placed at the exchange, not yet begun."""
        placed = CallSettings(exchange=self.exchange, **settings)  # type: ignore[arg-type]  # the test's words
        return SimulatedCall(f"{self.base}/voice", CallerScript([WaitForEnd()]), placed)


@asynccontextmanager
async def scripted_service(**documents: str | list[str]) -> AsyncIterator[Service]:
    """A service on a free port; the names of its documents are their paths."""
    service = Service({f"/{path}": document for path, document in documents.items()})
    async with small_server(service.answer) as server:
        service.base = server.origin.replace("localhost", "127.0.0.1")
        yield service


@asynccontextmanager
async def at_exchange(
    people: Mapping[str, Person | Sequence[Person]], pace: float = 0.001, /, **documents: str | list[str]
) -> AsyncIterator[Service]:
    """Such a service, and an exchange where these people live fast."""
    async with scripted_service(**documents) as service, Exchange(people=people, pace=pace) as exchange:
        service.exchange = exchange
        yield service
