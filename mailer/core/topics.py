"""What customers may choose, as the settings say it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from mailer.core.campaign import NAME

Titles = str | dict[str, str]  # of what customers may choose: one, or one for each language


def _topics(topics: dict[str, Titles]) -> dict[str, Titles]:
    for name, titles in topics.items():
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a topic; use a–z, 0–9, '_' and '-'")
        if not titles or not all([titles] if isinstance(titles, str) else titles.values()):
            raise ValueError(f"{name} has no title; write it as {name}: News, or {name}: {{en: News}}")
    return topics


Topics = Annotated[dict[str, Titles], AfterValidator(_topics)]
