"""IP addresses of people, as limits count them."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def address_subject(text: str) -> str | None:
    """What stands for an address in a limit: IPv4 whole, IPv6 by its /64; ``None``: no address."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address.packed, 64), strict=False).network_address) + "/64"
    return str(address)
