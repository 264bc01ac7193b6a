"""Which text is an address we may write to (RFC 5321, RFC 6531), decided by its form alone."""

from __future__ import annotations

import re
from functools import lru_cache

import email_validator

# A shop on its own network writes to `.local`, a rehearsal to `.test`: whether such a name can be reached is
# the relay's to say, not ours.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

#: Local parts beyond question (a part of RFC 5321's Dot-string); all others are the library's to judge.
_PLAIN = re.compile(r"(?=.{1,64}@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@([A-Za-z0-9.-]{1,150})")


def read_address(text: str) -> str:
    """The address in `text`: an ASCII one as it was given, any other in its normal form (RFC 6532 §3.1).

    Raises:
        ValueError: with one sentence saying why it is no address.
    """
    plain = _PLAIN.fullmatch(text)
    if plain is not None and _known_domain(plain[1]):
        return text
    try:
        found = email_validator.validate_email(text, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError as error:
        sentence = str(error).splitlines()[0]
        raise ValueError(sentence if sentence.endswith(".") else f"{sentence}.") from None
    return text if text.isascii() else found.normalized


@lru_cache(maxsize=10_000)
def _known_domain(domain: str) -> bool:
    # A shop's customers share few domains, and judging one takes most of the time of an import.
    try:
        email_validator.validate_email(f"a@{domain}", check_deliverability=False)
    except email_validator.EmailNotValidError:
        return False
    return True
