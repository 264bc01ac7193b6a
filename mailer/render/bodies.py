"""The parts of a message as they travel: text, HTML, pictures, and what holds them together (RFC 2045, RFC 2046)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import NamedTuple

from mailer.core.message import Image, Rendered
from mailer.render.headers import LINE_LIMIT

_CONTENT = "Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: %s"


class Part(NamedTuple):
    """A body and the header lines that describe it; the body ends in CRLF."""

    head: str
    body: bytes


def body(rendered: Rendered, seed: str) -> Part:
    """Text and HTML as alternatives, pictures beside the HTML. Boundaries are made of `seed`."""
    said = text(rendered.text)
    if rendered.html is None:
        return said
    page = html(rendered.html, exact=rendered.exact)
    if rendered.images:
        pictures = [_picture(cid, image) for cid, image in rendered.images.items()]
        page = _multipart("related", [page, *pictures], f"=_r{seed}", '; type="text/html"')
    return _multipart("alternative", [said, page], f"=_a{seed}")


def text(said: str) -> Part:
    """Plain text."""
    if not said.isascii():
        quoted = _quoted(said)
        if len(quoted) <= _worth_quoting(len(said)):
            return Part(_CONTENT % ("plain", "quoted-printable"), quoted)
    return _written("plain", _octets(said, "utf-8", "replace"))


def html(page: str, *, exact: bool = False) -> Part:
    """A page. Where that is `exact`, as ASCII with character references, which every line of every relay carries."""
    if exact and not page.isascii():
        data = _octets(page, "ascii", "xmlcharrefreplace")
        # More references than that, and base64 is shorter.
        if len(data) <= len(page) * 4 // 3 and _fits(data):
            return Part(_CONTENT % ("html", "7bit"), data)
    return _written("html", _octets(page, "utf-8", "replace"))


def _quoted(said: str) -> bytes:
    """With CRLF for every line end, and one at the end."""
    if "\r" in said:
        said = said.replace("\r\n", "\n").replace("\r", "\n")
    # Without a CRLF to go by, long lines are broken by LF alone.
    data = binascii.b2a_qp(said.encode("utf-8", "replace"), istext=True).replace(b"\n", b"\r\n")
    return data if said[-1:] == "\n" else data + b"\r\n"


def _octets(said: str, encoding: str, errors: str) -> bytes:
    """With CRLF for every line end, and one at the end."""
    data = said.encode(encoding, errors)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = data.replace(b"\n", b"\r\n")
    return data if data.endswith(b"\n") else data + b"\r\n"


def _fits(data: bytes) -> bool:
    """Whether no line is longer than a line may be."""
    begin, size = 0, len(data)
    while size - begin > LINE_LIMIT:
        end = data.rfind(b"\n", begin, begin + LINE_LIMIT + 2)
        if end < 0:
            return False
        begin = end + 1
    return True


def _written(subtype: str, data: bytes) -> Part:
    """7bit where lines and letters allow it, else whichever is shorter (RFC 2045 §6). `data` ends in CRLF."""
    if data.isascii() and b"\0" not in data and _fits(data):
        return Part(_CONTENT % (subtype, "7bit"), data)
    quoted = binascii.b2a_qp(data, istext=True)
    if len(quoted) <= _worth_quoting(len(data)):
        return Part(_CONTENT % (subtype, "quoted-printable"), quoted)
    return Part(_CONTENT % (subtype, "base64"), _base64(data))


def _worth_quoting(octets: int) -> int:
    """The longest quoted-printable that is not longer than base64 would be."""
    return octets * 4 // 3 * 78 // 76 + 4


def _base64(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def _picture(content_id: str, image: Image) -> Part:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", image.name)[:60]
    head = (
        f"Content-Type: {image.media_type}",
        "Content-Transfer-Encoding: base64",
        f"Content-ID: <{content_id}>",
        f'Content-Disposition: inline; filename="{name}"',
    )
    return Part("\r\n".join(head), _base64(image.data))


def _multipart(subtype: str, parts: Sequence[Part], boundary: str, more: str = "") -> Part:
    while any(boundary.encode() in part.body for part in parts):
        boundary += "x"
    pieces: list[bytes] = []
    for part in parts:
        pieces += (f"--{boundary}\r\n{part.head}\r\n\r\n".encode(), part.body, b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return Part(f'Content-Type: multipart/{subtype}; boundary="{boundary}"{more}', b"".join(pieces))
