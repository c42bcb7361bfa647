"""Where an agent's requests may go: a list of origins, each a scheme, a host and a port."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from callbridge.agents.http.addresses import is_loopback, is_public

if TYPE_CHECKING:
    from callbridge.agents.http.addresses import Address

_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class OriginFault(ValueError):  # noqa: N818  # Said of what somebody wrote down.
    """This is no place where requests may go. The text says why."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One place where requests may go."""

    scheme: str
    host: str
    """In ASCII and small letters; an IPv6 address without brackets."""
    port: int

    @property
    def is_here(self) -> bool:
        """Whether it is this machine, by name: for development."""
        address = _address_in(self.host)
        return self.host == "localhost" or (address is not None and is_loopback(address))

    @property
    def netloc(self) -> str:
        """As it stands in a URL and in `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def origin_of(url: str) -> Origin:
    """Where `url` leads.

    Raises:
        OriginFault: requests may not go there, whatever is on a list.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OriginFault(f"{url} is no URL") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise OriginFault(f"{url} is no URL of the kind https://api.example.com")
    if parts.username is not None or parts.password is not None:
        raise OriginFault("a name and a password have no place in a URL; send them in a header")
    origin = Origin(parts.scheme, _ascii(parts), _PORTS[parts.scheme] if port is None else port)
    _refuse_internal(origin)
    return origin


def listed_origin(entry: str) -> Origin:
    """The origin that stands on a list, with nothing behind it.

    Raises:
        OriginFault: it cannot be on one.
    """
    origin = origin_of(entry)
    parts = urlsplit(entry)
    if parts.path not in {"", "/"} or "?" in entry or "#" in entry:
        raise OriginFault(f"{entry} says more than where requests may go; write {origin}")
    return origin


def _ascii(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    if _address_in(host) is not None:
        return host
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise OriginFault(f"{host} is no name of a host") from error
    if not _HOST.fullmatch(name):
        raise OriginFault(f"{host or parts.netloc} is no name of a host")
    return name


def _refuse_internal(origin: Origin) -> None:
    address = _address_in(origin.host)
    if origin.is_here:
        return
    if address is not None and not is_public(address):
        raise OriginFault(f"{origin.host} is an internal address; requests go to public ones")
    if origin.scheme == "http":
        raise OriginFault(f"{origin}: http:// may lead to this machine only, in development; use https://")


def _address_in(host: str) -> Address | None:
    with contextlib.suppress(ValueError):
        return ip_address(host)
    return None
