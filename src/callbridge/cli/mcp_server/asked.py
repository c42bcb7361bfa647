"""What an assistant may ask, as the arguments of tools. Types only: what does not fit is refused in words."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from callbridge.call.facts import EndReason

CALLS_MAX: Final = 50
"""On one page: more would fill an assistant's context with what nobody reads."""

CallSid: TypeAlias = Annotated[
    str,
    Meta(
        # The length, too: the end of a pattern may stand before the end of a line.
        pattern="^CA[0-9a-f]{32}$",
        max_length=34,
        description="A CallSid, whole, as calls are listed with it.",
    ),
]
_TIMES: Final = "2d for two days ago, 12h, 10:14 of today, 2026-11-28, or 2026-11-28T14:30."
_ENDS: Final = ", ".join(reason.value for reason in EndReason)
_When: TypeAlias = Annotated[str, Meta(max_length=40)]
_Name: TypeAlias = Annotated[str, Meta(max_length=200)]


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of a tool."""


class Nothing(Asked, frozen=True, kw_only=True):
    """No arguments."""


class ListedCalls(Asked, frozen=True, kw_only=True):
    """Which calls are wanted. What is given holds together; without any of it, all are."""

    since: Annotated[_When, Meta(description=f"Began then or later: {_TIMES}")] = ""
    until: Annotated[_When, Meta(description=f"Began before that: {_TIMES}")] = ""
    agent: Annotated[_Name, Meta(description="Answered by this agent.")] = ""
    caller: Annotated[_Name, Meta(description="A number with its country code, such as +14155550100.")] = ""
    caller_key: Annotated[
        _Name, Meta(description="Calls of one caller: the key that each of their calls is listed with.")
    ] = ""
    ended: Annotated[_Name, Meta(description=f"How it ended: {_ENDS}. Or why it was declined.")] = ""
    state: Annotated[
        Literal["", "live", "ended", "declined"], Meta(description="Where the call is; live: it is on now.")
    ] = ""
    longer_than: Annotated[str, Meta(max_length=20, description="Took at least so long: 30s, 2m, 1h.")] = ""
    limit: Annotated[int, Meta(ge=1, le=CALLS_MAX, description="So many on a page.")] = 20
    after: Annotated[str, Meta(max_length=100, description="The next page: `next` of the one before.")] = ""


class SearchedCalls(ListedCalls, frozen=True, kw_only=True):
    """Which calls are looked through, and for what."""

    words: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="All of these were said or heard in one turn, or captured. Parts of words count.",
        ),
    ]


class OneCall(Asked, frozen=True, kw_only=True):
    """Which call is meant."""

    call_sid: CallSid


class TurnsOfCall(OneCall, frozen=True, kw_only=True):
    """Which call, and from where on."""

    first_turn: Annotated[
        int, Meta(ge=1, le=1_000_000, description="The next page: `next_turn` of the one before.")
    ] = 1
