"""A service that runs, asked over its control listener. What is asked stands with the commands."""

from __future__ import annotations

import contextlib
import http
import socket
from typing import TYPE_CHECKING, Annotated, TypeVar

import httpx
import msgspec

from callbridge.server.config.setting_values import is_loopback
from callbridge.server.config.worker_settings import PORT_MAX, WORKERS_MAX
from callbridge.server.http.control import DRAIN_PATH, control_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from callbridge.server.config.settings import Settings

_T = TypeVar("_T")

ANSWER_S = 5.0
"""A loop that is blocked for longer is about to end its process."""


class ServiceError(Exception):
    """It cannot be asked; the message says why, and what to do."""


class NoAnswerError(ServiceError):
    """This time it did not answer."""


class NobodyListensError(NoAnswerError):
    """Nor is anybody there who could."""


def own_addresses(settings: Settings, ports: Sequence[int] = ()) -> list[str]:
    """Where a service with these settings is asked from its own machine: each worker, and one that leaves.

    Args:
        settings: of the service.
        ports: where that is, if it is known better than by `settings`.

    Raises:
        ServiceError: it listens for nobody.
    """
    if not settings.control_ports:
        raise ServiceError(
            "CALLBRIDGE_CONTROL_PORT is 0, so the service cannot be asked. Set a port, and restart it."
        )
    is_any = settings.control_host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not listened on
    host = "127.0.0.1" if is_any else settings.control_host
    host = f"[{host}]" if ":" in host else host
    return [f"http://{host}:{port}" for port in ports or settings.control_ports]


class _Known(msgspec.Struct, frozen=True):
    """What is to be known of the service before all of it is asked."""

    control_ports: Annotated[tuple[int, ...], msgspec.Meta(max_length=WORKERS_MAX + 1)] = ()
    """Nothing by an older version."""


def _ports(settings: Settings) -> tuple[int, ...]:
    """Where the service listens that runs: `serve --workers` is in no settings. Nothing if it does not say.

    The first worker is asked, and if that one hangs the second. Another service, which listens one port
    above, says other ports.
    """
    first = settings.control_port
    for address in own_addresses(settings, range(first, min(first + 2, PORT_MAX + 1))):
        with contextlib.suppress(httpx.TransportError, msgspec.DecodeError):
            with service_client(settings, address) as client:
                found = msgspec.json.decode(client.get(DRAIN_PATH).content, type=_Known).control_ports
            if found[:1] == (first,):
                return found
    return ()


@contextlib.contextmanager
def service_clients(settings: Settings, url: str | None) -> Iterator[list[httpx.Client]]:
    """A client for each process of the service: that of `url`, or all of this machine that listen.

    Raises:
        ServiceError: as `service_client`; or nobody listens for operators.
        NoAnswerError: of several workers none listens.
    """
    with every_client(settings, url) as clients:
        # One that is alone is asked what one wants to know: its answer says what is wrong.
        yield clients if len(clients) == 1 else _those_that_listen(clients)


@contextlib.contextmanager
def every_client(settings: Settings, url: str | None) -> Iterator[list[httpx.Client]]:
    """The same, whether or not somebody listens: to be asked again and again (`answers`).

    Raises:
        ServiceError: as `service_client`; or nobody listens for operators.
    """
    urls = own_addresses(settings, _ports(settings)) if url is None else [url]
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(service_client(settings, each)) for each in urls]


def answers(
    clients: Sequence[httpx.Client], ask: Callable[[httpx.Client], _T]
) -> list[tuple[httpx.Client, _T | NoAnswerError]]:
    """What each process says at this moment, or why it said nothing.

    Of several workers those are left out where nobody listens: the last port is that of a worker that leaves,
    if there is one. At the others the supervisor listens as long as it lives, whatever becomes of a worker.

    Raises:
        ServiceError: one refuses.
        NoAnswerError: nobody answers.
    """
    found: list[tuple[httpx.Client, _T | NoAnswerError]] = []
    errors: list[NoAnswerError] = []
    for client in clients:
        try:
            found.append((client, ask(client)))
        except NoAnswerError as error:
            errors.append(error)
            if not isinstance(error, NobodyListensError):
                found.append((client, error))
    if len(errors) == len(clients):
        raise errors[0]
    return found


def _those_that_listen(clients: Sequence[httpx.Client]) -> list[httpx.Client]:
    """Without the last port, unless a worker leaves: else nobody listens there."""
    found = [client for client in clients if _listens(client.base_url)]
    if not found:
        with in_words(clients[0]):
            raise httpx.ConnectError("none of its workers listens")
    return found


def _listens(address: httpx.URL) -> bool:
    try:
        with socket.create_connection((address.host, address.port or 80), timeout=ANSWER_S):
            return True
    except OSError:
        return False


def service_client(settings: Settings, url: str) -> httpx.Client:
    """A client with the key.

    Raises:
        ServiceError: the address is none, or the key would travel there for everybody to read.
    """
    try:
        address = httpx.URL(url)
        if address.scheme == "http" and not is_loopback(address.host):
            raise ServiceError(
                f"The key would travel to {address.host} for everybody to read. Run this on that machine, "
                "or give an https:// address."
            )
        return httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {control_key(settings)}"},
            timeout=ANSWER_S,
            # Each question on a connection of its own: whoever listens now is meant, who may be the next one.
            limits=httpx.Limits(max_keepalive_connections=0),
            # The service is on this machine or beside it: a proxy to the outside leads away from it.
            trust_env=False,
        )
    except httpx.InvalidURL as error:
        raise ServiceError(f"--url is no address: {error}.") from error


@contextlib.contextmanager
def in_words(client: httpx.Client) -> Iterator[None]:
    """Says what went wrong with a question.

    Raises:
        NoAnswerError: nobody answers.
    """
    try:
        yield
    except httpx.TransportError as error:
        kind = NobodyListensError if isinstance(error, httpx.ConnectError) else NoAnswerError
        raise kind(
            f"The service at {client.base_url} cannot be reached: {str(error) or type(error).__name__}. "
            "Is it running, and is --url right?"
        ) from error


def refuse_strangers(client: httpx.Client, response: httpx.Response) -> None:
    """Says so where the key is not the service's.

    Raises:
        ServiceError: it is not.
    """
    if response.status_code == http.HTTPStatus.UNAUTHORIZED:
        raise ServiceError(
            f"The service at {client.base_url} refuses: its CALLBRIDGE_CONTROL_KEY, or the TWILIO_AUTH_TOKEN "
            "that the key is made from, is not the one set here."
        )
