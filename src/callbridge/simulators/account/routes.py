"""Which resource answers which path of the API. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from callbridge.simulators.account import (
    accounts,
    alerts,
    calls,
    conferences,
    for_sale,
    messages,
    numbers,
    participants,
    recordings,
    usage,
)
from callbridge.simulators.account.asked import Asked
from callbridge.simulators.account.rest import Refusal, RestAnswer, not_found

if TYPE_CHECKING:
    from callbridge.simulators.account.calls import Calls
    from callbridge.simulators.account.conferences import Rooms
    from callbridge.simulators.account.ledger import Ledger
    from callbridge.simulators.account.participants import Participants
    from callbridge.simulators.account.telephone import Exchange

Answering: TypeAlias = Callable[[Asked], RestAnswer]

NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    pattern: re.Pattern[str]
    """Of the path behind the account, or of a v1 API."""
    resource: str
    """What a restricted key needs a permission for."""
    parameters: frozenset[str]
    """That Twilio knows."""
    answer: Answering


def _route(
    method: str, path: str, parameters: frozenset[str] | set[str], answer: Answering, resource: str = ""
) -> Route:
    """`{}` in the path is one part of it."""
    pattern = re.compile(re.escape(path).replace(r"\{\}", "([^/]+)"))
    return Route(method, pattern, resource or path.split("/")[1], frozenset(parameters), answer)


def routes(
    ledger: Ledger,
    exchange: Exchange,
    of_calls: Calls,
    of_rooms: Rooms,
    of_participants: Participants,
) -> tuple[Route, ...]:
    """Every one that there is."""

    def of(function: Callable[[Ledger, Asked], RestAnswer]) -> Answering:
        return partial(function, ledger)

    number, message, recording = "/IncomingPhoneNumbers/{}", "/Messages/{}", "/Recordings/{}"
    kinds = [
        _route("GET", f"/IncomingPhoneNumbers/{kind}", numbers.LIST_PARAMETERS, of(numbers.listed))
        for kind in for_sale.KINDS
    ]
    return (
        _route("GET", "", NOTHING, of(accounts.fetched), "Accounts"),
        _route("POST", "/Calls", calls.CREATE_PARAMETERS, of_calls.created),
        _route("GET", "/Calls", calls.LIST_PARAMETERS, of_calls.listed),
        _route("GET", "/Calls/{}", NOTHING, of_calls.fetched),
        _route("POST", "/Calls/{}", calls.UPDATE_PARAMETERS, of_calls.updated),
        _route("DELETE", "/Calls/{}", NOTHING, of_calls.deleted),
        _route("GET", "/Calls/{}/Notifications", alerts.NOTIFICATION_PARAMETERS, of_calls.notifications),
        _route("GET", "/Calls/{}/Recordings", recordings.LIST_PARAMETERS, of(recordings.listed)),
        _route("POST", "/Messages", messages.CREATE_PARAMETERS, of(messages.created)),
        _route("GET", "/Messages", messages.LIST_PARAMETERS, of(messages.listed)),
        _route("GET", message, NOTHING, of(messages.fetched)),
        _route("POST", message, messages.UPDATE_PARAMETERS, of(messages.updated)),
        _route("DELETE", message, NOTHING, of(messages.deleted)),
        *kinds,
        _route("POST", "/IncomingPhoneNumbers", numbers.BUY_PARAMETERS, of(numbers.bought)),
        _route("GET", "/IncomingPhoneNumbers", numbers.LIST_PARAMETERS, of(numbers.listed)),
        _route("GET", number, NOTHING, of(numbers.fetched)),
        _route("POST", number, numbers.UPDATE_PARAMETERS, of(numbers.updated)),
        _route("DELETE", number, NOTHING, of(numbers.released)),
        _route("GET", "/AvailablePhoneNumbers/{}/{}", for_sale.PARAMETERS, of(for_sale.listed)),
        _route("GET", "/Usage/Records/Daily", usage.PARAMETERS, partial(usage.listed, ledger, exchange)),
        *_rooms(of_rooms),
        *_participants(of_participants),
        _route("GET", "/Recordings", recordings.LIST_PARAMETERS, of(recordings.listed)),
        _route("GET", recording, recordings.FETCH_PARAMETERS, of(recordings.fetched)),
        _route("DELETE", recording, NOTHING, of(recordings.deleted)),
        _route("GET", "/v1/Alerts", alerts.ALERT_PARAMETERS, of(alerts.listed), "Alerts"),
        _route("GET", "/v1/Alerts/{}", NOTHING, of(alerts.fetched), "Alerts"),
    )


def _rooms(of_rooms: Rooms) -> tuple[Route, ...]:
    room = "/Conferences/{}"
    return (
        _route("GET", "/Conferences", conferences.LIST_PARAMETERS, of_rooms.listed),
        _route("GET", room, NOTHING, of_rooms.fetched),
        _route("POST", room, conferences.UPDATE_PARAMETERS, of_rooms.updated),
    )


def _participants(of_participants: Participants) -> tuple[Route, ...]:
    those = "/Conferences/{}/Participants"
    one = f"{those}/{{}}"
    return (
        _route("GET", those, participants.LIST_PARAMETERS, of_participants.listed),
        _route("POST", those, participants.CREATE_PARAMETERS, of_participants.added),
        _route("GET", one, NOTHING, of_participants.fetched),
        _route("POST", one, participants.UPDATE_PARAMETERS, of_participants.updated),
        _route("DELETE", one, NOTHING, of_participants.removed),
    )


def found(table: tuple[Route, ...], method: str, path: str, asked_path: str) -> tuple[Route, tuple[str, ...]]:
    """The route of a path, with what stands in its places.

    Raises:
        Refusal: 20404 no such resource, 20004 it has another method.
    """
    matches = [(route, match) for route in table if (match := route.pattern.fullmatch(path))]
    if not matches:
        raise not_found(asked_path)
    for route, match in matches:
        if route.method == method:
            return route, match.groups()
    raise Refusal(20004)
