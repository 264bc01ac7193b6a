"""The registry of consent over each database: told, answered, lapsed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from mailer.app.gateway import RegistryFolder
from mailer.core.consent import Action, Via
from mailer.core.importing import Row
from mailer.errors import FileFault
from mailer.flow.registry import Law, RegistryDesk
from mailer.store.consent import Said, record
from mailer.store.engine import Database
from mailer.store.registry import Registers
from mailer.store.tables import consent_entry, customer
from tests.store import rows
from tests.store.rows import NOW

LATER = NOW + timedelta(days=1)
TOO_LATE = datetime(2027, 5, 13, 21, 0, tzinfo=UTC)  # three business days after NOW, a Monday
LAW = Law(date(2027, 1, 1), "HS_WEB")


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> RegistryDesk:
    return RegistryDesk(Registers(database), RegistryFolder(tmp_path / "iys"), LAW)


async def who_agreed(database: Database, name: str = "c1") -> int:
    key = await rows.a_customer_row(database, name, consent="unknown")
    async with database.write() as connection:
        word = Said(key, f"{name}@shop.example", Action.GRANTED, NOW, Via.EVENT, "event:1")
        await record(connection, [word], NOW)
    return key


async def consent(database: Database, key: int) -> str:
    return str((await rows.one(database, customer, key))["consent"])


async def statuses(database: Database) -> list[tuple[str, str, str | None]]:
    async with database.read() as connection:
        found = await connection.execute(select(consent_entry).order_by(consent_entry.c.id))
        return [(row.via, row.action, row.registry_status) for row in found]


def says(status: str, at: str = "", name: str = "C1") -> list[Row]:
    values = {"recipient": f"{name}@Shop.Example", "status": status} | ({"consentDate": at} if at else {})
    return [Row(1, values)]


def written(file: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]


async def test_what_is_new_is_told_once_and_confirmed(desk: RegistryDesk, database: Database) -> None:
    key = await who_agreed(database)
    assert (await desk.status(NOW))["waiting"] == 1
    number, place = await desk.upload(NOW)
    assert number == 1
    assert [each["status"] for each in written(place)] == ["ONAY"]
    assert await desk.upload(NOW) == (0, "")
    report = await desk.take(says("ONAY", "2027-05-10 10:00:00"), LATER)
    again = await desk.take(says("ONAY", "2027-05-10 10:00:00"), LATER)
    assert (report.updated, again.updated, again.unchanged) == (1, 0, 1)
    assert await statuses(database) == [("event", "granted", "ONAY"), ("registry", "granted", "ONAY")]
    assert await desk.lapse(TOO_LATE) == 0
    assert await consent(database, key) == "yes"


async def test_a_refusal_at_the_registry_stops_commercial_mail(
    desk: RegistryDesk, database: Database
) -> None:
    key = await who_agreed(database)
    await desk.take(says("RET", "2027-05-11 08:00:00"), LATER)
    assert await consent(database, key) == "no"
    await desk.take(says("ONAY", "2027-05-11 09:00:00"), LATER)
    assert await consent(database, key) == "yes"
    await desk.take(says("RET"), LATER)
    assert await consent(database, key) == "no"


async def test_what_is_not_confirmed_in_time_lapses_until_it_is(
    desk: RegistryDesk, database: Database
) -> None:
    key = await who_agreed(database)
    assert await desk.lapse(TOO_LATE - timedelta(seconds=1)) == 0
    assert await desk.lapse(TOO_LATE) == 1
    assert await desk.lapse(TOO_LATE) == 0
    assert await consent(database, key) == "no"
    status = await desk.status(TOO_LATE)
    assert (status["waiting"], status["overdue"]) == (1, 1)
    await desk.take(says("ONAY", "2027-05-10 10:00:00"), TOO_LATE + timedelta(hours=1))
    assert await consent(database, key) == "yes"


async def test_an_unsubscribe_is_told_too_and_an_older_yes_does_not_undo_it(
    desk: RegistryDesk, database: Database
) -> None:
    key = await who_agreed(database)
    async with database.write() as connection:
        word = Said(key, "c1@shop.example", Action.REVOKED, LATER, Via.LINK, "unsubscribe link")
        await record(connection, [word], LATER)
    number, place = await desk.upload(LATER)
    assert (number, [each["status"] for each in written(place)]) == (2, ["ONAY", "RET"])
    await desk.take(says("ONAY", "2027-05-10 10:00:00"), LATER + timedelta(hours=1))
    assert await consent(database, key) == "no"


async def test_nothing_is_marked_when_the_folder_cannot_be_written(
    database: Database, tmp_path: Path
) -> None:
    await who_agreed(database)
    (tmp_path / "iys").write_text("no folder")
    desk = RegistryDesk(Registers(database), RegistryFolder(tmp_path / "iys"), LAW)
    with pytest.raises(FileFault, match="cannot be written"):
        await desk.upload(NOW)
    assert (await desk.status(NOW))["waiting"] == 1
