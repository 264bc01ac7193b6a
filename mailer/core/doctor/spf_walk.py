"""Following an SPF record through everything it includes, as a receiver does (RFC 7208 §4.6.4, §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from mailer.core.doctor.dns import Answer, Book, Question, Status, is_below
from mailer.core.doctor.sending import Ip
from mailer.core.doctor.spf import ASKING, Mechanism, Record, is_spf, parse
from mailer.core.doctor.spf_macro import expand

MOST_LOOKUPS = 10
MOST_VOID = 2
_MOST_HOSTS = 10  # names of an MX
_DEEP = 20  # records within records: beyond what ten looks can reach


class Broken(Exception):
    """Receivers make nothing of the record (permerror); its text is why."""


class Unclear(Exception):
    """The DNS did not say (temperror); its text is what about."""


def records(answer: Answer) -> list[str]:
    """The SPF records among a name's TXT records."""
    return [each for each in answer.values if is_spf(each)]


@dataclass
class Walk:
    """One look at a record: for an address that mails leave from, or at everything there is to count."""

    book: Book
    sender: str  # of the envelope
    ip: Ip | None = None  # None: nobody matches, so every mechanism has its turn
    most: int = MOST_LOOKUPS
    lookups: int = 0
    void: int = 0
    asked: list[str] = field(default_factory=list)  # the terms that cost a look

    def result(self, domain: str, depth: int = 0) -> str:
        """What a receiver makes of the address: pass, fail, softfail, neutral or none.

        Raises:
            Broken: the record, or one it includes, cannot be used.
            Unclear: a part of it could not be had.
            Wanted: answers are missing.
        """
        record = self._record(domain, depth)
        if record is None:
            return "none"
        self._ahead(record)
        for mechanism in record.mechanisms:
            if self._matches(mechanism, domain, depth):
                return mechanism.result
        if record.redirect is None or record.all is not None:
            return "neutral"
        self._count(f"redirect={record.redirect}")
        target = self._target(record.redirect, domain)
        if target is None:
            return "neutral"
        redirected = self.result(target, depth + 1)
        if redirected == "none":
            raise Broken(f"redirect={record.redirect} leads to no SPF record")
        return redirected

    def _record(self, domain: str, depth: int) -> Record | None:
        answer = self.book.ask(domain, "TXT")
        if not answer.known:
            raise Unclear(f"{domain}: {answer.status}")
        found = records(answer)
        if not found:
            return None
        if len(found) > 1:
            raise Broken(f"{domain} has {len(found)} SPF records, and may have one")
        if depth > _DEEP:
            raise Broken(f"{domain} includes itself")
        try:
            return parse(found[0])
        except ValueError as fault:
            raise Broken(f"{domain}: {fault}") from None

    def _ahead(self, record: Record) -> None:
        """Want what the whole record includes at once, and not one after the other."""
        named = [each.domain for each in record.mechanisms if each.name == "include" and each.domain]
        self.book.all([Question.of(each, "TXT") for each in named if "%" not in each][:MOST_LOOKUPS])

    def _matches(self, mechanism: Mechanism, domain: str, depth: int) -> bool:
        if mechanism.name in ASKING:
            self._count(mechanism.text)
        match mechanism.name:
            case "all":
                return True
            case "ip4" | "ip6":
                return self.ip is not None and mechanism.network is not None and self.ip in mechanism.network
            case "include":
                return self._included(mechanism, domain, depth)
            case "a":
                target = self._target(mechanism.domain or domain, domain)
                return target is not None and self._among(self._addresses(target), mechanism)
            case "mx":
                target = self._target(mechanism.domain or domain, domain)
                return target is not None and self._mx(target, mechanism)
            case "exists":
                target = self._target(mechanism.domain or domain, domain)
                return target is not None and bool(self._ask(target, "A").values) and self.ip is not None
        target = self._target(mechanism.domain or domain, domain)
        return target is not None and self._ptr(target)

    def _included(self, mechanism: Mechanism, domain: str, depth: int) -> bool:
        target = self._target(mechanism.domain or "", domain)
        if target is None:
            return False
        self._weigh(self.book.ask(target, "TXT"), target)
        result = self.result(target, depth + 1)
        if result == "none":
            raise Broken(f"{mechanism.text} leads to no SPF record")
        return result == "pass" and self.ip is not None

    def _mx(self, target: str, mechanism: Mechanism) -> bool:
        hosts = [each.partition(" ")[2] for each in self._ask(target, "MX").values]
        if len(hosts) > _MOST_HOSTS:
            raise Broken(f"{mechanism.text} leads to {len(hosts)} names, and {_MOST_HOSTS} are allowed")
        if self.ip is None:
            return False
        kind = "A" if isinstance(self.ip, IPv4Address) else "AAAA"
        answers = self.book.all([Question.of(host, kind) for host in hosts if host])
        return self._among([value for each in answers for value in each.values], mechanism)

    def _ptr(self, target: str) -> bool:
        """Whether the address has a name below the target that leads back to it (§5.5); trouble is a no."""
        if self.ip is None:
            return False
        names = self.book.ask(self.ip.reverse_pointer, "PTR").values[:_MOST_HOSTS]
        kind = "A" if isinstance(self.ip, IPv4Address) else "AAAA"
        answers = self.book.all([Question.of(name, kind) for name in names])
        return any(
            is_below(name, target) and any(ip_address(each) == self.ip for each in answer.values)
            for name, answer in zip(names, answers, strict=True)
        )

    def _addresses(self, name: str) -> Sequence[str]:
        return self._ask(name, "AAAA" if isinstance(self.ip, IPv6Address) else "A").values

    def _among(self, addresses: Sequence[str], mechanism: Mechanism) -> bool:
        if self.ip is None:
            return False
        bits = mechanism.four if isinstance(self.ip, IPv4Address) else mechanism.six
        return any(self.ip in ip_network(f"{ip_address(each)}/{bits}", strict=False) for each in addresses)

    def _ask(self, name: str, kind: str) -> Answer:
        answer = self.book.ask(name, kind)
        self._weigh(answer, name)
        return answer

    def _weigh(self, answer: Answer, name: str) -> None:
        if not answer.known:
            raise Unclear(f"{name}: {answer.status}")
        self.void += answer.status is not Status.FOUND
        if self.void > MOST_VOID and self.most == MOST_LOOKUPS:
            raise Broken(f"more than {MOST_VOID} of its names have no records, the last of them {name}")

    def _count(self, term: str) -> None:
        self.lookups += 1
        self.asked.append(term)
        if self.lookups > self.most:
            raise Broken(
                f"it takes more than {self.most} looks into the DNS, and the look too many is {term}"
            )

    def _target(self, text: str, domain: str) -> str | None:
        """The domain a term names; None: it depends on the address, which is not known."""
        if "%" not in text:
            return text.lower().rstrip(".")
        if self.ip is None:
            return None
        nibbles = (
            ".".join(self.ip.exploded.replace(":", "")) if isinstance(self.ip, IPv6Address) else str(self.ip)
        )
        return expand(text, domain=domain, sender=self.sender, ip=nibbles).lower().rstrip(".")
