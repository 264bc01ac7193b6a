"""From a published template and one customer's data to a subject, an HTML body and a text."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any

import jinja2
from babel import Locale, UnknownLocaleError

from mailer.core.message import Image, Rendered
from mailer.errors import RenderError
from mailer.render.environment import HTML as HTML_SANDBOX
from mailer.render.environment import TEXT as TEXT_SANDBOX
from mailer.render.environment import check_plain
from mailer.render.filters import SCENE, Scene
from mailer.render.guard import DEFAULT_SECONDS, guard
from mailer.render.pieces import origin
from mailer.render.text import clean, from_html, tidy
from mailer.render.variants import HTML, SUBJECT, TEXT, choose, reading_locale

#: The largest part a template may make, in characters.
OUTPUT_LIMIT = 2_000_000


class Template:
    """A published template (see `publish`). Each part is compiled once, when first asked for."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = parts
        self._compiled: dict[tuple[str, str], jinja2.Template] = {}
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
        seconds: float = DEFAULT_SECONDS,
    ) -> Rendered:
        """Fill every part in for one customer.

        `locale` is the customer's, empty if none is known; `zone` the one their instants are shown in.
        Amounts are in `context["tenant"]["currency"]` where a template names no other.

        Raises:
            RenderError: the data or the template is at fault, or takes too long; with file and line if known.
        """
        check_plain(context)
        tenant = context.get("tenant")
        currency = tenant.get("currency") if isinstance(tenant, dict) else None
        with guard(seconds):
            return self._render(context, (locale, tenant_locale), zone, currency)

    def _render(
        self, context: Mapping[str, Any], locales: tuple[str, str], zone: tzinfo, currency: str | None
    ) -> Rendered:
        used: set[str] = set()
        said: dict[str, str] = {}
        reading = ""
        for part in (SUBJECT, TEXT, HTML):
            chosen = choose(self._parts, part, *locales)
            if chosen is None:
                continue
            reading = reading_locale(chosen, self._parts["parts"][part], *locales)
            scene = Scene(babel_locale(reading), zone, currency, self._pictures if part == HTML else {}, used)
            said[part] = self._fill(part, chosen, {**context, SCENE: scene})
        subject = " ".join(word for word in said[SUBJECT].split(" ") if word)
        if not subject:
            raise RenderError("the subject is empty", file=self._parts["template"])
        html = clean(said[HTML]) if HTML in said else None
        text = tidy(said[TEXT]) if TEXT in said else from_html(html or "")
        return Rendered(subject, text, html, reading, {cid: self._images[cid] for cid in sorted(used)})

    def _fill(self, part: str, chosen: str, context: dict[str, Any]) -> str:
        entry: Mapping[str, Any] = self._parts["parts"][part][chosen]
        template = self._compiled.get((part, chosen))
        if template is None:
            sandbox = HTML_SANDBOX if part == HTML else TEXT_SANDBOX
            template = self._compiled[part, chosen] = sandbox.from_string(entry["source"])
        try:
            return _bounded(template.root_render_func(template.new_context(context)))
        except (RenderError, MemoryError, RecursionError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a template does wrong fails its own message only
            file, line = origin(entry["origins"], _line(error, template)) or (entry["file"], None)
            raise RenderError(_sentence(error), file=file, line=line) from None


def _bounded(chunks: Iterable[str]) -> str:
    out: list[str] = []
    size = 0
    for chunk in chunks:
        out.append(chunk)
        size += len(chunk)
        if size > OUTPUT_LIMIT:
            raise RenderError(f"a part of the message is longer than {OUTPUT_LIMIT:,} characters")
    return "".join(out)


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


@lru_cache(maxsize=256)
def babel_locale(name: str) -> Locale:
    """The locale data for a BCP 47 name, or for what is left of it without its last subtags; else English."""
    words = name.split("-")
    for length in range(len(words), 0, -1):
        try:
            return Locale.parse("_".join(words[:length]))
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")
