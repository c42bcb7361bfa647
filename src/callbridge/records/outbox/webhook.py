"""One receiver: where it is, what it wants to be told, and how the request to it is made."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from callbridge.records.outbox.body import in_bytes
from callbridge.records.outbox.events import is_wanted
from callbridge.records.outbox.requests import WebhookRequest
from callbridge.records.outbox.signing import signed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callbridge.records.outbox.events import Event
    from callbridge.records.outbox.requests import Method
    from callbridge.records.story import CallStory

REQUEST_BYTES_MAX: Final = 1024 * 1024
"""What a template makes may be so long."""


_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[ -~]*")
_OURS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer"}
    | {"upgrade", "expect", "keep-alive", "proxy-authorization", "proxy-connection"}
    | {"webhook-id", "webhook-timestamp", "webhook-signature"}
)
"""Headers that say how the request travels, and who sends it."""


def fault_in_headers(headers: Mapping[str, object]) -> str:
    """What is wrong with headers that somebody wrote, without their values; nothing where nothing is."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(f"{name}"):
            return f"{name!r} is no name of a header"
        if name.lower() in _OURS:
            return f"the header {name} is set by callbridge itself"
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            return f"the header {name} has a character that no header can carry"
    return ""


class TemplateFault(Exception):  # noqa: N818  # Said of what somebody wrote.
    """What a template makes cannot be sent. The text says why, without a word of the call."""


class Finds(Protocol):
    """A JMESPath expression."""

    def find(self, value: Any) -> Any:
        """What it finds in `value`. Raises ValueError where that has another shape."""


@dataclass(frozen=True, slots=True)
class Picked:
    """The body is what an expression finds in callbridge's own; where it finds nothing, nothing is sent."""

    expression: Finds
    method: Method = "POST"

    def request_for(self, event: Event, body: dict[str, Any]) -> WebhookRequest | None:
        """See the class.

        Raises:
            TemplateFault: the expression does not fit the body, or finds no object and no list.
        """
        del event
        try:
            found = self.expression.find(body)
        except ValueError as error:
            raise TemplateFault("the template does not fit the event") from error
        if found is None:
            return None
        if not isinstance(found, dict | list):
            raise TemplateFault("the template makes neither an object nor a list")
        return WebhookRequest(found, self.method)


@dataclass(frozen=True, slots=True)
class Made:
    """The request is what a user's function makes of the call; None: nothing is sent."""

    function: Callable[[CallStory], WebhookRequest | dict[str, Any] | None] = field(repr=False)

    def request_for(self, event: Event, body: dict[str, Any]) -> WebhookRequest | None:
        """See the class. What the function raises goes through.

        Raises:
            TemplateFault: it answers something else.
        """
        del body
        found: object = self.function(event.story)
        if inspect.iscoroutine(found):
            found.close()
            raise TemplateFault("the function is async; it runs in a thread of its own: write a plain one")
        if isinstance(found, dict):
            return WebhookRequest(found)
        if found is None or isinstance(found, WebhookRequest):
            return found
        raise TemplateFault(f"the function answers a {type(found).__name__}, and no WebhookRequest")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request, ready to be sent."""

    method: str
    path: str
    """Path and query."""
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One receiver."""

    name: str
    url: str = field(repr=False)
    """It may be a secret itself."""
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    """What is signed with; none for a receiver that has another way to know us."""
    events: frozenset[str]
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    template: Picked | Made | None = None
    is_internal: bool = False
    """Whether it may lie in a private network."""
    hide: Callable[[str], str] = field(default=str, repr=False)
    """Takes its secrets out of a text."""

    @property
    def place(self) -> str:
        """Where it is, for people: without a path, which may be a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def address(self) -> str:
        """Where it is, all of it."""
        return self.url

    @property
    def keeps_order(self) -> bool:
        """What cannot be delivered for a while holds up no other part of its call."""
        return False

    def wants(self, kind: str) -> bool:
        """Whether it is told of events of this kind."""
        return is_wanted(kind, self.events)

    def request_for(self, event: Event, body: dict[str, Any], at_s: int) -> Outgoing | None:
        """What is sent of an event; nothing where the template wants that.

        Args:
            event: what happened.
            body: callbridge's own body of it.
            at_s: when, in seconds since 1970.

        Raises:
            TemplateFault: the template is wrong. Whatever a user's function raises goes through, too.
        """
        if self.template is None:
            return self._outgoing(WebhookRequest(body), in_bytes(body), event, at_s)
        request = self.template.request_for(event, body)
        if request is None:
            return None
        return self._outgoing(request, _encoded(request), event, at_s)

    def _outgoing(self, request: WebhookRequest, content: bytes, event: Event, at_s: int) -> Outgoing:
        if wrong := fault_in_headers(request.headers):
            raise TemplateFault(wrong)
        headers = {"content-type": "application/json"}
        headers |= {name.lower(): value for name, value in (self.headers | request.headers).items()}
        headers |= signed(self.keys, event.id, at_s, content)
        return Outgoing(request.method, self._path_of(request), headers, content)

    def _path_of(self, request: WebhookRequest) -> str:
        if not request.path:
            parts = urlsplit(self.url)
            return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # `//other.example` is a path for nobody but us.
        is_plain = request.path.isascii() and request.path.isprintable() and " " not in request.path
        if not request.path.startswith("/") or request.path.startswith("//") or not is_plain:
            raise TemplateFault(
                "its path must begin with one / and have no spaces; quote what comes from a call"
            )
        return request.path


def _encoded(request: WebhookRequest) -> bytes:
    try:
        content = msgspec.json.encode(request.body)
    except (TypeError, ValueError, RecursionError) as error:
        raise TemplateFault(f"what it makes is not JSON ({type(error).__name__})") from error
    if len(content) > REQUEST_BYTES_MAX:
        raise TemplateFault(f"what it makes has more than {REQUEST_BYTES_MAX // 1024} KiB")
    return content
