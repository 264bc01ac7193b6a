"""What else has to be looked at where service mail has a sender of its own: what it does not share with the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailer.core.doctor import dkim_check, dmarc_check, names_check, spf_check
from mailer.core.doctor.dns import Book
from mailer.core.doctor.finding import Finding
from mailer.core.doctor.sending import Sending

Check = Callable[[Sending, Book], list[Finding]]


def checks(sending: Sending) -> list[Check]:
    """Looks into the DNS for service mail, each as one of the whole installation."""
    other = sending.apart
    if other is None:
        return []
    found: list[Check] = []
    new_domain = other.from_domain != sending.from_domain
    if other.return_domain != sending.return_domain:
        found += [_of(spf_check.check, other), _of(names_check.way_back, other)]
    signs = replace(
        other,
        dkim_domain=other.dkim_domain if other.dkim_domain != sending.dkim_domain else None,
        selectors=other.selectors if new_domain else (),
    )
    if signs.dkim_domain is not None or signs.selectors:
        found.append(_of(dkim_check.check, signs))
    if new_domain:
        found += [_of(dmarc_check.check, other), _of(names_check.domain, other)]
    return found


def _of(check: Check, other: Sending) -> Check:
    return lambda _sending, book: check(other, book)
