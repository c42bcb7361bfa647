"""What tools ask of the phone: its records, and the service that runs. Blocking.

Records are read where they are, or from a service over its control listener.
"""

from __future__ import annotations

import http
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from callbridge.cli.calls.ordering import order
from callbridge.cli.control_client import ServiceError, in_words, refuse_strangers, service_clients
from callbridge.cli.status import readiness_of
from callbridge.records.story import CallStory
from callbridge.server.config.records import showing
from callbridge.server.http.recorded_calls import CALL_PATH, CALLS_PATH, CallPage, Refusal

if TYPE_CHECKING:
    import httpx

    from callbridge.records.call_list import CallSummary, Filter
    from callbridge.records.reading import Records
    from callbridge.server.config.settings import Settings
    from callbridge.server.http.control import Readiness

_T = TypeVar("_T")


class CallRecords(Protocol):
    """The calls on record. Every method raises `RecordsError` or `ServiceError` when they cannot be read."""

    def calls(self, wanted: Filter) -> list[CallSummary]:
        """The calls that are wanted, the latest first."""

    def story(self, call_sid: str, *, words: bool) -> CallStory | None:
        """One call, with what was said where that is wanted and kept; nothing where there is none."""


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """Those in the database that the settings name."""

    settings: Settings
    records: Records

    def calls(self, wanted: Filter) -> list[CallSummary]:
        """As `CallRecords`."""
        return self.records.calls(wanted)

    def story(self, call_sid: str, *, words: bool) -> CallStory | None:
        """As `CallRecords`."""
        return self.records.story(call_sid, showing(self.settings, words=words))


@dataclass(frozen=True, slots=True)
class ServiceRecords:
    """Those of a service that runs, asked over its control listener."""

    settings: Settings
    url: str

    def calls(self, wanted: Filter) -> list[CallSummary]:
        """As `CallRecords`."""
        query = {
            "since": wanted.since,
            "until": wanted.until,
            "agent": wanted.agent,
            "caller_key": wanted.caller_key,
            "ended": wanted.end_reason,
            "state": wanted.state,
            "longer_than_ms": wanted.duration_ms_min,
            "words": wanted.words,
            "limit": wanted.limit,
            "after": wanted.after,
        }
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return self._asked(CALLS_PATH, given, CallPage).calls

    def story(self, call_sid: str, *, words: bool) -> CallStory | None:
        """As `CallRecords`."""
        query = {} if words else {"words": "false"}
        try:
            return self._asked(CALL_PATH.format(sid=call_sid), query, CallStory)
        except _NotThereError:
            return None

    def _asked(self, path: str, query: dict[str, Any], kind: type[_T]) -> _T:
        with service_clients(self.settings, self.url) as (client, *_):
            with in_words(client):
                response = client.get(path, params=query)
            refuse_strangers(client, response)
            return _read(response, kind)


class _NotThereError(ServiceError):
    """It knows of no such call, or keeps no records."""


def _read(response: httpx.Response, kind: type[_T]) -> _T:
    try:
        if response.status_code == http.HTTPStatus.OK:
            return msgspec.json.decode(response.content, type=kind)
        why = msgspec.json.decode(response.content, type=Refusal).error
    except msgspec.DecodeError as error:
        raise ServiceError(
            f"What answers at {response.url.copy_with(query=None)} is no callbridge of this version "
            f"(HTTP {response.status_code}). Is --url right?"
        ) from error
    raise _NotThereError(why) if response.status_code == http.HTTPStatus.NOT_FOUND else ServiceError(why)


@dataclass(frozen=True, slots=True)
class Phone:
    """All that tools may ask."""

    settings: Settings
    records: CallRecords
    url: str | None = None
    """The control listener of the service; by default those of this machine."""

    def processes(self) -> list[Readiness]:
        """How each process of the service stands.

        Raises:
            ServiceError: it cannot be asked.
        """
        with service_clients(self.settings, self.url) as clients:
            return [readiness_of(client) for client in clients]

    def order(self, path: str, call_sid: str) -> str:
        """Wants something of a live call (`server/http/orders.py`); answers what was said to it.

        Raises:
            ServiceError: no such call is live, or the service cannot be asked.
        """
        with service_clients(self.settings, self.url) as clients:
            return order(clients, path, call_sid)
