"""Which addresses the world can see mail come from. Pure."""

from __future__ import annotations

from ipaddress import ip_network

from mailer.core.doctor.sending import Ip

#: Loopback, private networks and links: no receiver sees mail come from there (RFC 6890).
_INSIDE = tuple(
    map(
        ip_network,
        ("0.0.0.0/8", "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
         "224.0.0.0/4", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
    )
)  # fmt: skip


def seen_from_outside(ip: Ip) -> bool:
    """Whether receivers may see mail come from this address."""
    return not any(ip.version == each.version and ip in each for each in _INSIDE)
