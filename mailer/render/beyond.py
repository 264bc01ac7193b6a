"""The faults of a template that lie behind its first: what failed is taken out, and the rest tried again.

What a published tag says stands on a line of its own (see `pieces`), so the tag that failed can be found. One
that prints is made to print nothing; where another kind fails, nothing is known of what stands behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from mailer.errors import RenderError
from mailer.render.pieces import origin
from mailer.render.renderer import Template

MOST = 20  # faults looked for with one customer
_KEPT = 200  # templates with something taken out: more are not made

_PRINTED = re.compile(r"\{\{.*?\}\}", re.DOTALL)

_Tag = tuple[str, str, int]  # part, locale, where it begins
_None: frozenset[_Tag] = frozenset()


class Trials:
    """Tries one template on customer after customer."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        self._parts = parts
        self._made: dict[frozenset[_Tag], Template] = {_None: Template(parts)}

    def faults(
        self, context: Mapping[str, Any], locale: str, tenant_locale: str, zone: ZoneInfo
    ) -> list[RenderError]:
        """What goes wrong for this customer, each fault once; that a part is empty or too long only by itself."""
        found: dict[tuple[str, int | None, str], RenderError] = {}
        out = _None
        for _ in range(MOST):
            try:
                self._template(out).render(context, locale, tenant_locale, zone)
            except RenderError as error:
                if out and error.line is None:
                    break
                found.setdefault((error.file, error.line, error.message), error)
                tag = self._tag(error, out)
                if tag is None or len(self._made) >= _KEPT:
                    break
                out |= {tag}
            else:
                break
        return list(found.values())

    def _tag(self, error: RenderError, out: frozenset[_Tag]) -> _Tag | None:
        """The first tag that prints at the place of a fault, and is not taken out yet."""
        for name, variants in self._parts["parts"].items():
            for locale, entry in variants.items():
                for tag in _PRINTED.finditer(entry["source"]):
                    line = entry["source"].count("\n", 0, tag.end()) + 1
                    place = origin(entry["origins"], line) or (entry["file"], None)
                    if place == (error.file, error.line) and (name, locale, tag.start()) not in out:
                        return name, locale, tag.start()
        return None

    def _template(self, out: frozenset[_Tag]) -> Template:
        if out not in self._made:
            parts = {
                name: {
                    locale: {
                        **entry,
                        "source": _PRINTED.sub(
                            lambda tag, at=(name, locale): (  # type: ignore[misc]  # a lambda has no types
                                '{{ ""' + "\n" * tag[0].count("\n") + "}}"
                                if (*at, tag.start()) in out
                                else tag[0]
                            ),
                            entry["source"],
                        ),
                    }
                    for locale, entry in variants.items()
                }
                for name, variants in self._parts["parts"].items()
            }
            self._made[out] = Template({**self._parts, "parts": parts})
        return self._made[out]
