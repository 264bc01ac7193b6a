"""What a template may not do though it works: promote in service mail, or grow until Gmail hides its end.

A link that a person wrote is looked for before layouts, MJML and styles make another text of the page: only there is
its line known. Publishing notes those that lead to an offer; only service mail may not have them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import nodes

from mailer.errors import WARNING, TemplateFault
from mailer.render.bodies import html as encoded
from mailer.render.environment import HTML as HTML_SANDBOX
from mailer.render.pieces import Piece, origin
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
    for variants in parts["parts"].values():
        for part in variants.values():
            for fault in _promoting(part):
                found.setdefault((fault.file, fault.line, fault.message), fault)
    return list(found.values())


def _promoting(part: Mapping[str, Any]) -> Iterator[TemplateFault]:
    for name in HTML_SANDBOX.parse(part["source"]).find_all(nodes.Name):
        if name.ctx == "load" and name.name in _PROMOTION:
            file, number = origin(part["origins"], name.lineno) or (part["file"], name.lineno)
            yield TemplateFault(f"a service mail may carry no promotion; take {name.name} out", file, number)
    for file, number, word in part.get("offers", ()):
        message = f"a service mail may carry no promotion; this link leads to one ({word})"
        yield TemplateFault(message, file, number)


def offers(pieces: Sequence[Piece]) -> list[list[Any]]:
    """The links of a page that lead to an offer: file, line and the word that says so, as they were written."""
    begins, length = list[int](), 0
    for piece in pieces:
        begins.append(length)
        length += len(piece.text)
    found: list[list[Any]] = []
    for link in _OFFER.finditer("".join(piece.text for piece in pieces)):
        at = bisect_right(begins, link.start(1)) - 1
        piece = pieces[at]
        line = piece.line + piece.text.count("\n", 0, link.start(1) - begins[at])
        found.append([piece.file, line, link[1]])
    return found


def sizes(
    parts: Mapping[str, Any], samples: Sequence[Sample], track: Callable[[str], str] | None = None
) -> list[TemplateFault]:
    """Whether a template that was vetted grows too large for any sample: over 102 KB a fault, over 90 KB a warning.

    `track` is what makes its links those whose clicks are counted, which are longer.
    """
    template = Template(parts)
    largest, who = 0, ""
    for sample in samples:
        zone = ZoneInfo(sample.zone)
        rendered = template.render(sample.context, sample.locale, sample.tenant_locale, zone, track=track)
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
