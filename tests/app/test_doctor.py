"""What `mailer doctor` sees of the machine it runs on."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from mailer import settings as settings_file
from mailer.app import doctor
from mailer.core.doctor.finding import Verdict
from mailer.store import migrate
from mailer.store.engine import Database


async def test_a_database_is_found_whatever_its_folder_is_called(tmp_path: Path) -> None:
    shop = tmp_path / "Dükkân 100% ipek?"
    shop.mkdir()
    (shop / "settings.yaml").write_text("secret_key: only-for-tests-and-nothing-besides\n", encoding="utf-8")
    settings = settings_file.load(shop / "settings.yaml", environment={})
    settings.state.mkdir(parents=True, exist_ok=True)
    database = await Database.connect(settings.database_url.get_secret_value())
    try:
        await migrate.upgrade(database)
    finally:
        await database.close()
    found = await doctor.examine(settings, doctor.Asked(nameserver="127.0.0.1:9"))
    (said,) = [each for each in found if each.check == "machine.database"]
    assert said.verdict is Verdict.OK, said.what


async def test_a_database_of_another_program_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(
        "secret_key: only-for-tests-and-nothing-besides\n", encoding="utf-8"
    )
    settings = settings_file.load(tmp_path / "settings.yaml", environment={})
    settings.state.mkdir(parents=True, exist_ok=True)
    database = await Database.connect(settings.database_url.get_secret_value())
    try:
        async with database.write() as connection:
            await connection.execute(text("create table customer (id integer)"))
    finally:
        await database.close()
    found = await doctor.examine(settings, doctor.Asked(nameserver="127.0.0.1:9"))
    (said,) = [each for each in found if each.check == "machine.database"]
    assert said.verdict is Verdict.FAULT
    assert "has tables that are not mailer's (customer)" in said.what
