"""What a template may not do though it works: promote in service mail, or grow until Gmail hides its end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import nodes

from mailer.errors import WARNING, TemplateFault
from mailer.render.bodies import html as encoded
from mailer.render.environment import HTML as HTML_SANDBOX
from mailer.render.pieces import origin
from mailer.render.renderer import Template
from mailer.render.variants import HTML
from mailer.render.vet import Sample

#: Bytes of the encoded HTML part. Gmail shows the first 102 KB of a message and hides the rest, the unsubscribe
#: link with it, behind "View entire message".
LARGE, CLIPPED = 90 * 1024, 102 * 1024

#: Scope that only a promotion needs.
_PROMOTION = {"coupon"}
_OFFER = re.compile(
    r"""href\s*=\s*["'][^"']*(coupon|discount|promo|special-offer|/sale|kupon|indirim|kampanya|firsat|fırsat)""",
    re.IGNORECASE,
)


def promotions(parts: Mapping[str, Any]) -> list[TemplateFault]:
    """Each place where a service template promotes: a coupon variable, a link to an offer."""
    found: dict[tuple[str, int | None, str], TemplateFault] = {}
    for kind, variants in parts["parts"].items():
        for part in variants.values():
            for message, line in _promoting(part["source"], html=kind == HTML):
                file, number = origin(part["origins"], line) or (part["file"], line)
                found.setdefault((file, number, message), TemplateFault(message, file, number))
    return list(found.values())


def _promoting(source: str, *, html: bool) -> Iterator[tuple[str, int]]:
    tree = HTML_SANDBOX.parse(source)
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in _PROMOTION:
            yield f"a service mail may carry no promotion; take {name.name} out", name.lineno
    if html:
        for link in _OFFER.finditer(source):
            line = source.count("\n", 0, link.start()) + 1
            yield f"a service mail may carry no promotion; this link leads to one ({link[1]})", line


def sizes(parts: Mapping[str, Any], samples: Sequence[Sample]) -> list[TemplateFault]:
    """Whether a template that was vetted grows too large for any sample: over 102 KB a fault, over 90 KB a warning."""
    template = Template(parts)
    largest, who = 0, ""
    for sample in samples:
        rendered = template.render(sample.context, sample.locale, sample.tenant_locale, ZoneInfo(sample.zone))
        size = len(encoded(rendered.html, exact=rendered.exact).body) if rendered.html else 0
        if size > largest:
            largest, who = size, sample.name
    if largest <= LARGE:
        return []
    file = next(iter(parts["parts"][HTML].values()))["file"]
    said = f"the HTML has {largest // 1024} KB for {who}; Gmail hides what comes after 102 KB"
    if largest > CLIPPED:
        return [TemplateFault(f"{said}, so make it shorter", file)]
    return [TemplateFault(said, file, key=WARNING)]
