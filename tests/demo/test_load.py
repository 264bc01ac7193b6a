"""The demo shows all six campaigns, whatever the hour it is started at."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from mailer import settings
from mailer.app import App, fixed_clock
from mailer.demo.load import load_demo, refuse_real_customers
from mailer.errors import UsageError
from mailer.flow.connection import Tools
from mailer.flow.send import SenderConfig, SendLoop
from mailer.store.tables import customer, delivery
from mailer.testing import FakeTransport

ROOT = Path(__file__).parents[2]
CAMPAIGNS = {"welcome", "offer", "referral", "newsletter", "birthday", "outage"}


def installation(folder: Path, url: str, **relay: str) -> settings.Settings:
    file = folder / "settings.yaml"
    text = (ROOT / "settings.yaml").read_text("utf-8")
    file.write_text(text, "utf-8")
    return settings.load(
        file,
        environment={
            "MAILER_DATABASE_URL": url,
            "MAILER_STATE_DIR": str(folder / "var"),
            "MAILER_JOBS_DIR": str(ROOT / "jobs"),
            "MAILER_TEMPLATES_DIR": str(ROOT / "templates"),
            **relay,
        },
    )


@pytest.mark.parametrize(
    "now",
    [
        "2027-01-14T22:00:00+00:00",  # night in Istanbul
        "2027-03-28T01:30:00+00:00",  # clocks change in Europe
        "2028-02-29T08:00:00+00:00",  # a leap day, morning
        "2027-08-03T18:30:00+00:00",  # quiet hours just began in Istanbul
    ],
)
async def test_all_six_campaigns_go_out(tmp_path: Path, forked: None, sqlite_url: str, now: str) -> None:
    clock, told = fixed_clock(datetime.fromisoformat(now)), list[str]()
    async with App.open(installation(tmp_path, sqlite_url), clock, told.append, load=False) as app:
        await app.reload()
        await refuse_real_customers(app)
        await load_demo(app)
        await app.scheduler().plan_once()
        relay = FakeTransport()
        sending = SendLoop(
            ledger=app.ledger,
            senders=app.senders,
            tools=Tools(app.composer, lambda: relay, clock, lambda: 0.5),
            judge=app._judge,
            config=SenderConfig(connections=2, claim_size=100, host="h", pid=1),
            open_journal=app.journals.create,
        )
        await sending.run(until_idle=True, stop=asyncio.Event())
        async with app.db.read() as connection:
            rows = (await connection.execute(select(delivery.c.campaign, delivery.c.state))).all()
        sent = Counter(name for name, state in rows if state == "sent")
        assert set(sent) == CAMPAIGNS
        assert {state for _name, state in rows} <= {"sent", "skipped", "queued"}  # the night holds some back
        assert len(relay.sent) == sum(sent.values())
        assert told == []


async def test_the_demo_goes_nowhere_near_a_real_shop(tmp_path: Path, sqlite_url: str) -> None:
    clock = fixed_clock(datetime.fromisoformat("2027-01-14T10:00:00+00:00"))
    with_relay = installation(tmp_path, sqlite_url, MAILER_RELAY__HOST="smtp.shop.example")
    async with App.open(with_relay, clock, print, load=False) as app:
        with pytest.raises(UsageError, match=r"take relay\.host out"):
            await refuse_real_customers(app)
    async with App.open(installation(tmp_path, sqlite_url), clock, print, load=False) as app:
        async with app.db.write() as connection:
            await connection.execute(
                insert(customer).values(
                    ext_id="real", stored_at=clock(), updated_at=clock(), services=[], attributes={}
                )
            )
        with pytest.raises(UsageError, match="give the demo one of its own"):
            await refuse_real_customers(app)
