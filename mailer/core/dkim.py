"""Which signatures of ours mails carry (RFC 6376), as the settings say it."""

from __future__ import annotations

import re
from posixpath import join
from typing import Annotated

import idna
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

Selector = Annotated[str, Field(pattern=rf"^{_LABEL}(?:\.{_LABEL})*$")]


def domain_name(text: str) -> str:
    """A domain as DNS has it, in A-labels.

    Raises:
        ValueError: it is none.
    """
    try:
        name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{text!r} is not a domain such as shop.example")
    return name


class Dkim(BaseModel):
    """Signatures with an RSA key, an Ed25519 key, or both; none unless a domain is set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: Annotated[str, AfterValidator(domain_name)] | None = None
    service_domain: Annotated[str, AfterValidator(domain_name)] | None = None  # none: `domain`
    selector: Selector | None = None
    key_file: str | None = None
    ed25519_selector: Selector | None = None
    ed25519_key_file: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Dkim:
        if (self.selector is None) != (self.key_file is None):
            raise ValueError("selector and key_file go together; set both or neither")
        if (self.ed25519_selector is None) != (self.ed25519_key_file is None):
            raise ValueError("ed25519_selector and ed25519_key_file go together; set both or neither")
        if (self.domain is None) != (self.selector is None and self.ed25519_selector is None):
            raise ValueError("a domain and a key go together; set both or neither")
        if self.service_domain is not None and self.domain is None:
            raise ValueError("service_domain goes with a domain and a key; set these as well, or take it out")
        if self.selector is not None and self.selector == self.ed25519_selector:
            raise ValueError("selector and ed25519_selector name one record; give each key its own")
        return self

    @property
    def files(self) -> tuple[tuple[str, str, str], ...]:
        """The keys that are set: the setting that names the file, its selector, the file."""
        every = (
            ("key_file", self.selector, self.key_file),
            ("ed25519_key_file", self.ed25519_selector, self.ed25519_key_file),
        )
        return tuple((name, chosen, file) for name, chosen, file in every if chosen and file)

    @property
    def for_service(self) -> str | None:
        """The domain that signs service mail."""
        return self.service_domain or self.domain

    def check_senders(self, address: str, service_address: str) -> None:
        """Refuse to sign for a domain whose signature receivers do not take for the sender's (RFC 7489 §3.1.1).

        Raises:
            ValueError: a domain is neither the sender's, nor above it, nor below it; or service mail, that is to be
                signed for a domain of its own, has no sender of its own.
        """
        if self.domain is None:
            return
        if not _believed(self.domain, address):
            raise ValueError(
                f"dkim.domain is {self.domain} and tenant.from is {address}: such a signature is not taken for the "
                "sender's; sign with the domain the mails come from"
            )
        if self.service_domain is not None and address == service_address:
            raise ValueError(
                "dkim.service_domain is set, but service mail comes from tenant.from; "
                "set tenant.service_from, or take it out"
            )
        service = self.service_domain or self.domain
        if not _believed(service, service_address):
            raise ValueError(
                f"service mail would be signed by {service} and tenant.service_from is {service_address}: such a "
                "signature is not taken for the sender's; set dkim.service_domain to the domain service mail comes from"
            )

    def under(self, folder: str) -> Dkim:
        """The same, paths counted from `folder`."""
        files = {"key_file": self.key_file, "ed25519_key_file": self.ed25519_key_file}
        return self.model_copy(update={name: file and join(folder, file) for name, file in files.items()})


def _believed(domain: str, address: str) -> bool:
    """Whether receivers may take a signature of the domain for the sender's."""
    ours, theirs = f".{domain}", f".{domain_name(address.rpartition('@')[2])}"
    return ours.endswith(theirs) or theirs.endswith(ours)
