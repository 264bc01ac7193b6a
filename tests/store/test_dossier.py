"""Everything we hold of one person, read and told."""

from __future__ import annotations

import json

import pytest

from mailer.core.story import timeline
from mailer.errors import UsageError
from mailer.store.belongings import belonging
from mailer.store.dossier import Dossiers
from mailer.store.engine import Database
from tests.store.persons import ADDRESS, NAME, WHO, a_person
from tests.store.rows import a_customer_row


async def test_a_dossier_has_a_part_for_every_table_and_no_code_that_is_not_given(database: Database) -> None:
    numbers = await a_person(database)
    await a_customer_row(database, "somebody-else")
    dossier = await Dossiers(database).read(WHO)
    plain = {name: value for name, value in dossier.items() if not isinstance(value, list)}
    assert (plain["id"], plain["email"], plain["last_name"]) == (WHO, ADDRESS, NAME)
    parts = {
        name: len(value) for name, value in dossier.items() if isinstance(value, list) and name != "services"
    }
    assert parts == {
        "cap_slot": 1, "consent_entries": 1, "coupons": 2, "dates": 1, "deliveries": 3, "delivery_events": 2,
        "events": 1, "incidents": 1, "lists": 1, "points": 1, "returned": 1, "scores": 0, "segments": 0,
        "suppressions": 1,
    } | {name: 0 for name in parts if parts[name] == 0}  # fmt: skip
    assert [row["code"] for row in dossier["coupons"]] == ["TS-GIVEN", None]
    assert dossier["lists"] == [{"name": "vips"}]
    assert dossier["incidents"][0]["title"] == "No light"
    assert {row["id"] for row in dossier["deliveries"]} == {
        numbers["sent"],
        numbers["skipped"],
        numbers["waiting"],
    }
    assert "salt" not in json.dumps(dossier, default=str)
    with pytest.raises(UsageError, match="There is no customer 'nobody'"):
        await Dossiers(database).read("nobody")


async def test_a_story_is_told_in_order_and_in_sentences(database: Database) -> None:
    await a_person(database)
    lines = timeline(await Dossiers(database).read(WHO))
    what = [line["what"] for line in lines]
    assert what[:2] == ["stored", "consent granted"]
    assert what[-4:] == ["sent", "coupon", "clicked", "unsubscribed"]
    told = {line["what"]: line["sentence"] for line in lines}
    assert told["skipped"] == "reward of evt-77 was not sent: another mail had priority that day or week."
    assert told["queued"].endswith("waits for its time and a sender.")
    assert told["sent"].endswith("was accepted by the relay: 250 2.0.0 ok for ayse.gizli.")
    assert "had a link followed by a person (https://shop.example/shop-4711)" in told["clicked"]
    assert told["coupon"] == "They were given the code TS-GIVEN."
    assert told["incident"].endswith("No light.")
    assert told["suppressed"] == "No commercial mail goes to this address any more: unsubscribed (link)."


def test_every_table_about_customers_is_known() -> None:
    """A table that is new goes whole when its customer does; this list is to make whoever adds one think of it."""
    assert {table.name for table, _column in belonging()} >= {
        "customer_date", "customer_event", "consent_entry", "list_member", "service_point", "customer_score",
        "segment_member", "delivery", "cap_slot", "coupon", "incident_recipient",
    }  # fmt: skip
