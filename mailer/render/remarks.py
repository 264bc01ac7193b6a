"""What no template should be without, or with, though its mails can be made: remarks for `check`, never a bar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mailer.errors import WARNING, TemplateFault
from mailer.render.variants import SUBJECT

_NOWHERE = re.compile(r"https?://(?:[\w-]+\.)*example(?:\.(?:com|net|org))?(?![\w.-])", re.IGNORECASE)
_WEBSITE = re.compile(r"tenant\s*(?:\.\s*|\[\s*['\"])website")
_LEAVING = re.compile(r"links\s*(?:\.\s*|\[\s*['\"])unsubscribe")


def remarks(
    parts: Mapping[str, Any], *, commercial: bool, in_earnest: bool, website: str = ""
) -> Iterator[TemplateFault]:
    """A template that leads to addresses nobody can open, and each page that shows no way to unsubscribe.

    `in_earnest`: the tenant writes from a domain of their own, not from one reserved for examples (RFC 2606 §2, 3).
    `website`: what templates that write `tenant.website` lead to.
    """
    written = [
        part
        for name, variants in parts["parts"].items()
        for part in variants.values()
        if name != SUBJECT and not part.get("derived")
    ]
    if in_earnest:
        yield from _nowhere(written)
        if _NOWHERE.match(website):
            yield from _settings_nowhere(written, website)
    for part in written:
        if commercial and not _LEAVING.search(part["source"]):
            yield TemplateFault(
                "shows no link to unsubscribe; write {{ links.unsubscribe }}, or extend _layout/base.html",
                part["file"],
                key=WARNING,
            )


def _nowhere(written: Sequence[Mapping[str, Any]]) -> Iterator[TemplateFault]:
    """One remark for the whole template: whoever mends one file looks into the others."""
    found = [(part["file"], place[0]) for part in written if (place := _NOWHERE.search(part["source"]))]
    if found:
        file, address = found[0]
        more = len(found) - 1
        others = f", in {more} more {'file' if more == 1 else 'files'}, too" if more else ""
        yield TemplateFault(
            f"leads to {address}, which nobody can open; write an address of your own{others}",
            file,
            key=WARNING,
        )


def _settings_nowhere(written: Sequence[Mapping[str, Any]], website: str) -> Iterator[TemplateFault]:
    """The same for the address that stands in the settings."""
    file = next((part["file"] for part in written if _WEBSITE.search(part["source"])), None)
    if file is not None:
        yield TemplateFault(
            f"leads to {website}, which nobody can open; set tenant.website to your shop's address",
            file,
            key=WARNING,
        )
