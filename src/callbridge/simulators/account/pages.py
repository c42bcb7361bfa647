"""Pages of lists, in the forms of the 2010 API (relative addresses) and of the v1 APIs (absolute ones).

The SDK wants exactly one key that is not about paging, so nothing is added. There are no totals. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from callbridge.simulators.account.rest import Refusal, RestAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.simulators.account.asked import Asked

PAGING: Final = frozenset({"Page", "PageSize", "PageToken"})
_NAMES: Final = ("sid", "call_sid", "uri")
"""By one of these a thing in a list is known: records of use have their address alone."""
PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class _Page:
    items: Sequence[Mapping[str, object]]
    number: int
    size: int
    start: int
    first: str
    this: str
    next: str | None
    previous: str | None


def page_2010(asked: Asked, key: str, items: Sequence[Mapping[str, object]]) -> RestAnswer:
    """The page that was asked for.

    Raises:
        Refusal: 20007, when it is to hold more than 1000.
    """
    page = _cut(asked, asked.path, items)
    return RestAnswer(
        200,
        {
            key: page.items,
            "page": page.number,
            "page_size": page.size,
            "start": page.start,
            "end": page.start + max(len(page.items) - 1, 0),
            "uri": page.this,
            "first_page_uri": page.first,
            "next_page_uri": page.next,
            "previous_page_uri": page.previous,
        },
    )


def page_v1(asked: Asked, key: str, items: Sequence[Mapping[str, object]]) -> RestAnswer:
    """So here, with absolute addresses: of the host that the client asked.

    Raises:
        Refusal: 20007, when it is to hold more than 1000.
    """
    page = _cut(asked, asked.request.origin + asked.path, items)
    meta = {
        "page": page.number,
        "page_size": page.size,
        "first_page_url": page.first,
        "previous_page_url": page.previous,
        "url": page.this,
        "next_page_url": page.next,
        "key": key,
    }
    return RestAnswer(200, {key: page.items, "meta": meta})


def _cut(asked: Asked, address: str, items: Sequence[Mapping[str, object]]) -> _Page:
    """`PageToken` says after which item a page begins: with the number alone, what is new would move it."""
    size = _number(asked.form.get("PageSize"), PAGE_SIZE)
    if size > PAGE_SIZE_MAX:
        raise Refusal(20007, size)
    number = _number(asked.form.get("Page"), 0, least=0)
    token = asked.form.get("PageToken")
    sids = [str(next(item[name] for name in _NAMES if name in item)) for item in items]
    start = sids.index(token[2:]) + 1 if token[2:] in sids else number * size
    shown = items[start : start + size]
    filters = [(name, value) for name, value in asked.form.pairs if name not in PAGING]

    def at(page: int, after: str | None) -> str:
        paging = [("PageSize", str(size)), ("Page", str(page))]
        paging += [("PageToken", f"PA{after}")] if after else []
        return f"{address}?{urlencode(filters + paging)}"

    has_more = start + size < len(items)
    before = start - size
    return _Page(
        items=shown,
        number=number,
        size=size,
        start=start,
        first=at(0, None),
        this=at(number, token[2:] or None),
        next=at(number + 1, sids[start + size - 1]) if has_more else None,
        previous=at(number - 1, sids[before - 1] if before > 0 else None) if number > 0 else None,
    )


def _number(text: str, default: int, least: int = 1) -> int:
    return max(int(text[:9]), least) if text.isascii() and text.isdigit() else default
