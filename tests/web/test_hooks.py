"""Providers' webhooks at their addresses: what they are answered, and what becomes of the mail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from sqlalchemy import func, select

from mailer.app import App
from mailer.app.ways_back import WaysBack
from mailer.core.delivery import State
from mailer.core.verp import Tokens
from mailer.errors import StoreError
from mailer.flow.returns import Taken
from mailer.store.engine import Database
from mailer.store.tables import customer, delivery, returned, suppression
from tests.inbound import mails
from tests.inbound.test_hooks import PUBLIC, TOPIC, postmark, sendgrid
from tests.store import rows
from tests.store.rows import NOW
from tests.web.conftest import Stand

SETTINGS = {
    "secret_key": "only-for-tests-and-nothing-besides",
    "bounces": {
        "address": "b@bounce.shop.example",
        "complaints": "fbl@shop.example",
        "listen": "127.0.0.1:1",
    },
    "webhooks": {
        "ses": {"topics": [TOPIC]},
        "sendgrid": {"public_key": PUBLIC},
        "mailgun": {"signing_key": "key"},
        "postmark": {"username": "hook", "password": "geheim"},
    },
}
OURS = "<{}.0123456789abcdef0123@shop.example>"


@pytest.fixture
def hooked(folder: Path, make_stand: Callable[[Database], Stand], database: Database) -> Stand:
    (folder / "settings.yaml").write_text(json.dumps(SETTINGS))
    return make_stand(database)


async def a_sent_mail(database: Database) -> int:
    number = await rows.a_delivery(database, state=State.SENT, attempts=1, sent_at=NOW)
    async with database.write() as connection:
        await connection.execute(
            delivery.update().where(delivery.c.id == number).values(message_id=OURS.format(number))
        )
    return number


async def post(stand: Stand, provider: str, request: tuple[dict[str, str], bytes]) -> tuple[int, str]:
    async with stand.client("203.0.113.9", "https://mail.shop.example") as client:
        answer = await client.post(f"/hooks/{provider}", headers=request[0], content=request[1])
    return answer.status_code, answer.text.strip()


def an_event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "email": "x@away.example", "event": "bounce", "status": "5.1.1", "reason": "550 5.1.1 gone",
        "sg_event_id": f"e{number}", "smtp-id": OURS.format(number),
    } | changes  # fmt: skip


async def test_a_bounce_is_booked_once_however_often_it_is_told(hooked: Stand) -> None:
    database = hooked.app.db
    one, two = await a_sent_mail(database), await a_sent_mail(database)
    events = [an_event(two, event="spamreport", status="", reason=""), an_event(one), {"event": "open"}]
    assert await post(hooked, "sendgrid", sendgrid(events)) == (200, "booked 2, known 0, not ours 0")
    assert await post(hooked, "sendgrid", sendgrid(events[::-1])) == (200, "booked 0, known 2, not ours 0")
    assert (await rows.one(database, delivery, one))["reason"] == "bounced"
    to = (await rows.one(database, delivery, two))["customer_id"]
    assert (await rows.one(database, customer, to))["consent"] == "no"
    async with database.read() as connection:
        found = await connection.execute(select(suppression.c.scope, suppression.c.reason))
        assert sorted(map(tuple, found)) == [("all", "bounced"), ("commercial", "complaint")]


async def test_postmark_brings_our_own_word_back(hooked: Stand) -> None:
    number = await a_sent_mail(hooked.app.db)
    record = {
        "RecordType": "Bounce", "Type": "SoftBounce", "ID": 7, "Email": "x@away.example",
        "Metadata": {"mail": Tokens(hooked.app.keys).of(number, 1)},
    }  # fmt: skip
    assert await post(hooked, "postmark", postmark(record)) == (200, "booked 1, known 0, not ours 0")
    assert (await rows.one(hooked.app.db, delivery, number))["reason"] == "bounced"


async def test_what_is_forged_unknown_or_too_much_changes_nothing(hooked: Stand) -> None:
    number = await a_sent_mail(hooked.app.db)
    headers, body = sendgrid([an_event(number)])
    wanted = {
        403: [
            ("sendgrid", (headers, body + b" ")),
            ("sendgrid", ({}, body)),
            ("postmark", ({}, b"{}")),
            ("ses", ({}, b'{"TopicArn": "x"}')),
        ],
        400: [("mailgun", ({}, b"{"))],
        404: [("acme", ({}, b"{}")), ("..%2f", ({}, b"{}"))],
        413: [("sendgrid", (headers, b"x" * 5_000_000)), ("ses", ({}, b"[" * 5_000_000))],
    }
    for status, requests in wanted.items():
        for provider, request in requests:
            assert (await post(hooked, provider, request))[0] == status, (provider, status)
    nowhere = {"smtp-id": OURS.format(10**9), "email": "nobody"}
    assert await post(hooked, "sendgrid", sendgrid([an_event(number, **nowhere)])) == (
        200, "booked 0, known 0, not ours 1",
    )  # fmt: skip
    async with hooked.app.db.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(returned)) == 0
    async with hooked.client() as client:
        assert (await client.get("/hooks/sendgrid")).status_code == 405


async def test_an_event_about_a_mail_of_another_mailer_counts_for_its_address(hooked: Stand) -> None:
    event = an_event(1, **{"smtp-id": OURS.format(10**9), "email": "gone@away.example"})
    assert await post(hooked, "sendgrid", sendgrid([event])) == (200, "booked 1, known 0, not ours 0")
    assert await hooked.app.suppressions.of("gone@away.example") == {"all": "bounced"}


async def test_half_a_letter_in_one_event_costs_no_other(hooked: Stand) -> None:
    number = await a_sent_mail(hooked.app.db)
    odd = an_event(
        number,
        email="x\ud800\0@away.example",
        reason="550 5.1.1 \0\ud800",
        sg_event_id="\0",
        **{"smtp-id": ""},
    )
    said = await post(hooked, "sendgrid", sendgrid([odd, an_event(number)]))
    assert said == (200, "booked 1, known 0, not ours 1")


async def test_a_mail_under_way_is_told_of_again_later(hooked: Stand) -> None:
    number = await rows.a_delivery(hooked.app.db, state=State.SENDING, attempts=1, message_id=OURS.format(1))
    event = an_event(number, **{"smtp-id": OURS.format(number)})
    async with hooked.app.db.write() as connection:
        await connection.execute(delivery.update().values(message_id=OURS.format(number)))
    assert await post(hooked, "sendgrid", sendgrid([event])) == (503, "not now")
    async with hooked.app.db.write() as connection:
        await connection.execute(delivery.update().values(state=State.SENT))
    assert (await post(hooked, "sendgrid", sendgrid([event])))[0] == 200


async def test_who_is_to_come_again_hears_when(hooked: Stand) -> None:
    number = await rows.a_delivery(hooked.app.db, state=State.SENDING, attempts=1, message_id=OURS.format(1))
    headers, body = sendgrid([an_event(number, **{"smtp-id": OURS.format(number)})])
    async with hooked.app.db.write() as connection:
        await connection.execute(delivery.update().values(message_id=OURS.format(number)))
    async with hooked.client() as client:
        answer = await client.post("/hooks/sendgrid", content=body, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        answer = await client.post("/hooks/postmark", content=b"{}")
        assert "retry-after" not in answer.headers


async def test_without_a_provider_there_is_no_address(web: Any) -> None:
    for provider in ("ses", "sendgrid", "mailgun", "postmark"):
        assert (await web.post(f"/hooks/{provider}", content=b"{}")).status_code == 404


async def test_a_report_by_mail_needs_an_address_of_ours(hooked: Stand) -> None:
    app = hooked.app
    app.settings = app.settings.model_copy(
        update={"bounces": app.settings.bounces.model_copy(update={"listen": "127.0.0.1:0"})}
    )
    number = await a_sent_mail(app.db)
    assert app.return_path is not None
    mine = app.return_path.around(Tokens(app.keys).of(number, 1))
    forged = app.return_path.around("4d-1-" + app.keys.current + "-" + "0" * 24)
    async with app.ways_back.listening() as door:
        assert door is not None
        async with aiosmtplib.SMTP(hostname=door.host, port=door.port, start_tls=False) as client:
            for address in (forged, "merhaba@kardelen.example", "b@bounce.shop.example"):
                with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
                    await client.sendmail("", [address], mails.dsn())
            await client.sendmail("", [mine], mails.NO_BOUNCES["vacation"].encode())
            # To the address of complaints anybody can write; a bounce there needs a token of ours all the same.
            await client.sendmail("x@y.example", ["FBL@shop.example"], mails.dsn())
            await client.sendmail("x@y.example", ["fbl@shop.example"], mails.arf())
            assert (await rows.one(app.db, delivery, number))["state"] == State.SENT
            complaint = mails.arf().replace(mails.MESSAGE_ID.encode(), OURS.format(number).encode())
            await client.sendmail("x@y.example", ["fbl@shop.example"], complaint)
            await client.sendmail("", [mine.upper()], mails.dsn())
            await client.sendmail("", [mine], mails.dsn())
    assert await rows.events(app.db, number) == ["complained", "bounced"]
    assert (await rows.one(app.db, delivery, number))["reason"] == "bounced"


async def test_a_mailbox_is_looked_into_again_and_again(hooked: Stand, tmp_path: Path) -> None:
    app = hooked.app
    box = tmp_path / "box"
    for name in ("new", "cur", "tmp"):
        (box / name).mkdir(parents=True)
    bounces = app.settings.bounces.model_copy(update={"listen": None, "maildir": str(box), "every": 1})
    app.settings = app.settings.model_copy(update={"bounces": bounces})
    number = await a_sent_mail(app.db)
    assert app.return_path is not None
    mine = app.return_path.around(Tokens(app.keys).of(number, 1))
    odd = b"Content-Type: multipart/report; charset*=utf-8''x\n\n\xff\n"  # the standard library cannot decode it
    (box / "new" / "0").write_bytes(odd)
    (box / "new" / "1").write_bytes(b"Delivered-To: " + mine.encode() + b"\n" + mails.dsn(to="x@y.example"))
    stop = asyncio.Event()
    async with app.taking_returns() as keep, asyncio.timeout(20):
        looking = asyncio.create_task(asyncio.wait_for(keep(stop), 20))
        while (await rows.one(app.db, delivery, number))["state"] == State.SENT:  # noqa: ASYNC110 - it is the database that changes
            await asyncio.sleep(0.02)
        stop.set()
        await looking
    assert hooked.told == []


async def test_whatever_a_mail_server_says_mails_go_on_being_sent(hooked: Stand, tmp_path: Path) -> None:
    looks = 0

    class Odd(WaysBack):
        async def look(self) -> int:
            nonlocal looks
            looks += 1
            raise ValueError("half a letter")

    app = hooked.app
    bounces = app.settings.bounces.model_copy(update={"maildir": str(tmp_path), "every": 0.01})
    app.settings = app.settings.model_copy(update={"bounces": bounces})
    stop, told = asyncio.Event(), list[str]()
    ways = Odd(app.settings, app.return_path, app.returns, app.clock, told.append)
    looking = asyncio.create_task(ways.keep(stop))
    async with asyncio.timeout(20):
        while looks < 3:  # noqa: ASYNC110 -- nothing else tells of a look
            await asyncio.sleep(0.01)
    assert not looking.done()
    stop.set()
    await looking
    assert [each.partition(" (")[2] for each in told] == ["ValueError: half a letter)"], "once"


async def test_each_outage_is_told_once_and_the_next_one_again(hooked: Stand, tmp_path: Path) -> None:
    away, told = True, list[str]()

    class Gone:
        async def take(self, _found: object) -> Taken:
            if away:
                raise StoreError("The database does not answer.")
            return Taken()

    for folder in ("new", "cur", "tmp"):
        (tmp_path / folder).mkdir()
    app = hooked.app
    bounces = app.settings.bounces.model_copy(update={"maildir": str(tmp_path)})
    settings = app.settings.model_copy(update={"bounces": bounces})
    ways = WaysBack(settings, app.return_path, Gone(), app.clock, told.append)  # type: ignore[arg-type]

    async def looks(number: int) -> None:
        (tmp_path / "new" / f"{number}.x").write_bytes(mails.dsn())
        await ways.look()

    await looks(1)
    await looks(2)
    assert told == ["What came back waits: The database does not answer."]
    away = False
    await looks(3)
    away = True
    await looks(4)
    assert told == ["What came back waits: The database does not answer."] * 2


def test_nothing_is_taken_unless_it_is_set(stand: Stand) -> None:
    assert isinstance(stand.app, App)
    assert stand.app.return_path is None
    assert not stand.app.settings.bounces.reads
