"""Figures for monitoring: who gets them, and that nothing in them can be taken for something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mailer.core.metrics import METRICS
from mailer.store.engine import Database
from mailer.store.tables import coupon
from tests.store import rows
from tests.store.rows import NOW
from tests.web.conftest import BASE, Stand

TOKEN = "a-token-of-this-test"


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (each.name, *each.labels.values()): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


async def test_every_family_can_be_read(web: httpx.AsyncClient, stand: Stand) -> None:
    mail = await rows.a_delivery(stand.app.db, state="sent")
    await rows.a_coupon(stand.app.db, mail, kind="pool", pool="p", state="available", once_key=None)
    answer = await web.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    found = samples(answer.text)
    assert found["mailer_deliveries_total", "offer", "sent"] == 1
    assert found["mailer_coupons_available", "p"] == 1
    assert found["mailer_database_up",] == 1
    shown = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# HELP")}
    # Nothing happened, and there is no relay.
    missing = {"mailer_events_total", "mailer_relay_share", "mailer_relay_answers_total"}
    assert shown == {each.name for each in METRICS} - missing
    assert answer.text.count("# TYPE") == len(shown)


@pytest.mark.parametrize(
    "name",
    [
        'x",state="sent"} 9\nmailer_halted 1\n# ',
        "a\\",
        "a\r\nmailer_senders 99",
        "\u2028mailer_senders 99",
        "\u202e{}=~",
        "n" * 5_000,
        "",
    ],
)
async def test_hostile_names_stay_names(web: httpx.AsyncClient, stand: Stand, name: str) -> None:
    run = await rows.a_run(stand.app.db, name)
    await rows.a_delivery(stand.app.db, run, state="sent", once_key="k")
    await rows.add(
        stand.app.db,
        coupon,
        code="P",
        kind="pool",
        pool=name,
        state="available",
        created_at=NOW,
        changed_at=NOW,
    )
    text = (await web.get("/metrics")).text
    found = samples(text)
    assert found["mailer_senders",] == found["mailer_halted",] == 0
    assert [key[2:] for key in found if key[0] == "mailer_deliveries_total"] == [("sent",)]
    assert len(text) < 10_000


async def test_no_address_and_no_secret_is_shown(
    folder: Path, make_stand: Callable[[Database], Stand], sqlite_database: Database
) -> None:
    said = f"""
secret_key: only-for-tests-and-nothing-besides
metrics: {{token: {TOKEN}}}
relay: {{host: smtp.kardelen.example, port: 25, username: gizli-ad, password: gizli-söz}}
"""
    (folder / "settings.yaml").write_text(said, encoding="utf-8")
    stand = make_stand(sqlite_database)
    await rows.a_delivery(stand.app.db, state="sent", email="ayse@x.example")
    async with stand.client() as client:
        text = (await client.get("/metrics")).text
    assert (
        'mailer_relay_share{relay="smtp.kardelen.example:587"} 1.0' in text
        or 'relay="smtp.kardelen.example:' in text
    )
    for secret in ("ayse", "@", "gizli", "only-for-tests-and-nothing-besides", TOKEN):
        assert secret not in text


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.0.0.1", {"authorization": "Bearer wrong"}, 200),  # it needs none
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.7"}, 403),
        ("203.0.113.7", {}, 403),
        ("203.0.113.7", {"authorization": f"Bearer {TOKEN}"}, 200),
        ("127.0.0.1", {"authorization": f"bearer  {TOKEN}", "x-forwarded-for": "203.0.113.7"}, 200),
        ("203.0.113.7", {"authorization": f"Bearer {TOKEN}x"}, 403),
        ("203.0.113.7", {"authorization": f"Basic {TOKEN}"}, 403),
        ("203.0.113.7", {"authorization": "Bearer "}, 403),
        ("203.0.113.7", {"authorization": "Bearer \xfc"}, 403),
    ],
)
@pytest.mark.parametrize("with_token", [True, False])
async def test_who_gets_them(
    folder: Path,
    make_stand: Callable[[Database], Stand],
    sqlite_database: Database,
    with_token: bool,
    host: str,
    headers: dict[str, str],
    status: int,
) -> None:
    settings = folder / "settings.yaml"
    if with_token:
        settings.write_text(
            f"secret_key: only-for-tests-and-nothing-besides\nmetrics: {{token: {TOKEN}}}\n", encoding="utf-8"
        )
    elif TOKEN in headers.get("authorization", "") and status == 200:
        status = 403
    stand = make_stand(sqlite_database)
    async with stand.client(host=host, base=BASE) as client:
        answer = await client.get(
            "/metrics", headers={name: value.encode("latin-1") for name, value in headers.items()}
        )
    assert answer.status_code == status
    if status != 200:
        assert "mailer_" not in answer.text


async def test_it_answers_without_a_database(web: httpx.AsyncClient, stand: Stand) -> None:
    async with stand.app.db.write() as connection:
        await connection.exec_driver_sql("DROP TABLE run")
    answer = await web.get("/metrics")
    assert answer.status_code == 200
    found = samples(answer.text)
    assert found["mailer_database_up",] == 0
    assert found["mailer_spool_bytes",] == 0
    assert ("mailer_senders",) not in found
