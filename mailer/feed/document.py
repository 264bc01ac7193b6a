"""The posts of a feed document: RSS 2.0 or Atom (RFC 4287), from somebody we need not trust.

A document type is refused before anything in it is read, so no entity is ever expanded. Size, depth and number of
elements are bounded. What a post says is text: markup is taken out, and only http and https links are kept.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mailer.core.post import Post, is_link, one_line
from mailer.errors import FeedFault

MOST_ELEMENTS = 200_000
MOST_DEPTH = 100
MOST_ITEMS = 1_000  # that are looked at
MOST_ID = 500  # characters
MOST_TITLE = 200
MOST_SUMMARY = 400
MOST_MARKUP = 8_000  # of a description, before its markup is taken out

_ATOM = "{http://www.w3.org/2005/Atom}"
_DC_DATE = "{http://purl.org/dc/elements/1.1/}date"
_REFERENCE = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z]+\d*);", re.IGNORECASE)


def read(data: bytes, base: str) -> list[Post]:
    """The posts, in the order of the document; links that are relative start at `base`.

    A post without a link that can be followed, or without any words, is left out.

    Raises:
        FeedFault: it is no feed, or one that is unsafe to read.
    """
    root = _tree(data)
    known: dict[str, tuple[str, Callable[[Element, str], Post | None]]] = {
        "rss": ("channel/item", _rss),
        f"{_ATOM}feed": (f"{_ATOM}entry", _atom),
    }
    if root.tag not in known:
        raise FeedFault(
            "this is neither RSS 2.0 nor Atom; give the address of the feed itself, not of a page"
        )
    where, of = known[root.tag]
    return [post for item in root.findall(where)[:MOST_ITEMS] if (post := of(item, base)) is not None]


def _tree(data: bytes) -> Element:
    builder, parser = TreeBuilder(), expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MOST_DEPTH or count > MOST_ELEMENTS:
            raise FeedFault(
                "the feed is nested too deeply or has too many elements", line=parser.CurrentLineNumber
            )
        builder.start(_name(name), attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_name(name))

    def refuse(*_declared: object) -> None:
        raise FeedFault(
            "the feed has a document type (DTD); a feed needs none and it is not safe to read",
            line=parser.CurrentLineNumber,
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except expat.ExpatError as error:
        raise FeedFault(f"this is not XML: {expat.ErrorString(error.code)}", line=error.lineno) from None
    except (ValueError, LookupError):
        raise FeedFault("the feed is in an encoding that cannot be read; publish it as UTF-8") from None


def _name(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _rss(item: Element, base: str) -> Post | None:
    guid = item.find("guid")
    key = _text(guid)
    link = _text(item.find("link"))
    if not link and guid is not None and guid.get("isPermaLink", "true") == "true":
        link = key
    title = _text(item.find("title"))
    return _post(
        key,
        unescape(title) if _REFERENCE.search(title) else title,  # many write it as if it were HTML
        link,
        _words(_text(item.find("description"))),
        _written_date(_text(item.find("pubDate"))) or _timestamp(_text(item.find(_DC_DATE))),
        base,
    )


def _atom(entry: Element, base: str) -> Post | None:
    links = (
        each.get("href", "")
        for each in entry.findall(f"{_ATOM}link")
        if each.get("rel", "alternate") == "alternate"
    )
    summary = entry.find(f"{_ATOM}summary")
    published = _timestamp(_text(entry.find(f"{_ATOM}published")))
    return _post(
        _text(entry.find(f"{_ATOM}id")),
        _construct(entry.find(f"{_ATOM}title")),
        next(links, ""),
        _construct(summary if summary is not None else entry.find(f"{_ATOM}content")),
        published or _timestamp(_text(entry.find(f"{_ATOM}updated"))),
        base,
    )


def _post(key: str, title: str, link: str, summary: str, at: datetime | None, base: str) -> Post | None:
    url = _followed(link.strip(), base)
    summary = one_line(summary, MOST_SUMMARY)
    title = one_line(title, MOST_TITLE) or one_line(summary, MOST_TITLE)
    if not url or not title:
        return None
    return Post(one_line(key, MOST_ID) or url, title, url, summary, at)


def _followed(link: str, base: str) -> str:
    """The link as an address; empty where it leads nowhere a reader may be sent."""
    try:
        url = urljoin(base, link) if base else link
    except ValueError:  # brackets that hold no address
        return ""
    return url if link and is_link(url) else ""


def _construct(part: Element | None) -> str:
    """A text construct (RFC 4287 §3.1) as plain text."""
    if part is None:
        return ""
    text = "".join(_pieces(part))
    return _words(text) if part.get("type") == "html" else text


def _pieces(part: Element) -> Iterator[str]:
    for each in part.itertext():
        yield each
        yield " " if len(part) else ""


def _text(part: Element | None) -> str:
    return "" if part is None or part.text is None else part.text.strip()


def _written_date(text: str) -> datetime | None:
    """RFC 822 as RSS has it."""
    try:
        return _utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _timestamp(text: str) -> datetime | None:
    """RFC 3339 as Atom has it."""
    try:
        return _utc(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError):
        return None


def _utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


class _Words(HTMLParser):
    """What a reader sees of markup."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - its signature
        """Words in two elements are two words."""
        self._hidden += tag in ("script", "style")
        self.found.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """The same."""
        self._hidden -= tag in ("script", "style") and self._hidden > 0
        self.found.append(" ")

    def handle_data(self, data: str) -> None:
        """Words."""
        if not self._hidden:
            self.found.append(data)


def _words(markup: str) -> str:
    if "<" not in markup and "&" not in markup:
        return markup
    reader = _Words()
    # The parser asserts that nobody writes `<![what it does not know`; what was read until there is good.
    with contextlib.suppress(AssertionError, ValueError):
        reader.feed(markup[:MOST_MARKUP])
        # Of a tag without an end the rest would be looked through again from each of its letters: seconds for one post.
        if not reader.rawdata.startswith("<"):
            reader.close()
    return "".join(reader.found)
