"""From a published template and one customer's data to a subject, an HTML body and a text."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, NamedTuple

import jinja2

from mailer.core.message import Image, Rendered
from mailer.errors import RenderError
from mailer.render.environment import DERIVED
from mailer.render.environment import HTML as HTML_SANDBOX
from mailer.render.environment import TEXT as TEXT_SANDBOX
from mailer.render.filters import SCENE, Scene
from mailer.render.gathering import check_length
from mailer.render.guard import DEFAULT_SECONDS, guard
from mailer.render.letters import Letters, letters
from mailer.render.pieces import origin
from mailer.render.plain import check_plain
from mailer.render.text import clean, from_html, tidy
from mailer.render.variants import HTML, SUBJECT, TEXT, choose, reading_locale

_READERS_LIMIT = 1_000
_NO_IMAGES: Mapping[str, Image] = {}


class _Part(NamedTuple):
    """A variant of a part, compiled."""

    name: str
    entry: Mapping[str, Any]
    template: jinja2.Template
    letters: Letters


class _Reader(NamedTuple):
    """What customers of one locale are given: the variants, each with the locale it is written in."""

    parts: tuple[tuple[_Part, str], ...]  # the body that is shown last
    locale: str


class Template:
    """A published template (see `publish`). Each part is compiled once, when first asked for."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = parts
        self._compiled: dict[tuple[str, str], _Part] = {}
        self._readers: dict[tuple[str, str], _Reader] = {}
        self._pictures = {name: str(image["cid"]) for name, image in parts["images"].items()}
        self._images = {
            str(image["cid"]): Image(name, image["type"], base64.b64decode(image["data"]))
            for name, image in parts["images"].items()
        }

    def render(
        self,
        context: Mapping[str, Any],
        locale: str,
        tenant_locale: str,
        zone: tzinfo,
        *,
        track: Callable[[str], str] | None = None,
        seconds: float = DEFAULT_SECONDS,
        even: bool = False,
    ) -> Rendered:
        """Fill every part in for one customer.

        `even` says that the context is plain data without ODD letters, as is known of what the database gave.
        `track` is what the address of each link goes through.
        `locale` is the customer's, empty if none is known; `zone` the one their instants are shown in.
        Amounts are in `context["tenant"]["currency"]` where a template names no other.

        Raises:
            RenderError: the data or the template is at fault, or takes too long; with file and line if known.
        """
        even = even or check_plain(context)
        tenant = context.get("tenant")
        currency = tenant.get("currency") if isinstance(tenant, dict) else None
        with guard(seconds):
            reader = self._readers.get((locale, tenant_locale)) or self._reader(locale, tenant_locale)
            return self._render(context, reader, Scene("", zone, currency, track=track), even=even)

    def ready(self, tenant_locale: str, *, seconds: float = DEFAULT_SECONDS) -> None:
        """Compile what customers without a locale are given, and with it what most are.

        Raises:
            RenderError: it cannot be compiled, or not in time.
        """
        with guard(seconds):
            self._reader("", tenant_locale)

    def _render(self, context: Mapping[str, Any], reader: _Reader, scene: Scene, *, even: bool) -> Rendered:
        said: dict[str, str] = {}
        exact = False
        given = {**TEXT_SANDBOX.globals, **context, SCENE: scene}
        for part, written_in in reader.parts:
            scene.locale, scene.pictures = written_in, self._pictures if part.name == HTML else {}
            text = _fill(part, given)
            if part.name != SUBJECT and not (even and part.letters.even):
                text = clean(text)
            said[part.name] = text
            exact = even and part.letters.exact
        subject = said[SUBJECT]
        if "  " in subject or subject[:1] in ("", " ") or subject[-1] == " ":
            subject = " ".join(word for word in subject.split(" ") if word)
        if not subject:
            said_in = next(part for part, _ in reader.parts if part.name == SUBJECT)
            raise RenderError("the subject is empty", file=said_in.entry["file"])
        html = said.get(HTML)
        text = tidy(said[TEXT]) if TEXT in said else from_html(html or "")
        images = {cid: self._images[cid] for cid in sorted(scene.used)} if scene.used else _NO_IMAGES
        return Rendered(subject, text, html, reader.locale, images, exact)

    def _reader(self, locale: str, tenant_locale: str) -> _Reader:
        found: list[tuple[_Part, str]] = []
        reading = ""
        for name in (SUBJECT, TEXT, HTML):
            chosen = choose(self._parts, name, locale, tenant_locale)
            if chosen is not None:
                reading = reading_locale(chosen, self._parts["parts"][name], locale, tenant_locale)
                found.append((self._part(name, chosen), reading))
        if len(self._readers) >= _READERS_LIMIT:  # locales come from customer files, so from anybody
            self._readers.clear()
        reader = self._readers[locale, tenant_locale] = _Reader(tuple(found), reading)
        return reader

    def _part(self, name: str, chosen: str) -> _Part:
        part = self._compiled.get((name, chosen))
        if part is None:
            entry: Mapping[str, Any] = self._parts["parts"][name][chosen]
            sandbox = HTML_SANDBOX if name == HTML else DERIVED if entry.get("derived") else TEXT_SANDBOX
            try:
                known = letters(entry["source"], markup=name == HTML)
                template = sandbox.ready(entry["source"], references=known.exact)
            except jinja2.TemplateSyntaxError as error:  # published by a version that understood it
                file, line = origin(entry["origins"], error.lineno) or (entry["file"], None)
                raise RenderError(_sentence(error), file=file, line=line) from None
            part = self._compiled[name, chosen] = _Part(name, entry, template, known)
        return part


def _fill(part: _Part, given: dict[str, Any]) -> str:
    template = part.template
    # What `new_context` does, less the copies: nothing a template can do changes what it is given.
    context = template.environment.context_class(template.environment, given, template.name, template.blocks)
    try:
        text = "".join(template.root_render_func(context))
        check_length(len(text))
    except (MemoryError, RecursionError):
        raise
    except RenderError as error:
        if not error.file:
            error.file, error.line = _place(error, part)
        raise
    except Exception as error:  # noqa: BLE001 - whatever a template does wrong fails its own message only
        file, line = _place(error, part)
        raise RenderError(_sentence(error), file=file, line=line) from None
    return text


def _place(error: BaseException, part: _Part) -> tuple[str, int | None]:
    """The file and, if known, the line of it an error came from."""
    return origin(part.entry["origins"], _line(error, part.template)) or (part.entry["file"], None)


def _line(error: BaseException, template: jinja2.Template) -> int | None:
    """The line of the flat source an error came from."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _sentence(error: Exception) -> str:
    text = str(error)[:300]
    return text if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {text}"
