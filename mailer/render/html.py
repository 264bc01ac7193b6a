"""The HTML of a mail, made at publish: MJML compiled, pictures given their public address."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from mjml import mjml2html

from mailer.errors import TemplateFault
from mailer.render.pieces import Piece, Tokens
from mailer.render.styles import INLINE_MARK

_MJML_STYLE = re.compile(r"(<mj-style\b[^>]*\binline\s*=\s*[\"']inline[\"'][^>]*>)", re.IGNORECASE)
_MJML_ELEMENT = re.compile(r"<mj-[a-z-]+")
_MJML_PLACE = re.compile(r"position (\d+):")
_PICTURE = re.compile(r"""(?P<before>["'(]\s*)images/(?P<name>[^"')\s]*)""")


def address_pictures(
    pieces: Iterable[Piece], template: str, names: Mapping[str, Collection[str]], public_url: str
) -> list[Piece]:
    """`images/logo.png` → its public address; a picture lies beside its template, or beside the layout.

    Raises:
        TemplateFault: there is no such picture.
    """
    made = []
    for piece in pieces:
        if piece.kind == "text" and "images/" in piece.text:
            piece = replace(piece, text=_addressed(piece, template, names, public_url))  # noqa: PLW2901
        made.append(piece)
    return made


def _addressed(piece: Piece, template: str, names: Mapping[str, Collection[str]], public_url: str) -> str:
    def address(found: re.Match[str]) -> str:
        name = found["name"]
        folders = [folder for folder in (template, "_layout") if f"images/{name}" in names.get(folder, ())]
        computed = found.end() == len(piece.text)  # a tag follows, so the rest of the name is data
        if not folders and not computed:
            where = replace(piece, line=piece.line + piece.text.count("\n", 0, found.start()))
            raise where.fault(f"there is no picture images/{name} in {template}/ or _layout/")
        folder = template if computed else folders[0]
        return f"{found['before']}{public_url.rstrip('/')}/images/{folder}/{name}"

    return _PICTURE.sub(address, piece.text)


def compile_mjml(pieces: Sequence[Piece], file: str) -> list[Piece]:
    """MJML to HTML with every Jinja tag kept; what stands before `<mjml>` stays before the HTML.

    Raises:
        TemplateFault: MJML cannot read it, or has no place for a tag where it stands.
    """
    begin = next(
        (i for i, piece in enumerate(pieces) if piece.kind == "text" and "<mjml" in piece.text), None
    )
    if begin is None:
        raise TemplateFault("there is no <mjml> in it", file=file, line=1)
    head, body = pieces[:begin], pieces[begin:]
    tokens = Tokens(body)
    text = ""
    starts: list[tuple[int, Piece]] = []
    for index, piece in enumerate(body):
        if piece.kind == "text" and "<mj-include" in piece.text:
            raise piece.fault("<mj-include> is not read; use {% include %}")
        starts.append((len(text.encode()), piece))
        text += piece.text if piece.kind == "text" else tokens.name(index)
    marked = _MJML_STYLE.sub(rf"\g<1>{INLINE_MARK}", text)
    try:
        html = mjml2html(marked, fonts={})
    except ValueError as error:
        said = _MJML_PLACE.search(str(error))
        at = int(said[1]) if said else 0
        start, piece = max((entry for entry in starts if entry[0] <= at), key=lambda entry: entry[0])
        line = piece.line + text.encode()[start:at].count(b"\n")
        raise TemplateFault(f"MJML cannot read this: {error}", file=piece.file, line=line) from None
    unknown = _MJML_ELEMENT.search(html)
    for index, piece in enumerate(body):
        if unknown and piece.kind == "text" and unknown[0] in piece.text:
            line = piece.line + piece.text.count("\n", 0, piece.text.index(unknown[0]))
            raise replace(piece, line=line).fault(f"MJML has no element {unknown[0]}>")
        if piece.kind != "text" and tokens.name(index) not in html:
            raise piece.fault(
                "MJML leaves this tag out where it stands; put it in an <mj-raw> or an <mj-text>"
            )
    return [*head, *tokens.restore(html, file)]
