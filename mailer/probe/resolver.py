"""Asking the DNS, with dnspython. Whatever goes wrong is an answer that says so."""

from __future__ import annotations

from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT
import dns.resolver
from dns.rdata import Rdata

from mailer.core.doctor.dns import Answer, Question, Status
from mailer.errors import UsageError

#: Seconds for one try, and for a question with all its tries.
TRY, PATIENCE = 1.2, 3.0
_PORT = 53
_LAST_PORT = 65_535


class Resolver:
    """The nameservers of this machine, or one that is named as HOST or HOST:PORT; `patience` is in seconds.

    Raises:
        UsageError: it cannot be read as an address.
    """

    def __init__(self, nameserver: str | None = None, *, patience: float = PATIENCE) -> None:
        self._trouble = False
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=nameserver is None)
        except dns.resolver.NoResolverConfiguration:
            self._trouble = True
            return
        if nameserver is not None:
            host, port = _address(nameserver)
            self._resolver.nameservers = [host]
            self._resolver.port = port
        self._resolver.timeout, self._resolver.lifetime = TRY, patience
        self._resolver.search = []  # names are whole: no ending of this machine's network may be tried

    async def ask(self, question: Question) -> Answer:
        """One answer; TCP where it does not fit UDP."""
        if self._trouble:
            return Answer(Status.NO_NAMESERVER)
        try:
            found = await self._resolver.resolve(
                dns.name.from_text(question.name), question.kind, raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN as none:
            return Answer(Status.NO_NAME, canonical=_led(question, none.canonical_name))
        except dns.resolver.YXDOMAIN:
            return Answer(Status.NO_NAME)
        except dns.exception.Timeout:
            return Answer(Status.SILENT)
        except dns.resolver.NoNameservers:
            return Answer(Status.FAILED)
        except (
            dns.exception.DNSException,
            ValueError,
        ):  # a name that cannot be one; an answer that is nonsense
            return Answer(Status.NO_NAME if not _sendable(question.name) else Status.FAILED)
        except OSError:
            return Answer(Status.NO_NAMESERVER)
        led = _led(question, found.canonical_name)
        values = tuple(sorted(_written(each) for each in found.rrset)) if found.rrset is not None else ()
        return Answer(Status.FOUND if values else Status.NO_DATA, values, led)


def _led(question: Question, canonical: dns.name.Name) -> str:
    name = canonical.to_text(omit_final_dot=True).lower()
    return "" if name == question.name else name


def _written(record: Rdata) -> str:
    """A record as `core.doctor.dns.Answer` has it."""
    if isinstance(record, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(record.strings).decode("utf-8", "replace")
    if isinstance(record, dns.rdtypes.ANY.MX.MX):
        return f"{record.preference} {record.exchange.to_text(omit_final_dot=True).lower().rstrip('.')}"
    return record.to_text().lower().rstrip(".")


def _sendable(name: str) -> bool:
    try:
        dns.name.from_text(name)
    except dns.exception.DNSException:
        return False
    return True


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):  # without a port
        host, port = text, str(_PORT)
    try:
        address = str(ip_address(host.strip("[]")))
        number = int(port)
    except ValueError:
        raise UsageError(
            f"--nameserver {text!r} is not an address; write it as 9.9.9.9 or 127.0.0.1:5353."
        ) from None
    if not 0 < number <= _LAST_PORT:
        raise UsageError(f"--nameserver {text!r} has no port between 1 and {_LAST_PORT}.")
    return address, number
