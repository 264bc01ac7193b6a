"""What a provider's request must have to be believed, and the two ways it can fail."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from mailer.errors import MailerError
from mailer.inbound.parts import line

#: Providers try again for hours when we are away. What is older is a recording; within the window each event counts
#: once, by its id.
WINDOW = timedelta(hours=24)
AHEAD = timedelta(minutes=10)  # their clocks
_MOST_DIGITS = 14
_MILLISECONDS = 10_000_000_000


class Forged(MailerError):
    """Not from the provider, or a recording."""


class Malformed(MailerError):
    """From the provider, and not what we know how to read."""


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing."""
    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )


def fresh(at: datetime, now: datetime) -> None:
    """Refuse what is too old or from the future.

    Raises:
        Forged: it is.
    """
    if not now - WINDOW <= at <= now + AHEAD:
        raise Forged("it is too old, or dated ahead")


def instant(seconds: str) -> datetime:
    """Seconds (or milliseconds) since the epoch.

    Raises:
        Forged: it is no number.
    """
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > _MOST_DIGITS:
        raise Forged("it has no time")
    number = int(seconds)
    return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS else number, UTC)


def decoded(text: str) -> bytes:
    """Base64.

    Raises:
        Forged: it is none.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Forged("its signature cannot be read") from None


def document(body: bytes) -> Any:
    """JSON.

    Raises:
        Malformed: it is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("it is no JSON") from None


def mapping(value: Any) -> dict[str, Any]:
    """An object; of anything else, an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def words(value: Any, most: int = 500) -> str:
    """A text in one line; of anything else, its number or nothing.

    Strangers wrote some of it: what their server says of a mail is signed with the rest. So no control of a terminal is
    left in it, no NUL and no half of a letter, which databases refuse, and with them all other events of a request.
    """
    said = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return line(said[: most * 2])[:most]
