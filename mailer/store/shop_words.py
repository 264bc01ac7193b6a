"""What programs of the shop say of consent: into the ledger with its proof, weighed as an import's word is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import COMMERCIAL, COMPLAINT, UNSUBSCRIBED, Action, Standing, Via, fold
from mailer.core.shop_word import ShopWord
from mailer.store.consent import Said, latest_entries, record
from mailer.store.engine import Database
from mailer.store.tables import consent_entry, customer, suppression

#: Under which name the Idempotency-Key of a request stands in the proof.
KEY = "idempotency_key"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a word."""

    new: bool
    standing: Standing
    email: str = ""  # the address it is about
    barred: bool = False  # a yes that the person's own no outweighs: nothing was written


class ShopWords:
    """Writes such words."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, ext_id: str, word: ShopWord, key: str | None, now: datetime) -> Written | None:
        """Add to the ledger; None: there is no such customer.

        A no is the person's, bars their address and is lifted by a confirmation only. A yes is what the shop believes,
        as in an import: it lifts nothing.
        """
        async with self._database.write() as connection:
            mine = customer.c.ext_id == ext_id
            who = (
                (await connection.execute(select(customer).where(mine).with_for_update())).mappings().first()
            )
            if who is None:
                return None
            entries = (await latest_entries(connection, [who["id"]])).get(who["id"], ())
            standing = fold(entries)
            if await _known(connection, who["id"], word, key, standing):
                return Written(False, standing, who["email_key"])
            proof = {**word.proof, **({KEY: key} if key is not None else {})}
            if word.action is Action.REVOKED:
                # Whatever clock an earlier word was given by, one that is said now comes after it.
                at = word.at or max([now, *(entry.at for entry in entries)])
                said = Said(
                    who["id"], who["email_key"], word.action, at, Via.PERSON, word.source, proof or None,
                    word.text_version,
                )  # fmt: skip
                await record(connection, [said], max(now, at) if word.at is None else now)
            else:
                own_no = standing.consent == "no" and standing.via is not Via.IMPORT
                if own_no or await _barred(connection, who["email_key"]):
                    return Written(False, standing, who["email_key"], barred=True)
                await _believe(connection, who, word, proof, now)
            after = fold((await latest_entries(connection, [who["id"]]))[who["id"]])
        return Written(True, after, who["email_key"])


async def _known(
    connection: AsyncConnection, who: int, word: ShopWord, key: str | None, standing: Standing
) -> bool:
    """Whether it was said before, so that a request that is repeated writes nothing twice."""
    entry = consent_entry.c
    alike = entry.customer_id == who, entry.purpose == COMMERCIAL
    if key is not None:
        # Of the same word: a no that comes under the key of a yes, by mistake, is a no.
        same = exists().where(*alike, entry.action == word.action, entry.proof[KEY].as_string() == key)
        return bool(await connection.scalar(select(same)))
    if word.at is None and not word.proof and word.text_version is None:
        own = standing.via is not Via.IMPORT
        return (
            standing.consent == "yes" if word.action is Action.GRANTED else standing.consent == "no" and own
        )
    found = await connection.execute(
        select(entry.at, entry.source, entry.text_version, entry.proof).where(
            *alike, entry.action == word.action
        )
    )
    wanted = (word.source, word.text_version, dict(word.proof) or None)
    return any(
        (row.source, row.text_version, row.proof) == wanted and word.at in (None, row.at) for row in found
    )


async def _barred(connection: AsyncConnection, email_key: str) -> bool:
    if not email_key:
        return False
    wanted = exists().where(
        suppression.c.email_key == email_key,
        suppression.c.scope == COMMERCIAL,
        suppression.c.reason.in_((UNSUBSCRIBED, COMPLAINT)),
    )
    return bool(await connection.scalar(select(wanted)))


async def _believe(
    connection: AsyncConnection, who: RowMapping, word: ShopWord, proof: Mapping[str, Any], now: datetime
) -> None:
    """A yes as an import brings it, and what follows from it."""
    await connection.execute(
        insert(consent_entry).values(
            customer_id=who["id"], email_key=who["email_key"], purpose=COMMERCIAL, action=word.action,
            source=word.source, via=Via.IMPORT, at=min(word.at or now, now), stored_at=now,
            proof=dict(proof) or None, text_version=word.text_version,
        )
    )  # fmt: skip
    after = fold((await latest_entries(connection, [who["id"]]))[who["id"]])
    await connection.execute(
        update(customer)
        .where(customer.c.id == who["id"])
        .values(consent=after.consent, consent_at=after.at, updated_at=now)
    )
