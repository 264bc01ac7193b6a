"""Whoever reads the private pages: in which language, and what a page of theirs is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Response
from markupsafe import Markup

from mailer.app import App
from mailer.core.cell import MOST_ID, CellFault, line_of
from mailer.core.explain import because
from mailer.web import paper
from mailer.web.desk.words import WORDS
from mailer.web.desk.writing import Writing, marked
from mailer.web.public import Asked
from mailer.web.words import LANGUAGES

#: The cookie that keeps a language somebody chose, and the parameter they choose it by.
COOKIE, CHOICE = "mailer_language", "language"

_A_YEAR = 365 * 24 * 3600
_KEPT = f"; Path=/; Max-Age={_A_YEAR}; SameSite=Lax; HttpOnly"
_DIGITS = 15  # of a number of ours; one with more is nobody's


def language_of(request: Asked, mailer: App) -> str:
    """What they choose now, else what they chose before, else the tenant's language: Turkish or English."""
    for said in (request.query_params.get(CHOICE), request.cookies.get(COOKIE)):
        if said in LANGUAGES:
            return str(said)
    tenant = mailer.settings.tenant.locale.lower().replace("_", "-").partition("-")[0]
    return tenant if tenant in LANGUAGES else "en"


def number_of(text: str) -> int | None:
    """A number of ours as an address has it; None: it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def id_of(text: str) -> str | None:
    """A customer's id or address as somebody gave it; None: nobody's is so."""
    if "\ufffd" in text:  # in place of bytes that are no letters
        return None
    try:
        return line_of(text, MOST_ID)
    except CellFault:
        return None


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes pages for one request."""

    mailer: App
    language: str
    other: str  # where the same page is in the other language
    chose: bool
    writing: Writing

    @classmethod
    def of(cls, request: Asked, mailer: App) -> Reader:
        """Whoever asks."""
        language = language_of(request, mailer)
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != CHOICE]
        other = next(each for each in LANGUAGES if each != language)
        return cls(
            mailer,
            language,
            "?" + urlencode([*kept, (CHOICE, other)]),
            request.query_params.get(CHOICE) == language,
            Writing(language, mailer.rules.zone),
        )

    def say(self, key: str, **values: object) -> Markup:
        """A sentence. Of one with a `|`, what stands after it is for any number `n` but one."""
        one, bar, more = WORDS[self.language][key].partition("|")
        template = more if bar and values.get("n") != 1 else one
        return marked(template, {name: self.writing.value(value) for name, value in values.items()})

    def word(self, kind: str, word: str) -> str:
        """A word of the command line as people say it; one nobody knows as it is."""
        return WORDS[self.language].get(f"{kind}_{word}", word.replace("_", " "))

    def reason(self, reason: str) -> str:
        """Why somebody got no mail."""
        return because(reason, self.language)

    def page(self, name: str, context: Mapping[str, Any], status: int = 200) -> Response[str]:
        """A page of the desk."""
        writing = self.writing
        headers = {"Content-Language": self.language}
        if self.chose:
            headers["Set-Cookie"] = f"{COOKIE}={self.language}{_KEPT}"
        known = {
            "language": self.language, "tenant": self.mailer.settings.tenant.name, "say": self.say, "word": self.word,
            "number": writing.number, "time": writing.time, "day": writing.day, "yearly": writing.yearly,
            "share": writing.share, "money": writing.money, "size": writing.size, "tongue": writing.tongue,
            "lasting": writing.lasting, "points": writing.points, "reason_said": self.reason,
            "zone": self.mailer.settings.tenant.timezone,
            "other": self.other, "other_language": next(each for each in LANGUAGES if each != self.language),
        }  # fmt: skip
        return paper.page(f"desk/{name}.html", {**known, **context}, status=status, headers=headers)

    def nothing(self, what: str) -> Response[str]:
        """There is none; `what` names it among the words."""
        return self.page("nothing", {"what": what}, status=404)
