"""A mail's HTML made fit for a sandboxed frame.

Safety is the frame's and its policy's: nothing here is relied on to find what is harmful. Only connecting
ahead, before anything is asked for, browsers do in spite of a policy: the elements that make them are renamed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

#: For everything that came in a mail: it runs nothing, loads nothing but pictures of ours, leads nowhere.
SHUT_IN = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
}

_MOST_LINKS = 200
_CID = re.compile(r"""(?P<before>["'(=]\s*)cid:(?P<id>[^"'()\s<>]+)""", re.IGNORECASE)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_CONNECTING = re.compile(r"<(/?)(?=(?:iframe|frame|link|portal)\b)", re.IGNORECASE)
_NOWHERE = '<base target="_blank">'  # the frame may open no windows, so a click there does nothing


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a mail: what it says, and where it leads."""

    text: str
    url: str


def framed(html: str, mail_id: str, public_url: str) -> str:
    """The HTML with its pictures where they can be had: inside the mail, or in our own templates."""

    def part(found: re.Match[str]) -> str:
        name = quote(unescape(found["id"]), safe="")
        return f"{found['before']}/mailbox/{mail_id}/part/{name}"

    # Pictures are wanted before the address customers reach us at works.
    html = _CID.sub(part, html).replace(f"{public_url}/images/", "/images/")
    html = _CONNECTING.sub(r"<\1x-", html)
    head = _HEAD.search(html)
    place = head.end() if head else 0
    return html[:place] + _NOWHERE + html[place:]


def links(html: str) -> list[Link]:
    """The web links of a mail in their order, each address once; no other kind of link."""
    reader = _Links()
    with suppress(AssertionError, ValueError):  # of markup it does not know
        reader.feed(html)
        reader.close()
    reader.end()
    found = {link.url: link for link in reversed(reader.found) if link.url}
    return [found[url] for url in dict.fromkeys(link.url for link in reader.found)][:_MOST_LINKS]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Link] = []
        self._url: str | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.end()
            url = (dict(attrs).get("href") or "").strip()
            self._url = url if url.lower().startswith(("http://", "https://")) else None
        elif tag == "img" and self._url:
            self._text.append(dict(attrs).get("alt") or "")

    def handle_data(self, data: str) -> None:
        if self._url:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self.end()

    def end(self) -> None:
        if self._url:
            self.found.append(Link(" ".join(" ".join(self._text).split()), self._url))
        self._url, self._text = None, []
