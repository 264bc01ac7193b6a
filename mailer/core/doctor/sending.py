"""What is examined: who writes, by which ways, and under which names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

Ip = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key that signs mails."""

    selector: str
    kind: str  # rsa, ed25519
    public: str  # base64, as its record has it; empty: it cannot be told
    file: str
    trouble: str = ""  # why it cannot be told


@dataclass(frozen=True, slots=True)
class Sending:
    """An installation as the world will see it. Domains are A-labels in small letters."""

    from_address: str
    from_domain: str
    return_domain: str  # of the envelope's sender
    own_returns: bool = False  # bounces.address is set
    takes_returns: bool = False  # something reads what comes back
    takes_complaints: bool = False
    dkim_domain: str | None = None
    keys: Sequence[PublicKey] = ()
    selectors: Sequence[str] = ()  # the relay signs with these, below the From domain
    relays: Sequence[str] = ()  # host names; none: mails are caught
    ips: Sequence[Ip] = ()  # addresses mails leave from
    public_url: str = ""
    public_host: str = ""  # of it, without brackets
    commercial: bool = True  # there are such campaigns
    service: bool = True
    tenant: str = ""
    postal_address: str = field(default="", repr=False)
    from_setting: str = "tenant.from"  # what says where mails come from
    apart: Sending | None = None  # service mail, where it has a sender of its own

    @property
    def catches_mail(self) -> bool:
        """Whether no mail leaves yet."""
        return not self.relays
