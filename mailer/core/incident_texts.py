"""The words of an incident in several languages: a plain text, and others in its place for who reads them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mailer.errors import UsageError

#: Language (BCP 47, small letters) → text; a tuple, so that an update can be compared and kept.
Texts = tuple[tuple[str, str], ...]

_TONGUE = r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*"
_TAGGED = re.compile(rf"({_TONGUE})=(.*)", re.DOTALL)


def read_texts(said: Iterable[str], option: str) -> tuple[str | None, Texts]:
    """`Text` is the plain one and `en=Text` the one for English; None: nobody gave a plain one.

    An empty one for a language takes it away.

    Raises:
        UsageError: two plain ones, or two of one language.
    """
    plain: str | None = None
    found: dict[str, str] = {}
    for text in said:
        tagged = _TAGGED.fullmatch(text)
        if tagged is None:
            if plain is not None:
                raise UsageError(f"Say {option} once without a language; for another one write {option} en=…")
            plain = text
        elif (tongue := _folded(tagged[1])) in found:
            raise UsageError(f"{option} {tagged[1]}=… is there twice; keep one of them")
        else:
            found[tongue] = tagged[2].strip()
    return plain, tuple(sorted(found.items()))


def texts_of(given: Mapping[str, str]) -> Texts:
    """Texts by language, as a program gives them.

    Raises:
        UsageError: one for what is no language, or two of one language.
    """
    found: dict[str, str] = {}
    for tongue, text in given.items():
        if not re.fullmatch(_TONGUE, tongue):
            raise UsageError(f"{tongue!r:.60} is no language; write en, or de-AT.")
        if _folded(tongue) in found:
            raise UsageError(f"{tongue} is there twice; keep one of them.")
        found[_folded(tongue)] = text.strip()
    return tuple(sorted(found.items()))


def merged(standing: Texts, plain: str | None, given: Texts) -> Texts:
    """What stands after a change: a new plain text puts an end to what was said in other languages."""
    texts = {**(dict(standing) if plain is None else {}), **dict(given)}
    return tuple(sorted((tongue, text) for tongue, text in texts.items() if text))


def in_tongue(plain: str, texts: Mapping[str, str], locale: str) -> str:
    """What somebody with this locale reads: theirs, else their language's, else the plain text."""
    wanted = _folded(locale)
    return texts.get(wanted) or texts.get(wanted.partition("-")[0]) or plain


def _folded(tongue: str) -> str:
    return tongue.replace("_", "-").lower()
