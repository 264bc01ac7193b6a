"""Which mails others yield to, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from mailer.store.engine import Database
from mailer.store.slots import waiting
from mailer.store.tables import campaign_state
from tests.store.rows import NOW, a_customer_row, a_delivery, a_run, put


@pytest.mark.parametrize(
    ("of_run", "of_campaign", "of_delivery", "waits"),
    [
        pytest.param({}, {}, {}, True, id="queued"),
        pytest.param({"state": "running"}, {"paused": False}, {"state": "deferred"}, True, id="put off"),
        pytest.param({"state": "planning"}, {}, {}, True, id="not released yet"),
        pytest.param({"state": "paused"}, {}, {}, False, id="its run is paused"),
        pytest.param({}, {"paused": True}, {}, False, id="its campaign is paused"),
        pytest.param({}, {}, {"state": "sent"}, False, id="gone"),
        pytest.param({"purpose": "service"}, {}, {"purpose": "service"}, False, id="service"),
    ],
)
async def test_a_mail_that_cannot_leave_is_nothing_to_yield_to(
    database: Database,
    of_run: dict[str, Any],
    of_campaign: dict[str, Any],
    of_delivery: dict[str, Any],
    waits: bool,
) -> None:
    if of_campaign:
        await put(database, campaign_state, name="offer", first_seen_at=NOW, **of_campaign)
    key = await a_customer_row(database)
    found = await a_delivery(database, await a_run(database, **of_run), key, **of_delivery)
    async with database.read() as connection:
        rows = await waiting(connection, [key])
    assert {who: [row.id for row in of] for who, of in rows.items()} == ({key: [found]} if waits else {})
