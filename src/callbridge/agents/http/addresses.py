"""Which addresses a request of an agent may go to: public ones, whatever a name resolves to.

Registries: https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # This host; Linux connects to itself.
        "10.0.0.0/8",
        "100.64.0.0/10",  # Carriers' own; clouds use it inside, too.
        "127.0.0.0/8",
        "169.254.0.0/16",  # Link-local: the clouds' metadata, and with it their keys.
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays, given up.
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # Multicast.
        "240.0.0.0/4",  # Reserved, and broadcast.
    )
)

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""Nothing outside of it is public: loopback, link-local (fe80), unique local (fc00), multicast."""

_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Protocols' own, Teredo among them, which carries an IPv4 address.
        "2001:db8::/32",
        "2002::/16",  # 6to4, which carries an IPv4 address.
        "3fff::/20",
    )
)

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""How a host that has no IPv4 reaches one: what stands in the last four bytes is where it goes."""


def is_public(address: Address) -> bool:
    """Whether anybody in the internet may be meant by `address`."""
    address = _meant(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _GLOBAL_UNICAST and not any(address in network for network in _NOT_PUBLIC_6)


def is_loopback(address: Address) -> bool:
    """Whether `address` is this machine's own."""
    return _meant(address).is_loopback


def _meant(address: Address) -> Address:
    """The address behind one that only carries it."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
