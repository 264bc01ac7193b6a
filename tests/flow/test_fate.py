"""Why somebody was told of an incident, or was not: the answer and what planning then does agree."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailer.core.area import Area
from mailer.core.geo import Polygon
from mailer.core.incident_change import Change
from mailer.core.incident_opening import NewIncident
from mailer.core.incident_why import lines
from mailer.errors import UsageError
from mailer.flow.notify import Notifier
from mailer.flow.tell import LATE
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from mailer.store.recipients import Recipients
from mailer.store.tables import delivery, list_member, named_list, service_point, suppression
from tests.flow.test_notify import HOUR, HOURS, T0, Campaigns, audience, ledger, settle
from tests.store.rows import a_customer_row, a_version, add, put

BOX = Polygon.from_json([[[28.0, 40.0], [30.0, 40.0], [30.0, 42.0], [28.0, 42.0], [28.0, 40.0]]])
AREA = Area.of(["fibre"], ["34710", "35*"], exclusions=["vip"], polygons=[BOX])
POINTS: dict[str, tuple[tuple[str, str, float | None], ...]] = {  # service, postal code, and how far east
    "here": (("fibre", "34710", None), ("tv", "34710", None)),
    "drawn": (("fibre", "", 29.0),),
    "elsewhere": (("fibre", "06100", 33.0), ("fibre", "06100", None)),
    "codeless": (("tv", "", None),),
    "vip": (("fibre", "35100", None),),
    "dead": (("fibre", "35100", None),),
    "mute": (("fibre", "35100", None),),
    "twin": (("fibre", "35100", None),),
    "mover": (("fibre", "34710", None),),
    "english": (("fibre", "35100", None),),
}


def desk_of(database: Database, campaigns: Campaigns) -> Notifier:
    return Notifier(
        Incidents(database), Recipients(database), campaigns, audience(database), "kardelen.example", HOURS
    )


@pytest.fixture
async def desk(database: Database) -> Notifier:
    """Customers of all fates; the campaign is for those who read Turkish."""
    for name, points in POINTS.items():
        given: dict[str, Any] = {"locale": "en" if name == "english" else "tr"}
        if name in ("mute", "twin"):
            given["email"] = "" if name == "mute" else "here@shop.example"
        key = await a_customer_row(database, name, **given)
        for number, (service, code, lon) in enumerate(points):
            await add(
                database, service_point, customer_id=key, ext_id=f"{name}{number}", service=service, postal_code=code,
                lat=41.0 if lon else None, lon=lon, label="", stored_at=T0,
            )  # fmt: skip
        if name == "vip":
            list_id = await add(database, named_list, name="vip", loaded_at=T0)
            await put(database, list_member, list_id=list_id, customer_id=key)
    await a_customer_row(database, "bare", locale="tr")
    await put(
        database, suppression, email_key="dead@shop.example", scope="all", reason="bounced", source="t", at=T0
    )
    campaigns = Campaigns(
        {"outage": await a_version(database, "outage")}, audience={"attr": {"locale": "tr"}}
    )
    return desk_of(database, campaigns)


FATES = {
    "here": ("told", "here was sent the first notice of update 1 at"),
    "drawn": ("told", "drawn was sent"),
    "mover": ("told", "mover was sent"),
    "elsewhere": (
        "not_in_area",
        (
            "elsewhere is not affected. Their point elsewhere0: its postal code 06100 is under none of 34710, 35*, "
            "and it lies outside the area drawn; their point elsewhere1: its postal code 06100 is under none of "
            "34710, 35*, and it has no coordinates."
        ),
    ),
    "codeless": (
        "not_in_area",
        (
            "codeless is not affected. Their point codeless0: its service is tv, and the incident is about fibre, "
            "and its missing postal code is under none of 34710, 35*, and it has no coordinates."
        ),
    ),
    "vip": ("excluded", "vip is affected, but on a list of those left out: vip."),
    "dead": (
        "suppressed",
        "dead is affected, but mail to their address is suppressed or was refused; tell them by",
    ),
    "mute": ("no_address", "mute is affected, but has no address; tell them by another channel."),
    "twin": ("duplicate", "twin is written to under another record with the same address: here."),
    "english": ("audience", "english is affected, but the audience of outage leaves them out."),
    "bare": (
        "not_in_area",
        "bare is not affected. Their own record: it has no service, and the incident is about",
    ),
}


async def verdicts(desk: Notifier, number: int, **later: Any) -> dict[str, tuple[str, str]]:
    found = {}
    for name in FATES:
        [row] = await desk.explain(number, name, later.get("now", T0 + HOUR))
        assert next(iter(lines(row))) == row["why"]
        assert len(list(lines(row))) == 1 + len(row["points"]) + len(row["notices"])
        found[name] = row["verdict"], row["why"]
    return found


async def test_everybody_hears_why(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    [waiting] = await desk.explain(number, "here", T0)
    assert (waiting["verdict"], waiting["due"]) == ("waits", None)
    assert [(each["id"], each["affected"]) for each in waiting["points"]] == [
        ("here0", True),
        ("here1", False),
    ]
    assert waiting["points"][1]["why_not"] == "its service is tv, and the incident is about fibre"
    await settle(database, "sent")
    found = await verdicts(desk, number)
    assert {name: word for name, (word, _) in found.items()} == {
        name: word for name, (word, _) in FATES.items()
    }
    for name, (_, said) in found.items():
        assert said.startswith(FATES[name][1])


async def test_a_draft_and_what_is_to_come_agree_with_what_then_comes(
    database: Database, desk: Notifier
) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse", publish=False)
    found = await verdicts(desk, number)
    unaffected = {"elsewhere", "codeless", "vip", "bare"}
    assert {name for name, (word, _) in found.items() if word != "draft"} == unaffected
    await Incidents(database).publish(number, 1, T0, "ayse")  # and no planner has looked
    foreseen = {}
    for name in FATES:
        [row] = await desk.explain(number, name, T0)
        if row["due"] is not None:
            foreseen[name] = row["due"]["reason"] or "queued"
    await desk.plan_open(T0)
    assert sorted(f"1 {name} first {fate}" for name, fate in foreseen.items()) == sorted(
        await ledger(database)
    )
    assert foreseen["drawn"] == "queued"


async def test_who_leaves_and_who_comes_after_the_end(database: Database, desk: Notifier) -> None:
    number = await desk.open(
        NewIncident("Fibre fault", Area.of(["fibre"], ["34710", "35*"])), now=T0, by="ayse"
    )
    await settle(database, "sent")
    await desk.update(number, Change(remove_postal=("34710",)), now=T0 + HOUR, by="ayse")
    await settle(database, "sent")
    [row] = await desk.explain(number, "mover", T0 + HOUR)
    assert row["verdict"] == "left"
    [row] = await desk.explain(number, "here", T0 + HOUR)
    assert row["verdict"] == "told"  # their other record is affected still
    await desk.resolve(number, now=T0 + 2 * HOUR, by="ayse")
    [row] = await desk.explain(number, "english", T0 + 3 * HOUR)
    assert row["verdict"] == "over"
    [row] = await desk.explain(number, "vip", T0 + timedelta(days=3))
    assert (row["verdict"], row["due"]) == ("waits", None)
    assert len(row["notices"]) == 2


async def test_an_end_nobody_planned_is_due_as_long_as_planners_look(
    database: Database, desk: Notifier
) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    await settle(database, "sent")
    await desk.resolve(number, now=T0 + HOUR, by="ayse")
    async with database.write() as connection:  # as if it had ended before it could plan
        await connection.execute(delivery.delete().where(delivery.c.kind == "closure"))
    [row] = await desk.explain(number, "here", T0 + HOUR + LATE - timedelta(seconds=1))
    assert row["due"]["kind"] == "closure"
    [row] = await desk.explain(number, "here", T0 + HOUR + LATE)
    assert row["due"] is None


async def test_planned_work_is_told_later(database: Database, desk: Notifier) -> None:
    work = NewIncident("Work", Area.of(["fibre"], ["34710"]), starts_at=T0 + timedelta(days=10), lead="48h")
    number = await desk.open(work, now=T0, by="ayse")
    [row] = await desk.explain(number, "here", T0)
    assert (row["verdict"], row["why"]) == (
        "later", "here will be told when the work is announced, 2027-01-23T07:00:00Z.",
    )  # fmt: skip


async def test_no_campaign_and_nobody_of_that_name(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    with pytest.raises(UsageError, match="There is no customer 'x'"):
        await desk.explain(number, "x", T0)
    with pytest.raises(UsageError, match="There is no incident 9"):
        await desk.explain(9, "here", T0)
    alone = desk_of(database, Campaigns({}))
    [row] = await alone.explain(number, "drawn", T0)
    assert row["verdict"] == "no_campaign"


@pytest.mark.parametrize(
    ("services", "said"),
    [
        (["fibre", "tv"], []),
        (["Fiber"], ["No customer and no point has the service 'Fiber'; did you mean 'fibre'?"]),
        (["fibre", "gas"], ["No customer and no point has the service 'gas'; there is fibre, tv, water."]),
    ],
)
async def test_a_service_nobody_has_is_named(
    database: Database, desk: Notifier, services: list[str], said: list[str]
) -> None:
    await a_customer_row(database, "own", services=["water"])
    assert await desk.strangers(services) == said


async def test_it_is_named_where_nobody_is_affected(desk: Notifier) -> None:
    with pytest.raises(UsageError, match=r"Nobody is affected.* service 'fibr'; did you mean 'fibre'\?"):
        await desk.open(NewIncident("Fault", Area.of(["fibr"])), now=T0, by="ayse")
