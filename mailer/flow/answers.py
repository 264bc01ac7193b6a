"""What people say by the pages their mails lead to: a confirmation, an answer, a choice. None is taken from a look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

from mailer.core.consent import CONFIRMED, Choices
from mailer.core.event_row import ANSWERED
from mailer.core.links import Counting
from mailer.core.token import BadToken, Keyring, verify
from mailer.flow.compose import CONFIRM, SURVEY
from mailer.flow.track import Fate, Recipient

__all__ = ["Answers", "Choices", "Expired"]


class Expired(BadToken):
    """A link of ours that was good once."""


class AnswersPort(Protocol):
    """Where they are kept; durable when it returns."""

    async def note(
        self, to: tuple[int, str], name: str, event_id: str, properties: Mapping[str, Any], now: datetime
    ) -> bool | None: ...
    async def choices(self, customer_key: int, email: str) -> Choices: ...
    async def choose(
        self,
        to: tuple[int, str],
        topics: Mapping[str, bool],
        counted: Counting | None,
        proof: Mapping[str, Any],
        now: datetime,
    ) -> bool: ...


class Answers:
    """Reads the links to these pages, and writes down what their buttons say."""

    def __init__(self, keys: Keyring, book: AnswersPort, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._book = book
        self._clock = clock

    def confirming(self, token: str) -> Recipient:
        """Whose consent a link confirms. Asks nobody and changes nothing.

        Raises:
            Expired: it is too old.
            BadToken: it is not one of ours.
        """
        match verify(self._keys, CONFIRM, token):
            case [int(delivery_id), int(customer_key), str(email), int(last)]:
                if self._clock().timestamp() > last:
                    raise Expired("this link is too old")
                return Recipient(delivery_id, customer_key, email)
        raise BadToken("this link says something we do not understand")

    def surveyed(self, token: str) -> Recipient:
        """Whom a survey asks. Asks nobody and changes nothing.

        Raises:
            BadToken: it is not one of ours.
        """
        match verify(self._keys, SURVEY, token):
            case [int(delivery_id), int(customer_key), str(email)]:
                return Recipient(delivery_id, customer_key, email)
        raise BadToken("this link says something we do not understand")

    async def confirm(self, by: Recipient) -> Fate | None:
        """Write down that they want our mail; once for each mail that asked. None: they are no customer any more.

        A second press after they left is no new word: it may be a page that was loaded again.

        Raises:
            StoreError: it could not be made durable; nothing may be promised.
        """
        fate = await self._note(by, CONFIRMED, "confirm", {"source": "confirmation link"})
        if fate in (Fate.DONE, Fate.ALREADY) and (await self.choices(by)).unsubscribed:
            return Fate.BARRED
        return fate

    async def answer(self, by: Recipient, score: int) -> Fate | None:
        """Write down a score; the first one of a mail stands. None: they are no customer any more.

        Raises:
            StoreError: as above.
        """
        return await self._note(by, ANSWERED, "survey", {"score": score})

    async def choices(self, of: Recipient) -> Choices:
        """What the address gets now.

        Raises:
            StoreError: the database is away.
        """
        return await self._book.choices(of.customer_key, of.email)

    async def choose(
        self, by: Recipient, topics: Collection[str], wanted: Collection[str], counted: Counting | None
    ) -> Fate:
        """Let an address have mail of the `wanted` among `topics`, and be counted as they say (None: as it was).

        Raises:
            StoreError: as above.
        """
        if by.delivery_id == 0:
            return Fate.TEST
        said = {topic: topic in wanted for topic in topics}
        proof = {"how": "preferences", "delivery": by.delivery_id}
        if counted is not None:
            proof["counted"] = counted.value
        changed = await self._book.choose((by.customer_key, by.email), said, counted, proof, self._clock())
        return Fate.DONE if changed else Fate.ALREADY

    async def _note(self, by: Recipient, name: str, kind: str, properties: Mapping[str, Any]) -> Fate | None:
        if by.delivery_id == 0:
            return Fate.TEST
        said = {**properties, "delivery": by.delivery_id}
        event_id = f"{kind}:{by.delivery_id}"
        new = await self._book.note((by.customer_key, by.email), name, event_id, said, self._clock())
        return None if new is None else Fate.DONE if new else Fate.ALREADY
