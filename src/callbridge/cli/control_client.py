"""A service that runs, asked over its control listener. What is asked stands with the commands."""

from __future__ import annotations

import contextlib
import http
from typing import TYPE_CHECKING

import httpx

from callbridge.server.config.setting_values import is_loopback
from callbridge.server.http.control import control_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings

ANSWER_S = 5.0
"""A loop that is blocked for longer is about to end its process."""


class ServiceError(Exception):
    """It cannot be asked; the message says why, and what to do."""


class NoAnswerError(ServiceError):
    """This time it did not answer."""


def own_address(settings: Settings) -> str:
    """Where the service with these settings is asked from its own machine.

    Raises:
        ServiceError: it listens for nobody.
    """
    if settings.control_port == 0:
        raise ServiceError(
            "CALLBRIDGE_CONTROL_PORT is 0, so the service cannot be asked. Set a port, and restart it."
        )
    is_any = settings.control_host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not listened on
    host = "127.0.0.1" if is_any else settings.control_host
    return (
        f"http://[{host}]:{settings.control_port}"
        if ":" in host
        else f"http://{host}:{settings.control_port}"
    )


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
        raise NoAnswerError(
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
