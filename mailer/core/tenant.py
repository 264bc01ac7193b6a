"""Who writes: the shop, as the settings say it."""

from __future__ import annotations

import unicodedata
from email.headerregistry import Address
from email.utils import getaddresses, parseaddr
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mailer.core.calendar import zone_named
from mailer.core.cell import locale_of
from mailer.core.links import followable
from mailer.core.throttle import ascii_domain


def _zone(name: str) -> str:
    return zone_named(name).key


def _mailbox(text: str) -> str:
    name, address = parseaddr(text)
    if address.count("@") != 1 or len(getaddresses([text])) > 1 or any(mark in text for mark in "\r\n\0"):
        raise ValueError(f"{text!r} is not a sender; write it as Name <name@domain>")
    try:
        Address(display_name=name, addr_spec=address) if address.isascii() else None
    except (ValueError, IndexError):
        raise ValueError(f"{text!r} is not a sender; write it as Name <name@domain>") from None
    return text


def _line(text: str) -> str:
    if not text.strip() or any(unicodedata.category(mark) in {"Cc", "Zl", "Zp"} for mark in text):
        raise ValueError("write one line of text")  # it stands in headers
    return text


def _locale(text: str) -> str:
    found = locale_of(text)
    if not found:
        raise ValueError("write a language, such as tr or en-GB")
    return found


def _website(text: str) -> str:
    scheme, _, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    name, colon, port = host.partition(":")
    url = f"https://{ascii_domain(name)}{colon}{port}{slash}{path}".rstrip("/")
    if scheme.lower() != "https" or "?" in url or "#" in url or not followable(url):
        raise ValueError(
            "write an address such as https://www.kardelen.example, with https:// before it, and no user, ? or # in it"
        )
    return url


class Tenant(BaseModel):
    """Who writes: the shop."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)] = "Kardelen"
    from_: Annotated[str, Field(alias="from"), AfterValidator(_mailbox)] = (
        "Kardelen <merhaba@kardelen.example>"
    )
    service_from: Annotated[str, AfterValidator(_mailbox)] | None = None  # none: `from`
    website: Annotated[str, AfterValidator(_website)] | None = None  # none: the domain of `from`
    timezone: Annotated[str, AfterValidator(_zone)] = "Europe/Istanbul"
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "TR"
    locale: Annotated[str, AfterValidator(_locale)] = "tr"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "TRY"
    postal_address: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The tenant's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def address(self) -> str:
        """The address commercial mail comes from."""
        return parseaddr(self.from_)[1]

    @property
    def shop(self) -> str:
        """Where the shop is on the web, without a stroke at its end: templates write behind it."""
        return self.website or f"https://{ascii_domain(self.address.rpartition('@')[2])}"

    @property
    def service_address(self) -> str:
        """The address service mail comes from."""
        return parseaddr(self.service_from or self.from_)[1]
