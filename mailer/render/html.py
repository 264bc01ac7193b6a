"""The HTML of a mail, made at publish: MJML compiled, pictures addressed, styles written into the elements.

Mail programs drop `<style>` or its rules; what can stand in an element's `style` is put there, the rest
(media queries, dark mode, `:hover`) stays. Parsers rewrite what they read, and tear Jinja tags out of tables
and conditional comments. So a copy with stand-ins is parsed to learn the styles, and the original is only
added to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import css_inline
from mjml import mjml2html

from mailer.errors import TemplateFault
from mailer.render.pieces import Piece, Tokens
from mailer.render.scan import Place, Placed

_ATTRIBUTES = r"""(?:[^"'>]++|"[^"]*+"|'[^']*+')*+"""
_ELEMENT = re.compile(
    rf"<!--.*?-->|<(?P<raw>script|title|textarea)\b.*?</(?P=raw)"
    rf"|<style\b(?P<how>{_ATTRIBUTES})>(?P<css>.*?)</style\s*>"
    rf"|<(?P<name>[a-z][^\s/>]*)(?P<attributes>{_ATTRIBUTES})>",
    re.DOTALL | re.IGNORECASE,
)
_STYLE = re.compile(r"""(?<=\s)style\s*=\s*(?:"(?P<a>[^"]*)"|'(?P<b>[^']*)')""", re.IGNORECASE)
_HOW = re.compile(r"""\s*data-css-inline\s*=\s*["']?(?P<how>keep|ignore)["']?""", re.IGNORECASE)
_MJML_STYLE = re.compile(r"(<mj-style\b[^>]*\binline\s*=\s*[\"']inline[\"'][^>]*>)", re.IGNORECASE)
_MJML_PLACE = re.compile(r"position (\d+):")
_INLINE_MARK = "/*inline*/"
_PICTURE = re.compile(r"""(?P<before>["'(]\s*)images/(?P<name>[^"')\s]*)""")

_INLINER = css_inline.CSSInliner(
    load_remote_stylesheets=False, keep_style_tags=True, remove_inlined_selectors=True
)


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
    marked = _MJML_STYLE.sub(rf"\g<1>{_INLINE_MARK}", text)
    try:
        html = mjml2html(marked, fonts={})
    except ValueError as error:
        said = _MJML_PLACE.search(str(error))
        at = int(said[1]) if said else 0
        start, piece = max((entry for entry in starts if entry[0] <= at), key=lambda entry: entry[0])
        line = piece.line + text.encode()[start:at].count(b"\n")
        raise TemplateFault(f"MJML cannot read this: {error}", file=piece.file, line=line) from None
    for index, piece in enumerate(body):
        if piece.kind != "text" and tokens.name(index) not in html:
            raise piece.fault(
                "MJML leaves this tag out where it stands; put it in an <mj-raw> or an <mj-text>"
            )
    return [*head, *tokens.restore(html, file)]


def inline_css(placed: Sequence[Placed], file: str, *, marked_only: bool = False) -> list[Piece]:
    """Write the rules of `<style>` into the elements they match, as far as an element can carry them.

    `marked_only` inlines nothing but what MJML marked (`<mj-style inline="inline">`). A `<style>` with
    `data-css-inline="keep"` stays whole as well, one with `"ignore"` is not looked at.

    Raises:
        TemplateFault: the styles cannot be read.
    """
    tokens = Tokens([each.piece for each in placed])
    shapes = {Place.MARKUP: "<!--{}-->", Place.CSS: "/*{}*/", Place.TAG: " {} ", Place.PLAIN: "{}"}
    source = "".join(
        each.piece.text if each.piece.kind == "text" else shapes[each.place].format(tokens.name(index))
        for index, each in enumerate(placed)
    )
    mark = f"data-{tokens.name(0)}"
    elements = list(_ELEMENT.finditer(source))
    if any(found["css"] for found in elements):
        marked = [
            _marked(found, mark, n, tokens, marked_only=marked_only) for n, found in enumerate(elements)
        ]
        try:
            learnt = _Styles(mark, _INLINER.inline(_spliced(source, marked, elements)))
        except css_inline.InlineError as error:
            raise TemplateFault(f"the styles cannot be read: {error}", file=file) from None
        learnt.whole = all(n in learnt.seen for n, found in enumerate(elements) if found["name"])
        styled = [
            _styled(found, learnt, n, tokens, marked_only=marked_only) for n, found in enumerate(elements)
        ]
        source = _spliced(source, styled, elements)
    return list(tokens.restore(source, file))


def _spliced(source: str, texts: Iterable[str], elements: Sequence[re.Match[str]]) -> str:
    out: list[str] = []
    at = 0
    for text, found in zip(texts, elements, strict=True):
        out += [source[at : found.start()], text]
        at = found.end()
    return "".join([*out, source[at:]])


def _verbatim(found: re.Match[str], tokens: Tokens, *, marked_only: bool) -> tuple[bool, bool]:
    """Of a `<style>`: whether its rules are kept out of the elements, and whether it stays as it is."""
    said = _HOW.search(found["how"])
    ignored = (said is not None and said["how"].lower() == "ignore") or (
        marked_only and not found["css"].lstrip().startswith(_INLINE_MARK)
    )
    return ignored, ignored or said is not None or tokens.pattern.search(found["css"]) is not None


def _marked(found: re.Match[str], mark: str, number: int, tokens: Tokens, *, marked_only: bool) -> str:
    """An element as the style parser is to see it: numbered, and without styles that hold Jinja tags."""
    if found["css"] is not None:
        ignored, _ = _verbatim(found, tokens, marked_only=marked_only)
        how = _HOW.sub("", found["how"])
        return f'<style {mark}="{number}"{how}>{"" if ignored else found["css"]}</style>'
    if found["name"] is None:
        return found[0]
    attributes = found["attributes"]
    style = _STYLE.search(attributes)
    if style and tokens.pattern.search(style[0]):
        attributes = attributes[: style.start()] + attributes[style.end() :]
    return f'<{found["name"]} {mark}="{number}"{attributes}>'


def _styled(found: re.Match[str], learnt: _Styles, number: int, tokens: Tokens, *, marked_only: bool) -> str:
    """The element with its rules in it."""
    if found["css"] is not None:
        how = _HOW.sub("", found["how"])
        _, verbatim = _verbatim(found, tokens, marked_only=marked_only)
        css = found["css"] if verbatim or not learnt.whole else learnt.sheets.get(number, "")
        css = css.replace(_INLINE_MARK, "")
        return f"<style{how}>{css}</style>" if css.strip() else ""
    css = learnt.styles.get(number, "") if found["name"] else ""
    if not css:
        return found[0]
    attributes = found["attributes"]
    style = _STYLE.search(attributes)
    if style is None:
        return f'<{found["name"]} style="{_quoted(css)}"{attributes}>'
    value = f'style="{_quoted(css)}"'
    if tokens.pattern.search(style[0]):
        own = style["a"] if style["a"] is not None else style["b"].replace('"', "&quot;")
        value = f'style="{_quoted(css)};{own}"'
    return f"<{found['name']}{attributes[: style.start()]}{value}{attributes[style.end() :]}>"


def _quoted(css: str) -> str:
    css = css if "'" in css else css.replace('"', "'")
    return escape(css, quote=False).replace('"', "&quot;").rstrip("; ")


class _Styles(HTMLParser):
    """What the style parser made of each numbered element."""

    def __init__(self, mark: str, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self._mark = mark
        self._sheet: int | None = None
        self.whole = False  # whether the parser met every element there is
        self.seen: set[int] = set()
        self.styles: dict[int, str] = {}
        self.sheets: dict[int, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the style of a numbered element."""
        said = dict(attrs)
        number = said.get(self._mark)
        if number is None:
            return
        self.seen.add(int(number))
        self.styles[int(number)] = said.get("style") or ""
        self._sheet = int(number) if tag == "style" else None

    def handle_data(self, data: str) -> None:
        """Note what is left of a style sheet."""
        if self._sheet is not None:
            self.sheets[self._sheet] = self.sheets.get(self._sheet, "") + data

    def handle_endtag(self, tag: str) -> None:
        """The end of a style sheet."""
        if tag == "style":
            self._sheet = None
