"""Which file is written for whom: `body.tr.html` beside `body.html`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

_PART = re.compile(r"(subject|body)(?:\.([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*))?\.(txt|html|mjml)")

#: The parts of a published template.
SUBJECT, HTML, TEXT = "subject", "html", "text"


class PartFile(NamedTuple):
    """A file of a template that is a part of the message: `body.pt-BR.mjml`."""

    name: str
    part: str
    locale: str  # canonical, empty for the plain name
    suffix: str


def canonical(locale: str) -> str:
    """`tr_tr` → `tr-TR`, `zh-hant-tw` → `zh-Hant-TW`, `C.UTF-8` → `C` (BCP 47 §2.1.1, encodings left off)."""
    head, *rest = locale.strip().split(".")[0].split("@")[0].replace("_", "-").split("-")
    sizes = {2: str.upper, 4: str.title}
    return "-".join([head.lower(), *(sizes.get(len(word), str.lower)(word) for word in rest if word)])


def part_file(name: str) -> PartFile | None:
    """What a file name says, or None for a file that is no part (something to include, a note)."""
    found = _PART.fullmatch(name)
    if found is None or (found[1] == "subject" and found[3] != "txt"):
        return None
    part = SUBJECT if found[1] == "subject" else TEXT if found[3] == "txt" else HTML
    return PartFile(name, part, canonical(found[2]) if found[2] else "", found[3])


def fallbacks(locale: str) -> Iterable[str]:
    """A locale, then what is left of it without its last subtag: `zh-Hant-TW`, `zh-Hant`, `zh`."""
    words = canonical(locale).split("-") if locale else []
    return ("-".join(words[:length]) for length in range(len(words), 0, -1))


def variant(name: str, locale: str, names: Collection[str]) -> str | None:
    """The file to include for `name` in a part written in `locale`: the variant beside it, else itself."""
    stem, dot, suffix = name.rpartition(".")
    beside: dict[str, str] = {}
    for other in names:
        middle = other[len(stem) + 1 : -len(suffix) - 1]
        if middle and other == f"{stem}.{middle}{dot}{suffix}":
            beside[canonical(middle)] = other
    for wanted in fallbacks(locale):
        if wanted in beside:
            return beside[wanted]
    return name if name in names else None


def choose(parts: Mapping[str, Any], part: str, customer_locale: str, tenant_locale: str) -> str | None:
    """The locale of the variant of `part` a customer is given; empty is the plain name, None: no such part.

    The customer's locale, its language, the plain name. The tenant's locale takes the customer's place only
    for a customer without one. Where no plain name exists, somebody still has to be written to: the tenant's
    variant, else the first by name; but no text of another language beside a page, from which one can be made.
    """
    variants: Mapping[str, Any] = parts["parts"].get(part, {})
    for wanted in fallbacks(customer_locale or tenant_locale):
        if wanted in variants:
            return wanted
    if not variants:
        return None
    if "" in variants:
        return ""
    if part == TEXT and parts["parts"].get(HTML):
        return None
    return next((wanted for wanted in fallbacks(tenant_locale) if wanted in variants), min(variants))


def reading_locale(chosen: str, variants: Collection[str], customer_locale: str, tenant_locale: str) -> str:
    """The locale dates and money are written in, given the variant that was chosen.

    A variant's own, or the customer's where it only adds a region to it (`en-GB` reading `en`). A plain name
    says no language: it is the tenant's, unless the tenant's language has a variant beside it; then it is
    taken for English.
    """
    customer = canonical(customer_locale or tenant_locale)
    language = chosen
    if not chosen:
        tenant = canonical(tenant_locale) or "en"
        said = {name.split("-")[0] for name in variants if name}
        language = tenant if tenant.split("-")[0] not in said else "en"
    if customer.split("-")[0] == language.split("-")[0] and len(customer) >= len(language):
        return customer
    return language
