"""Publishing a template: its files become one plain value that a run keeps and a sender renders from.

    {"format": 1, "template": "birthday",
     "parts": {"subject": {"": PART, "tr": PART}, "html": {…}, "text": {…}},
     "images": {"logo.png": {"type": "image/png", "cid": "…", "data": "<base64>"}}}

where PART is `{"file", "source", "origins"}`: a flat Jinja source and its way back to the files (`pieces`). A text
made of the HTML says so: `"derived": true`; a page with links to offers says where: `"offers": [[file, line, word]]`.
Everything that can be refused without data is refused here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from jinja2 import TemplateSyntaxError, nodes

from mailer.errors import TemplateFault
from mailer.render import html as markup
from mailer.render import tracked
from mailer.render.derive import derived
from mailer.render.environment import HTML as HTML_SANDBOX
from mailer.render.environment import TEXT as TEXT_SANDBOX
from mailer.render.environment import Sandbox
from mailer.render.flatten import LAYOUT, Flattener, TemplateSource
from mailer.render.lines import broken
from mailer.render.lint import offers
from mailer.render.pieces import Origins, Piece, origin, write
from mailer.render.scan import place
from mailer.render.styles import inline_css
from mailer.render.variants import HTML, SUBJECT, TEXT, PartFile, canonical, part_file

__all__ = ["TemplateSource", "publish"]

FORMAT = 1
_PICTURE_TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif"}
_PICTURE_LIMIT = 1_000_000
_BLANKS = re.compile(r"[ \t\r\n]+")


def publish(template: str, read: TemplateSource, public_url: str, tenant_locale: str = "") -> dict[str, Any]:
    """Read, check and flatten a template. `public_url` is where its pictures are served from.

    A shop that writes one version writes it in its own language: a plain part takes the layout of
    `tenant_locale`, unless that language has a variant of the part.

    Raises:
        TemplateFault: a part is missing, cannot be read or is unsafe; with file and line where there is one, and with
            the others found beside it.
    """
    names = {folder: read.names(folder) for folder in (template, LAYOUT)}
    files = _files(template, sorted(names[template]))
    published: dict[str, Any] = {"format": FORMAT, "template": template, "parts": {}, "images": {}}
    pages: dict[str, tuple[str, list[Piece]]] = {}
    faults: list[TemplateFault] = []
    for file in files:
        path = f"{template}/{file.name}"
        layout = file.locale or _own_language(file.part, files, tenant_locale)
        sandbox = HTML_SANDBOX if file.part == HTML else TEXT_SANDBOX
        try:
            pieces = Flattener(template, layout, read, sandbox).flatten(path)
            promoted = offers(pieces) if file.part == HTML else []
            if file.part == HTML:
                pieces = markup.address_pictures(pieces, template, names, public_url)
                pages[file.locale] = path, _page(pieces, file, path)
                pieces = list(broken([*tracked.in_page(pages[file.locale][1])]))
            elif file.part == TEXT:
                pieces = [*tracked.in_text(pieces)]
            elif file.part == SUBJECT:
                pieces = [_one_line(piece) for piece in pieces]
            source, origins = write(pieces)
            for name in _check(source, origins, path, sandbox, faults):
                published["images"][name] = _picture(name, template, read, path)
        except TemplateFault as fault:
            faults.append(fault)
            continue
        part = {"file": path, "source": source, "origins": origins} | (
            {"offers": promoted} if promoted else {}
        )
        published["parts"].setdefault(file.part, {})[file.locale] = part
    if faults:
        raise replace(faults[0], others=tuple(faults[1:]))
    if TEXT not in published["parts"]:
        published["parts"] |= _texts(pages)
    return published


def _page(pieces: list[Piece], file: PartFile, path: str) -> list[Piece]:
    if file.suffix == "mjml":
        pieces = markup.compile_mjml(pieces, path)
    return inline_css(place(pieces), path, marked_only=file.suffix == "mjml")


def _texts(pages: Mapping[str, tuple[str, list[Piece]]]) -> dict[str, dict[str, Any]]:
    """The texts of a template that was given none: for every page, or for none of them."""
    texts: dict[str, Any] = {}
    for locale, (path, page) in pages.items():
        pieces = derived(page, path)
        if pieces is None:
            return {}
        source, origins = write(tracked.in_text(pieces))
        texts[locale] = {"file": path, "source": source, "origins": origins, "derived": True}
    return {TEXT: texts}


def _files(template: str, names: list[str]) -> list[PartFile]:
    files = [file for file in map(part_file, names) if file is not None]
    if not names:
        raise TemplateFault("there is no such template folder, or it is empty", file=template)
    seen: dict[tuple[str, str], str] = {}
    for file in files:
        other = seen.setdefault((file.part, file.locale), file.name)
        if other != file.name:
            raise TemplateFault(f"{other} is the same part; keep one of them", file=f"{template}/{file.name}")
    parts = {file.part for file in files}
    if SUBJECT not in parts:
        raise TemplateFault("there is no subject.txt", file=template)
    if not parts & {HTML, TEXT}:
        raise TemplateFault("there is no body: add body.html, body.mjml or body.txt", file=template)
    return files


def _own_language(part: str, files: list[PartFile], tenant_locale: str) -> str:
    """The tenant's locale, where a plain part is the only one that can be in its language; else none."""
    language = canonical(tenant_locale).split("-")[0]
    others = {file.locale.split("-")[0] for file in files if file.part == part and file.locale}
    return "" if language in others else canonical(tenant_locale)


def _one_line(piece: Piece) -> Piece:
    return replace(piece, text=_BLANKS.sub(" ", piece.text)) if piece.kind == "text" else piece


def _check(
    source: str, origins: Origins, path: str, sandbox: Sandbox, faults: list[TemplateFault]
) -> Iterator[str]:
    """Note what the grammar allows and we do not; yields the names of pictures to take along."""

    def fault(message: str, line: int | None) -> None:
        file, number = origin(origins, line) or (path, 1)
        faults.append(TemplateFault(message, file=file, line=number))

    try:
        tree = sandbox.parse(source, path)
    except TemplateSyntaxError as error:
        fault(error.message or "this is not a template", error.lineno)
        return
    sound = len(faults)
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        known = sandbox.filters if isinstance(node, nodes.Filter) else sandbox.tests
        if node.name not in known:
            kind = "filter" if isinstance(node, nodes.Filter) else "test"
            fault(f"there is no {kind} named {node.name!r}", node.lineno)
        elif node.name == "safe" and not isinstance(node.node, nodes.Const):
            fault("'safe' would let data write HTML; leave it out", node.lineno)
        elif node.name == "inline":
            if isinstance(node.node, nodes.Const) and isinstance(node.node.value, str):
                yield node.node.value
            else:
                fault("'inline' needs the picture's name in quotes", node.lineno)
    if len(faults) > sound:
        return
    try:
        sandbox.compile(source, path)
    except TemplateSyntaxError as error:
        fault(error.message or "this is not a template", error.lineno)


def _picture(name: str, template: str, read: TemplateSource, path: str) -> dict[str, str]:
    kind = _PICTURE_TYPES.get(name.rpartition(".")[2].lower())
    if kind is None:
        raise TemplateFault(f"{name}: only PNG, JPEG and GIF pictures can travel inside a message", file=path)
    folder = next((each for each in (template, LAYOUT) if f"images/{name}" in read.names(each)), None)
    if folder is None:
        raise TemplateFault(f"there is no picture images/{name} in {template}/ or {LAYOUT}/", file=path)
    data = read.data(f"{folder}/images/{name}")
    if len(data) > _PICTURE_LIMIT:
        raise TemplateFault("a picture inside a message has at most 1 MB", file=f"{folder}/images/{name}")
    digest = hashlib.sha256(data).hexdigest()[:24]
    return {"type": kind, "cid": f"{digest}@images.mailer", "data": base64.b64encode(data).decode()}
