"""Answers on paper: pages from their templates, with the fields every answer of ours carries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response

STYLE = resources.files("mailer.web").joinpath("static/mailer.css").read_bytes()
STYLE_PATH = (
    f"/static/mailer.{hashlib.sha256(STYLE).hexdigest()[:12]}.css"  # changes with it, so it may be kept
)

#: For every answer: nothing is guessed, nothing is told to other sites, nothing is found by search engines.
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}

_PAGE = {
    **ALWAYS,
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


_pages = Environment(
    loader=PackageLoader("mailer.web", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.globals.update(style=STYLE_PATH)


def page(
    name: str, context: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[str]:
    """A page of ours."""
    return Response(
        _pages.get_template(name).render(context),
        status_code=status,
        media_type=MediaType.HTML,
        headers={**_PAGE, **(headers or {})},
    )


def plain(text: str, status: int = 200) -> Response[str]:
    """A word for a program."""
    return Response(
        text,
        status_code=status,
        media_type=MediaType.TEXT,
        headers={**ALWAYS, "Cache-Control": "no-store"},
    )
