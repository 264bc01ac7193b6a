"""Styles written into the elements they apply to, when a template is published.

Mail programs drop `<style>` or its rules; what can stand in an element's `style` is put there, the rest
(media queries, dark mode, `:hover`) stays. Parsers rewrite what they read, and tear Jinja tags out of tables
and conditional comments. So a copy is parsed to learn the styles, and the original is only added to.

The copy holds what is there every time: attributes and class names under an `{% if %}` are left out of it,
and a `<style>` that stands under logic, or has logic in it, stays as it is: its rules apply where `<style>`
is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from html.parser import HTMLParser

import css_inline

from mailer.errors import TemplateFault
from mailer.render.pieces import Piece, Tokens
from mailer.render.scan import Place, Placed

#: Begins a sheet of MJML that is to be written into elements (`<mj-style inline="inline">`).
INLINE_MARK = "/*inline*/"

_ATTRIBUTES = r"""(?:[^"'>]++|"[^"]*+"|'[^']*+')*+"""
_ELEMENT = re.compile(
    rf"<!--.*?-->|<(?P<raw>script|title|textarea)\b.*?</(?P=raw)"
    rf"|<style\b(?P<how>{_ATTRIBUTES})>(?P<css>.*?)</style\s*>"
    rf"|<(?P<name>[a-z][^\s/>]*)(?P<attributes>{_ATTRIBUTES})>",
    re.DOTALL | re.IGNORECASE,
)
_STYLE = re.compile(r"""(?<=\s)style\s*=\s*(?:"(?P<a>[^"]*)"|'(?P<b>[^']*)')""", re.IGNORECASE)
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_HOW = re.compile(r"""\s*data-css-inline\s*=\s*["']?(?P<how>keep|ignore)["']?""", re.IGNORECASE)
_SHEET = re.compile(r"<style\b", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_BRACES = re.compile(r"[{}]")
_POSITIONAL = re.compile(r":(?:first|last|only|nth)-[a-z-]+")
_SHAPES = {Place.MARKUP: "<!--{}-->", Place.CSS: "/*{}*/", Place.PLAIN: "{}"}

_INLINER = css_inline.CSSInliner(
    load_remote_stylesheets=False, keep_style_tags=True, remove_inlined_selectors=True
)


def inline_css(placed: Sequence[Placed], file: str, *, marked_only: bool = False) -> list[Piece]:
    """Write the rules of `<style>` into the elements they match, as far as an element can carry them.

    `marked_only` leaves sheets without INLINE_MARK as they are. A `<style>` with `data-css-inline="keep"`
    stays whole as well, one with `"ignore"` is not looked at.

    Raises:
        TemplateFault: the styles cannot be read, or would be wrong in the rows of a loop.
    """
    document = _Document(placed, file, marked_only=marked_only)
    return list(document.inlined())


class _Document:
    def __init__(self, placed: Sequence[Placed], file: str, *, marked_only: bool) -> None:
        self._file = file
        self._marked_only = marked_only
        self._tokens = Tokens([each.piece for each in placed])
        self._mark = f"data-{self._tokens.name(0)}"
        self._loops = any(each.piece.word == "for" for each in placed)
        self._source = "".join(self._shown(index, each) for index, each in enumerate(placed))
        self._elements = list(_ELEMENT.finditer(self._source))

    def inlined(self) -> Iterator[Piece]:
        source = self._source
        if any(found["css"] for found in self._elements):
            copy = self._spliced(self._seen(found, n) for n, found in enumerate(self._elements))
            try:
                learnt = _Styles(self._mark, _INLINER.inline(copy))
            except css_inline.InlineError as error:
                raise TemplateFault(f"the styles cannot be read: {error}", file=self._file) from None
            whole = all(n in learnt.seen for n, found in enumerate(self._elements) if found["name"])
            source = self._spliced(
                self._sheet(found, learnt.sheets.get(n, "") if whole else None)
                if found["css"] is not None
                else self._styled(found, learnt.styles.get(n, ""))
                for n, found in enumerate(self._elements)
            )
        return self._tokens.restore(source, self._file)

    def _shown(self, index: int, each: Placed) -> str:
        """A piece as text: a tag by its stand-in, in the shape its place calls for."""
        if each.piece.kind == "text":
            text = each.piece.text
            return text if each.always else _SHEET.sub('<style data-css-inline="ignore"', text)
        if each.place is Place.TAG:
            return self._tokens.attribute(index)
        return _SHAPES[each.place].format(self._tokens.name(index))

    def _spliced(self, texts: Iterable[str]) -> str:
        """The source with each element replaced by its new text."""
        out: list[str] = []
        at = 0
        for text, found in zip(texts, self._elements, strict=True):
            out += [self._source[at : found.start()], text]
            at = found.end()
        return "".join([*out, self._source[at:]])

    def _how(self, found: re.Match[str]) -> str:
        """What is done with a `<style>`: `inline` it, inline and `keep` it, or `ignore` it."""
        said = _HOW.search(found["how"])
        unmarked = self._marked_only and not found["css"].lstrip().startswith(INLINE_MARK)
        if unmarked or self._tokens.pattern.search(found["css"]):
            return "ignore"
        return said["how"].lower() if said else "inline"

    def _seen(self, found: re.Match[str], number: int) -> str:
        """An element as the style parser is to see it: numbered, and holding what is there every time."""
        if found["css"] is not None:
            css = "" if self._how(found) == "ignore" else found["css"]
            self._check_positions(css)
            return f'<style {self._mark}="{number}"{_HOW.sub("", found["how"])}>{css}</style>'
        if found["name"] is None:
            return found[0]
        attributes: str = found["attributes"]
        style = _STYLE.search(attributes)
        if style and self._tokens.pattern.search(style[0]):
            attributes = attributes[: style.start()] + attributes[style.end() :]
        attributes = _QUOTED.sub(lambda quoted: self._without_branches(quoted[0]), attributes)
        return f'<{found["name"]} {self._mark}="{number}"{self._without_branches(attributes)}>'

    def _without_branches(self, text: str) -> str:
        """The text less everything from its first tag to its last."""
        tags = list(self._tokens.pattern.finditer(text))
        return f"{text[: tags[0].start()]} {text[tags[-1].end() :]}" if tags else text

    def _check_positions(self, css: str) -> None:
        """A row that stands once in the source is first and last there, but not in the mail."""
        depth, at = 0, 0
        css = _CSS_COMMENT.sub("", css)
        for brace in _BRACES.finditer(css):
            selector = css[at : brace.start()].strip()
            said = _POSITIONAL.search(selector) if self._loops and depth == 0 else None
            if said and brace[0] == "{" and not selector.startswith("@"):
                raise TemplateFault(
                    f"{selector!r} cannot be written into rows that a loop makes; put it in a style sheet of "
                    'its own: <style data-css-inline="ignore">',
                    file=self._file,
                )
            depth += 1 if brace[0] == "{" else -1
            at = brace.end()

    def _sheet(self, found: re.Match[str], rest: str | None) -> str:
        """A `<style>` with the rules that no element could carry; None: not every element was met."""
        css = rest if rest is not None and self._how(found) == "inline" else found["css"]
        css = css.replace(INLINE_MARK, "")
        return f"<style{_HOW.sub('', found['how'])}>{css}</style>" if css.strip() else ""

    def _styled(self, found: re.Match[str], css: str) -> str:
        """An element with its rules in it."""
        if not css or not found["name"]:
            return found[0]
        name, attributes = found["name"], found["attributes"]
        style = _STYLE.search(attributes)
        if style is None:
            return f'<{name} style="{_quoted(css)}"{attributes}>'
        around = (attributes[: style.start()], attributes[style.end() :])
        if all(self._tokens.pattern.search(_QUOTED.sub("", part)) for part in around):
            message = f"<{name}>: write the condition inside the quotes of its style"
            raise TemplateFault(message, file=self._file)
        value = f'style="{_quoted(css)}"'
        if self._tokens.pattern.search(style[0]):
            own = style["a"] if style["a"] is not None else style["b"].replace('"', "&quot;")
            value = f'style="{_quoted(css)};{own}"'
        return f"<{name}{attributes[: style.start()]}{value}{attributes[style.end() :]}>"


def _quoted(css: str) -> str:
    css = css if "'" in css else css.replace('"', "'")
    return escape(css, quote=False).replace('"', "&quot;").rstrip("; ")


class _Styles(HTMLParser):
    """What the style parser made of each numbered element."""

    def __init__(self, mark: str, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self._mark = mark
        self._sheet: int | None = None
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
