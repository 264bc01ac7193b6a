"""What is read of a delivery before its mail is made, and what is known of its letters at once."""

from __future__ import annotations

from typing import Any

import pytest

from mailer.core.scene import Sender, scene
from mailer.render.plain import check_plain
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from tests.store.rows import a_customer_row, a_delivery, a_run

SHOP = Sender("Kardelen", "Kardelen <a@b.example>", "Moda Cad. 12", "TRY", "TR", "tr")
ODD = ("\x07", "a\x85b", "\ufdd0", "\r", "\x0b", "\x7f")


@pytest.mark.parametrize(
    "place", ["first_name", "city", "key", "deep", "context", "content", "occurrence", "nowhere"]
)
@pytest.mark.parametrize("odd", ODD)
async def test_no_odd_letter_is_vouched_for(database: Database, place: str, odd: str) -> None:
    def at(name: str) -> str:
        return f"Ş{odd}" if place == name else "Şişli"

    attributes: dict[str, Any] = {"city": at("city"), at("key"): "x", "list": [{"a": [at("deep")]}]}
    customer = await a_customer_row(database, first_name=at("first_name"), attributes=attributes)
    run = await a_run(database, content={"posts": [{"title": at("content")}]}, occurrence=at("occurrence"))
    before = await a_delivery(database, run)  # whose every text may be missing
    found = await a_delivery(database, run, customer, context={"points": [at("context")]})
    jobs = await Ledger(database).load([before, await a_delivery(database, run), found])
    assert [job.printable for job in jobs] == [place == "nowhere"] * 3
    assert all(check_plain(scene(job, "", SHOP, {})) for job in jobs if job.printable)
    assert all(check_plain(scene(job, "", SHOP, {})) for job in jobs) is (place == "nowhere")
