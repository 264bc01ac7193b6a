"""Partial indexes serve only where their condition is written out: of a bound value SQLite cannot know enough."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from mailer.store.engine import Database
from mailer.store.pages import HOLDS
from mailer.store.tables import WAITING
from mailer.store.tables.mail import UNSENT


@pytest.mark.parametrize(
    ("index", "column", "condition"),
    [
        pytest.param("uq_delivery_once_key", "once_key", HOLDS, id="once-keys that are held"),
        pytest.param("ix_delivery_unsent", "customer_id", UNSENT, id="what waits for a customer"),
        pytest.param(
            "ix_delivery_claim", "run_id", f"{WAITING} and not_before <= :it", id="what a sender may claim"
        ),
        pytest.param("ix_delivery_sender", "sender_id", "delivery.sender_id is not null", id="what is held"),
    ],
)
async def test_a_partial_index_is_used(
    sqlite_database: Database, index: str, column: str, condition: str
) -> None:
    asked = text(f"explain query plan select id from delivery where delivery.{column} = :it and {condition}")
    async with sqlite_database.read() as connection:
        plan = " ".join(row[3] for row in await connection.execute(asked, {"it": 1}))
    assert f"INDEX {index} " in plan
