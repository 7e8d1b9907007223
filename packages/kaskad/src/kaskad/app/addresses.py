"""IP addresses of people: whose a request is, and how limits count them."""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOBODY = "0.0.0.0"  # noqa: S104  # nothing listens there: it stands for a peer without an address


def address_subject(text: str) -> str | None:
    """What stands for an address in a limit: IPv4 whole, IPv6 by its /64; ``None``: no address."""
    address = _parsed(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed, 64), strict=False).network_address) + "/64"
    return None if address is None else str(address)


def client_address(
    peer: str | None, forwarded_for: Sequence[str], trusted_proxies: Sequence[Network]
) -> str:
    """The address of whoever is behind the proxies: the first, from the right, that is none.

    ``forwarded_for`` are the values of ``X-Forwarded-For`` in their order. What
    stands left of the first stranger was written by that stranger and is never
    read; when a proxy wrote something else than an address, the peer counts.
    """
    known = _parsed(peer or "")
    if known is None:
        return NOBODY
    found = known
    if trusted_proxies:
        chain = [part for value in forwarded_for for part in value.split(",")]
        while chain and _is_within(found, trusted_proxies):
            named = _parsed(_without_port(chain.pop()))
            if named is None:
                return str(known)
            found = named
    return str(found)


def _is_within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _parsed(text: str) -> Address | None:
    try:
        address: Address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _without_port(text: str) -> str:
    """An address as some proxies write it: ``203.0.113.7:4711``, ``[2001:db8::1]:4711``."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
