"""The links and the picture by which we learn what became of a mail, as they stand in it. Pure.

An address is signed into its link, so whoever follows it needs no database, and nobody can make our redirect lead
where no mail of ours does. What is not plainly an address on the web is left as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mailer.core.cell import NO, YES
from mailer.core.token import BadToken, Keyring, Stem, sign, verify

CLICK, OPEN = "click", "open"

#: The customers' attribute, and the scope of a suppression by which they refuse; the latter decides.
ATTRIBUTE = SCOPE = "tracking"


class Counting(StrEnum):
    """What a customer agreed to have counted."""

    YES = "yes"  # clicks and openings
    CLICKS = "clicks"  # clicks alone: nothing was said to them of openings
    NO = "no"


_WORDS = {
    **dict.fromkeys(YES, Counting.YES),
    **dict.fromkeys(NO, Counting.NO),
    Counting.CLICKS.value: Counting.CLICKS,
}

MOST_URL = 2_000  # letters; a longer address is left alone
_KEPT = (
    2_048  # addresses whose stems are kept; the links of a campaign are few, those that data makes are many
)
# No user name before the host, no backslash, no control, blank or quote anywhere: browsers read those as they like.
_ADDRESS = re.compile(
    r"https?://[A-Za-z0-9._-]+(?::\d{1,5})?(?:[/?#][!#-;=?-\[\]-_a-z~{|}]*)?", re.IGNORECASE
)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)

Track = Callable[[str], str]  # an address as it was written → as it stands in the mail


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is learned of a mail."""

    clicks: bool = False
    opens: bool = False
    utm: bool = False
    opt_in: bool = False  # clicks, too, only of customers who agreed


class LinkMaker:
    """Makes the tracked links of mails."""

    def __init__(self, keys: Keyring, public_url: str, wanted: Wanted) -> None:
        self._keys = keys
        self._base = public_url
        self._own = f"{public_url}/"
        self._click = f"{public_url}/c/"
        self._wanted = wanted
        self._stems: dict[tuple[str, str], Stem | None] = {}

    def track(self, delivery_id: int, campaign: str, agreed: Counting | None) -> Track | None:
        """What makes the links of one mail; None: they stay as they are.

        Args:
            delivery_id: 0: nobody planned it; its links work and nothing is noted.
            campaign: its name.
            agreed: what the customer agreed to; None: nobody knows.
        """
        wanted = self._wanted
        counted = wanted.clicks and agreed is not Counting.NO and (agreed is not None or not wanted.opt_in)
        if not counted and not wanted.utm:
            return None
        stems, click, tag = self._stems, self._click, self._tag

        def track(url: str) -> str:
            key = (campaign, url)
            stem = stems[key] if key in stems else self._stem(key)
            if stem is None:
                return url
            return click + stem.token(delivery_id) if counted else tag(url, campaign)

        return track

    def picture(self, delivery_id: int, agreed: Counting | None) -> str | None:
        """The address of the picture that tells of an opening; None: there is none in this mail."""
        if not self._wanted.opens or agreed is not Counting.YES or not delivery_id:
            return None
        return f"{self._base}/o/{sign(self._keys, OPEN, [delivery_id])}"

    def _stem(self, key: tuple[str, str]) -> Stem | None:
        campaign, url = key
        stem = None
        if followable(url) and not url.startswith(self._own):
            stem = Stem(self._keys, CLICK, self._tag(url, campaign))
        if len(self._stems) >= _KEPT:
            self._stems.clear()
        self._stems[key] = stem
        return stem

    def _tag(self, url: str, campaign: str) -> str:
        """The address in letters that travel, with UTM parameters where those are wanted and there are none."""
        url = spelled(url)
        if not self._wanted.utm or "utm_" in url:
            return url
        page, mark, place = url.partition("#")
        joint = "&" if "?" in page else "?"
        return f"{page}{joint}utm_source=mailer&utm_medium=email&utm_campaign={campaign}{mark}{place}"


def agrees(attributes: Mapping[str, Any]) -> Counting | None:
    """What a customer agreed to have counted, as their attribute says; None: it says nothing."""
    said = attributes.get(ATTRIBUTE)
    return _WORDS.get(str(said).strip().casefold()) if isinstance(said, str | bool | int) else None


def followable(url: str) -> bool:
    """Whether it is plainly an address on the web."""
    return len(url) <= MOST_URL and _ADDRESS.fullmatch(spelled(url)) is not None


def spelled(url: str) -> str:
    """An address with every letter that is not ASCII percent-encoded (RFC 3987 §3.1), its host's excepted."""
    if url.isascii():
        return url
    return "".join(
        letter
        if letter.isascii()
        else "".join(f"%{octet:02X}" for octet in letter.encode("utf-8", "replace"))
        for letter in url
    )


def clicked(keys: Keyring, token: str) -> tuple[str, int]:
    """Where a link leads, and of which delivery it is.

    Raises:
        BadToken: it is not one of ours.
    """
    match verify(keys, CLICK, token):
        case [str(url), int(delivery_id)] if followable(url):
            return url, delivery_id
    raise BadToken("this link says something we do not understand")


def opened(keys: Keyring, token: str) -> int:
    """Of which delivery a picture is.

    Raises:
        BadToken: it is not one of ours.
    """
    match verify(keys, OPEN, token):
        case [int(delivery_id)]:
            return delivery_id
    raise BadToken("this picture is not one of ours")


def with_picture(html: str, url: str) -> str:
    """A page with the picture at its end, where it shifts nothing."""
    picture = f'<img src="{url}" width="1" height="1" alt="" style="display:block;border:0">'
    ends = list(_BODY_END.finditer(html))
    place = ends[-1].start() if ends else len(html)
    return html[:place] + picture + html[place:]
