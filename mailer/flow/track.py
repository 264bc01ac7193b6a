"""What comes back from the world about a mail. So far: somebody wants no more of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from mailer.core.token import BadToken, Keyring, verify
from mailer.flow.compose import PREFERENCES, UNSUBSCRIBE
from mailer.flow.mark import MARK_SECONDS

__all__ = ["PREFERENCES", "UNSUBSCRIBE", "BadToken", "Fate", "How", "Recipient", "Tracking"]

_LOOK_SECONDS = 0.05  # between two looks for mails that are about to leave


class How(StrEnum):
    """By what somebody unsubscribed; kept as proof."""

    ONE_CLICK = "one-click"  # their mail program, for them (RFC 8058)
    PAGE = "page"  # the button of the unsubscribe page
    PREFERENCES = "preferences"  # the button of the preferences page


class Fate(StrEnum):
    """What became of an unsubscribe."""

    DONE = "done"
    ALREADY = "already"
    BARRED = "barred"  # of a confirmation: nothing goes to that address all the same
    TEST = "test"  # the link of a preview or a test mail, which stands for nobody


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a mail went to, as its links say."""

    delivery_id: int  # 0: nobody planned this mail
    customer_key: int
    email: str  # the address it went to, whatever the customer's is now


class ConsentPort(Protocol):
    """Where the word is kept."""

    async def revoke(
        self, customer_key: int, email: str, *, delivery_id: int, how: str, now: datetime
    ) -> bool:
        """Durable when it returns; False when nothing had to be changed."""

    async def starting(self, email: str) -> bool:
        """Whether a commercial mail to this address is marked to leave."""


class Tracking:
    """Reads the links of mails, and does what those who follow them ask for."""

    def __init__(self, keys: Keyring, consent: ConsentPort, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._consent = consent
        self._clock = clock

    def recipient(self, purpose: str, token: str) -> Recipient:
        """Whom a link was made for. Asks nobody and changes nothing.

        Raises:
            BadToken: it is not one of ours, or for another purpose.
        """
        match verify(self._keys, purpose, token):
            case [int(delivery_id), int(customer_key), str(email)]:
                return Recipient(delivery_id, customer_key, email)
        raise BadToken("this link says something we do not understand")

    async def unsubscribe(self, recipient: Recipient, how: How) -> Fate:
        """Stop commercial mail to a recipient; the same however often it is asked.

        Not one starts after this returned: a mail that was marked to leave already has begun by then, or never
        will, since a mark is good for `MARK_SECONDS` only.

        Raises:
            StoreError: it could not be made durable; nothing may be promised.
        """
        if recipient.delivery_id == 0:
            return Fate.TEST
        changed = await self._consent.revoke(
            recipient.customer_key,
            recipient.email,
            delivery_id=recipient.delivery_id,
            how=how,
            now=self._clock(),
        )
        waited = 0.0
        while waited <= MARK_SECONDS and await self._consent.starting(recipient.email):
            await asyncio.sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS
        return Fate.DONE if changed else Fate.ALREADY
