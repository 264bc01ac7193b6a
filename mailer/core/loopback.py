"""Which hosts can only mean this machine. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def is_loopback(host: str) -> bool:
    """Whether a name or an address, IPv6 in brackets or without, can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
