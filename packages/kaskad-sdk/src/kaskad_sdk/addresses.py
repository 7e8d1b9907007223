"""Client addresses: which one stands behind the proxies, and how limits count it."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MOST_HOPS: Final = 64
"""No more entries of a forwarding header are read, from the right: proxies add there."""

_IPV4_WITH_PORT: Final = 1


def client_address(
    peer: str, forwarded_for: Sequence[str], trusted_proxies: Iterable[str] = ()
) -> str:
    """The address of whoever made a request, as far as it is proven.

    ``peer`` is the other end of the socket, ``forwarded_for`` the values of all
    ``X-Forwarded-For`` headers in the order in which they came, ``trusted_proxies`` addresses and
    networks such as ``"10.0.0.0/8"`` of proxies that append to that header. The chain is read from
    right to left, and the first that is no trusted proxy is the client: what stands left of it was
    written by the client, who may write anything. An entry that is not an address ends the chain
    at the last proxy that is known.

    Raises :class:`ValueError` when ``trusted_proxies`` holds something that is no network, or one
    that trusts everybody (``*``, ``0.0.0.0/0``, ``::/0``): every address could then be forged.
    """
    networks = trusted_networks(trusted_proxies)
    nearest = _parsed(peer)
    if nearest is None or not _is_trusted(nearest, networks):
        return peer if nearest is None else str(nearest)
    for entry in _from_the_right(forwarded_for):
        hop = _parsed(entry)
        if hop is None:
            return str(nearest)
        nearest = hop
        if not _is_trusted(hop, networks):
            break
    return str(nearest)


def trusted_networks(proxies: Iterable[str]) -> tuple[Network, ...]:
    """The networks of trusted proxies; raises :class:`ValueError` as :func:`client_address`."""
    if isinstance(proxies, str):
        raise ValueError("trusted proxies are a list of addresses and networks, not one string")
    return _networks(tuple(proxies))


@lru_cache(maxsize=64)
def _networks(proxies: tuple[str, ...]) -> tuple[Network, ...]:
    found = []
    for text in proxies:
        if text.strip() == "*":
            raise ValueError("'*' would trust everybody's forwarding header; name your proxies")
        network = ip_network(text.strip(), strict=False)
        if network.prefixlen == 0:
            raise ValueError(f"{text} would trust everybody's forwarding header; name your proxies")
        found.append(network)
    return tuple(found)


def address_subject(text: str) -> str | None:
    """What stands for an address in a count: IPv4 whole, IPv6 by its /64; ``None``: no address."""
    address = _parsed(text)
    if isinstance(address, IPv6Address):
        network = ip_network((int(address) >> 64 << 64, 64))
        return str(network)
    return None if address is None else str(address)


def plain_address(text: str) -> str | None:
    """An address in its usual form, without port, brackets and zone; ``None``: no address."""
    address = _parsed(text)
    return None if address is None else str(address)


def _from_the_right(values: Sequence[str]) -> list[str]:
    found: list[str] = []
    for value in reversed(values):
        found += value.rsplit(",", MOST_HOPS)[: -MOST_HOPS - 1 : -1]
        if len(found) >= MOST_HOPS:
            break
    return found[:MOST_HOPS]


def _parsed(text: str) -> Address | None:
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == _IPV4_WITH_PORT:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _is_trusted(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
