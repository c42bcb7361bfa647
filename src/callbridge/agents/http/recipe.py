"""How a request is made of a tool's arguments. What the model says never decides where it goes."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import quote, unquote, urlsplit

from callbridge.agents.http.origins import Origin, OriginFault, origin_of
from callbridge.agents.http.parameters import header_of, is_header, judged, text_of
from callbridge.agents.tools.tool import ToolRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callbridge.agents.context import Call
    from callbridge.agents.http.parameters import Parameter, Value

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

SAFE: Final = frozenset({"GET"})
"""Methods by which nothing is done."""

WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})

_PART: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LITERAL: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUERY: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer"}
    | {"upgrade", "expect", "keep-alive", "proxy-authorization", "proxy-connection"}
)
"""Headers that say how the request travels."""

_NOT_IN_A_SEGMENT: Final = re.compile(r"[/\\%\x00-\x1f\x7f]")
"""There are services that decode a path before they look at it, and some do it twice: what is a way out of a
segment then does not go in."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent."""

    method: str
    origin: Origin
    target: str = field(repr=False)
    """Path and query."""
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it goes."""
        return f"{self.origin}{self.target}"

    @property
    def is_safe(self) -> bool:
        """Whether nothing is done by it."""
        return self.method in SAFE


@dataclass(frozen=True)
class Recipe:
    """How the requests of one tool are made.

    `faults` is to be asked before the first: what it finds would be a fault of each.
    """

    method: Method
    url: str
    """With the path's parameters in braces: `https://api.example.com/slots/{day}`."""
    parameters: Sequence[Parameter] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def origin(self) -> Origin:
        """Where the requests go.

        Raises:
            OriginFault: nothing may go there.
        """
        scheme, separator, rest = self.url.partition("://")
        return origin_of(f"{scheme}{separator}{re.split(r'[/?#]', rest, maxsplit=1)[0]}")

    @cached_property
    def _path(self) -> str:
        return urlsplit(self.url).path or "/"

    @cached_property
    def in_path(self) -> tuple[str, ...]:
        """The parameters that stand in the URL."""
        return tuple(_PART.findall(self._path))

    def request_for(
        self, arguments: Mapping[str, object], call: Call[Any], body: Sequence[tuple[str, Any]] = ()
    ) -> Request:
        """The request that these arguments of the model make.

        Args:
            arguments: as the model wrote them.
            call: what parameters are read off.
            body: what else is sent in it, by the names that the service has for it.

        Raises:
            ToolRefused: they cannot be sent. The text is for the model.
        """
        found = judged(self.parameters, arguments, call)
        headers = dict(self.headers)
        headers |= {one.sent_name: header_of(one, value) for one, value in found if one.place == "header"}
        content = None
        if self.method in WITH_BODY:
            pairs = [(one.sent_name, value) for one, value in found if one.place == "body"]
            content = json.dumps(_object([*body, *pairs]), ensure_ascii=False).encode()
            if "content-type" not in {name.lower() for name in headers}:
                headers["Content-Type"] = "application/json"
        target = self._path_for(found) + self._query_for(found)
        return Request(self.method, self.origin, target, headers, content)

    def _path_for(self, found: Iterable[tuple[Parameter, Value]]) -> str:
        values = {one.name: text_of(value) for one, value in found if one.place == "path"}
        segments = [
            _PART.sub(lambda part: _encoded(part[1], values[part[1]]), segment)
            for segment in self._path.split("/")
        ]
        if any(unquote(segment) in {".", ".."} for segment in segments):
            raise ToolRefused(f"{' and '.join(self.in_path)} cannot be dots alone")
        return "/".join(segments)

    def _query_for(self, found: Iterable[tuple[Parameter, Value]]) -> str:
        given = [
            f"{quote(one.sent_name, safe='')}={quote(text_of(value), safe='')}"
            for one, value in found
            if one.place == "query"
        ]
        pairs = [*filter(None, [urlsplit(self.url).query]), *given]
        return f"?{'&'.join(pairs)}" if pairs else ""

    # --- What is wrong with it ---

    def faults(self, allowed: Sequence[Origin]) -> Iterator[tuple[str, str]]:
        """Why it cannot be, each fault with the part that it is about."""
        yield from (("url", fault) for fault in self._faults_of_url(allowed))
        for header, value in self.headers.items():
            if not _HEADER_NAME.fullmatch(header) or header.lower() in _OURS:
                yield f"headers.{header}", "this header cannot be set"
            elif not is_header(value):
                yield f"headers.{header}", "a header has letters, digits and signs of ASCII alone"
        yield from ((f"parameters.{name}", fault) for name, fault in self._faults_of_parameters())

    def _faults_of_url(self, allowed: Sequence[Origin]) -> Iterator[str]:
        try:
            parts = urlsplit(self.url)
            if self.origin not in allowed:
                yield f'{self.origin} is not in the list `allow`; add "{self.origin}" to it'
        except (OriginFault, ValueError) as error:
            yield str(error)
            return
        if "{" in parts.query or parts.fragment:
            yield 'only the path has parameters in braces; give those of the query `in = "query"`'
        elif not _QUERY.fullmatch(parts.query):
            yield "its query has characters that must be percent-encoded"
        if not _LITERAL.fullmatch(_PART.sub("", self._path)):
            yield "its path has characters that must be percent-encoded; a parameter stands in it as {name}"
        if any(unquote(segment) in {".", ".."} for segment in self._path.split("/")):
            yield "its path has . or .. in it"
        known = {one.name for one in self.parameters}
        yield from (f"there is no parameter {name}" for name in self.in_path if name not in known)

    def _faults_of_parameters(self) -> Iterator[tuple[str, str]]:
        names = Counter((one.place, one.sent_name.lower()) for one in self.parameters)
        taken = {name.lower() for name in self.headers}
        for one in self.parameters:
            is_in_url = one.name in self.in_path
            if is_in_url != (one.place == "path"):
                where = "in the URL, so it is sent there" if is_in_url else "not in the URL's path"
                yield one.name, f"{{{one.name}}} stands {where}"
            if one.place == "path" and not one.is_required:
                yield one.name, "a part of the path cannot be left out; it is required"
            if one.place == "body" and self.method not in WITH_BODY:
                yield one.name, f"a {self.method} has no body"
            if names[one.place, one.sent_name.lower()] > 1:
                yield one.name, f"two parameters are sent as {one.sent_name}"
            if one.place == "header" and not _HEADER_NAME.fullmatch(one.sent_name):
                yield one.name, f"{one.sent_name} is no name of a header; say `sent_as`"
            if one.place == "header" and one.sent_name.lower() in _OURS | taken:
                yield one.name, f"the header {one.sent_name} cannot be set by a parameter"
        for name in self.body_faults():
            yield name, "it is sent twice, or as an object and as a value"

    def body_faults(self, more: Iterable[str] = ()) -> Iterator[str]:
        """What cannot be in a body together, by the names that the service has for it.

        Args:
            more: what is sent beside the parameters.
        """
        names = [*more, *(one.sent_name for one in self.parameters if one.place == "body")]
        try:
            _object([(name, "") for name in names])
        except KeyError as error:
            yield error.args[0]


def _encoded(name: str, value: str) -> str:
    """The value as one segment of a path, or a part of one."""
    if not value or _NOT_IN_A_SEGMENT.search(value):
        raise ToolRefused(f"{name} cannot be empty, nor have / \\ or % in it")
    return quote(value, safe="")


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The object whose members have these dotted names.

    Raises:
        KeyError: one name is both an object and a value.
    """
    whole: dict[str, Any] = {}
    for name, value in pairs:
        *outer, last = name.split(".")
        place = whole
        for part in outer:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise KeyError(name)
        if last in place:
            raise KeyError(name)
        place[last] = value
    return whole
