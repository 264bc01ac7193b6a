"""The incident desk: what a person does, and what the affected get to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, update

from mailer.core.area import Area
from mailer.core.campaign import Campaign
from mailer.core.incident import IncidentState
from mailer.core.incident_change import Change
from mailer.core.incident_opening import NewIncident
from mailer.core.pace import Hours
from mailer.core.quiet import QuietHours
from mailer.core.segment import Rule
from mailer.core.segment_facts import EvalContext
from mailer.errors import CampaignFault, UsageError
from mailer.flow.notify import Notifier
from mailer.store.audience import Audience
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from mailer.store.recipients import Recipients
from mailer.store.tables import customer, delivery, run, suppression
from tests.store.rows import a_customer_row, a_version, put

T0 = datetime(2027, 1, 15, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
AREA = Area.of(postal=["34710"])
HOURS = Hours(ZoneInfo("Europe/Istanbul"), QuietHours.parse("21:00-09:00"))


class Campaigns:
    """The campaigns incidents start; one whose template is broken cannot be published."""

    def __init__(self, versions: dict[str, int], **definition: Any) -> None:
        self.versions = versions
        self.definition = {"purpose": "service", "trigger": {"incident": "any"}, **definition}
        self.broken: set[str] = set()
        self.segments: dict[str, Rule] = {}

    def incident_campaigns(self) -> Sequence[str]:
        return sorted(self.versions)

    def campaign(self, name: str) -> Campaign:
        return Campaign.model_validate({**self.definition, "name": name})

    async def version_for(self, campaign: str) -> int:
        if campaign in self.broken:
            raise CampaignFault("its template is missing", f"jobs/{campaign}.yaml")
        return self.versions[campaign]


def audience(database: Database, segments: Mapping[str, Rule] | None = None) -> Audience:
    return Audience(database, lambda: EvalContext(now=T0, tenant_zone=HOURS.zone, segments=segments or {}))


@pytest.fixture
async def campaigns(database: Database) -> Campaigns:
    return Campaigns({"outage": await a_version(database, "outage")})


@pytest.fixture
async def desk(database: Database, campaigns: Campaigns) -> Notifier:
    for name, home in (("A", "34710"), ("B", "34722"), ("C", "34722")):
        await a_customer_row(database, name, postal_code=home)
    return Notifier(
        Incidents(database), Recipients(database), campaigns, audience(database), "kardelen.example", HOURS
    )


async def settle(database: Database, state: str, *customers: str) -> None:
    """What the relay said to everything that waits, for these customers or for all."""
    whose = select(customer.c.id)
    if customers:
        whose = whose.where(customer.c.ext_id.in_(customers))
    async with database.write() as conn:
        await conn.execute(
            update(delivery)
            .where(delivery.c.customer_id.in_(whose), delivery.c.state.in_(["queued", "sending"]))
            .values(state=state)
        )


async def ledger(database: Database, campaign: str = "outage") -> list[str]:
    async with database.read() as conn:
        rows = await conn.execute(
            select(
                run.c.incident_update, customer.c.ext_id, delivery.c.kind,
                func.coalesce(delivery.c.reason, delivery.c.state),
            )
            .select_from(delivery)
            .join(run, run.c.id == delivery.c.run_id)
            .join(customer, customer.c.id == delivery.c.customer_id)
            .where(run.c.campaign == campaign)
            .order_by(run.c.incident_update, customer.c.id, delivery.c.id)
        )  # fmt: skip
        return [" ".join(map(str, row)) for row in rows]


async def test_case_16(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    await settle(database, "sent", "A")
    assert await desk.update(number, Change(add_postal=("34722",)), now=T0 + HOUR, by="ayse") == 2
    await settle(database, "sent", "B")
    await desk.resolve(number, "Repaired.", now=T0 + 3 * HOUR, by="ayse")
    assert await ledger(database) == [
        "1 A first sent",
        "2 B first sent",
        "2 C first cancelled",
        "3 A closure queued",
        "3 B closure queued",
    ]
    shown = await desk.show(number, T0)
    assert shown["state"] == "resolved"
    assert [each["message"] for each in shown["updates"]] == ["", "", "Repaired."]
    assert shown["notices"] == {"first": {"sent": 2, "cancelled": 1}, "closure": {"queued": 2}}
    assert [(line["id"], line["reached"]) async for line in desk.list(T0)] == [(number, 2)]


async def test_its_audience_says_who_may_join_and_its_ttl_until_when_a_notice_is_of_use(
    database: Database,
) -> None:
    for name, language in (("A", "tr"), ("B", "en"), ("C", "tr")):
        await a_customer_row(database, name, postal_code="34710", locale=language)
    rule = {"attr": {"locale": "tr"}, "incident": {"open": True}}
    campaigns = Campaigns({"outage": await a_version(database, "outage")}, audience=rule, ttl="6h")
    desk = Notifier(
        Incidents(database), Recipients(database), campaigns, audience(database), "kardelen.example", HOURS
    )
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    assert await ledger(database) == ["1 A first queued", "1 C first queued"]
    async with database.read() as conn:
        assert set(await conn.scalars(select(delivery.c.expires_at))) == {T0 + 6 * HOUR}
    await settle(database, "sent")
    async with database.write() as conn:
        await conn.execute(update(customer).values(locale="en"))  # whoever was told goes on to hear
    await desk.resolve(number, now=T0 + HOUR, by="ayse")
    assert (await ledger(database))[2:] == ["2 A closure queued", "2 C closure queued"]


async def test_a_segment_of_those_affected_holds_for_whoever_is_about_to_hear(database: Database) -> None:
    """They are written down as affected only with their first notice, which they would never get."""
    for name, language in (("A", "tr"), ("B", "en")):
        await a_customer_row(database, name, postal_code="34710", locale=language)
    campaigns = Campaigns({"outage": await a_version(database, "outage")}, audience={"segment": "turkish"})
    campaigns.segments = {
        "turkish": Rule.model_validate({"attr": {"locale": "tr"}, "segment": "affected"}),
        "affected": Rule.model_validate({"incident": {"open": True}}),
    }
    people = audience(database, campaigns.segments)
    desk = Notifier(Incidents(database), Recipients(database), campaigns, people, "kardelen.example", HOURS)
    await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    assert await ledger(database) == ["1 A first queued"]


async def test_who_is_affected_again_before_the_next_update_hears_at_once(
    database: Database, desk: Notifier
) -> None:
    async def live(home: str) -> None:
        async with database.write() as conn:
            await conn.execute(update(customer).where(customer.c.ext_id == "B").values(postal_code=home))

    wide = Area.of(postal=["34710", "34722"])
    number = await desk.open(NewIncident("Fibre fault", wide), now=T0, by="ayse")
    await settle(database, "sent")
    await desk.update(number, Change(remove_postal=("34722",)), now=T0 + HOUR, by="ayse")
    await settle(database, "sent")
    await live("34710")
    assert (await desk.plan_open(T0 + 2 * HOUR)).notices == 1
    assert (await desk.plan_open(T0 + 2 * HOUR)).notices == 0
    async with database.read() as conn:
        known = await conn.execute(
            select(run.c.occurrence, delivery.c.once_key, delivery.c.message_id, delivery.c.context)
            .join(run, run.c.id == delivery.c.run_id)
            .join(customer, customer.c.id == delivery.c.customer_id)
            .where(customer.c.ext_id == "B")
            .order_by(delivery.c.id)
        )
        first, farewell, back = known.all()
    assert (farewell.occurrence, back.occurrence) == (f"{number}:2", f"{number}:2:back")
    assert back.context["in_reply_to"] == first.message_id
    assert len({each.message_id for each in (first, farewell, back)}) == 3
    await settle(database, "sent")
    await live("06100")  # who goes once more is not told before there is an update
    assert (await desk.plan_open(T0 + 3 * HOUR)).notices == 0
    await live("34710")
    assert (await desk.plan_open(T0 + 3 * HOUR)).notices == 0
    await desk.resolve(number, now=T0 + 4 * HOUR, by="ayse")
    assert [row for row in await ledger(database) if " B " in row] == [
        "1 B first sent", "2 B unaffected sent", "2 B first sent", "3 B closure queued",
    ]  # fmt: skip


async def test_who_moves_away_hears_of_the_end(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    await settle(database, "sent")
    async with database.write() as conn:
        await conn.execute(update(customer).values(postal_code="06100"))
    assert (await desk.plan_open(T0 + HOUR)).notices == 0
    await desk.resolve(number, now=T0 + 2 * HOUR, by="ayse")
    assert await ledger(database) == ["1 A first sent", "2 A closure queued"]


async def test_closure_reaches_who_was_with_the_relay_at_the_end(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    await settle(database, "sending")
    await desk.resolve(number, now=T0 + HOUR, by="ayse")
    assert (await desk.plan_open(T0 + HOUR)).notices == 0
    await settle(database, "sent")
    assert (await desk.plan_open(T0 + 2 * HOUR)).notices == 1
    assert (await desk.plan_open(T0 + 2 * HOUR)).notices == 0
    assert await ledger(database) == ["1 A first sent", "2 A closure queued"]
    assert (await desk.plan_open(T0 + 30 * HOUR)).notices == 0


async def test_who_joins_gets_the_first_notice_in_the_current_state(
    database: Database, desk: Notifier
) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    await settle(database, "sent")
    await desk.update(number, Change(state=IncidentState.IDENTIFIED), now=T0 + HOUR, by="ayse")
    await a_customer_row(database, "late", postal_code="34710")
    assert (await desk.plan_open(T0 + 2 * HOUR)).notices == 1
    assert await ledger(database) == ["1 A first sent", "2 A update queued", "2 late first queued"]


async def test_reopened_soon_in_the_same_thread(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    await settle(database, "sent")
    await desk.resolve(number, now=T0 + HOUR, by="ayse")
    await settle(database, "sent")
    reopened = Change(state=IncidentState.REOPENED, message="Again.")
    await desk.update(number, reopened, now=T0 + 3 * HOUR, by="ayse")
    async with database.read() as conn:
        rows = (await conn.execute(select(delivery).order_by(delivery.c.id))).mappings().all()
    assert [row["kind"] for row in rows] == ["first", "closure", "update"]
    assert {row["context"]["in_reply_to"] for row in rows[1:]} == {rows[0]["message_id"]}


async def test_cancelled_tells_who_was_told(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", Area.of(postal=["34*"])), now=T0, by="ayse")
    await settle(database, "sent", "A")
    await desk.cancel(number, "A false alarm.", now=T0 + HOUR, by="ayse")
    assert await ledger(database) == [
        "1 A first sent",
        "1 B first cancelled",
        "1 C first cancelled",
        "2 A closure queued",
    ]
    with pytest.raises(UsageError, match="is cancelled; open a new one"):
        await desk.resolve(number, now=T0 + 2 * HOUR, by="ayse")


async def test_draft_is_told_to_nobody(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse", publish=False)
    await desk.update(number, Change(add_postal=("34722",)), now=T0 + HOUR, by="ayse")
    assert (await desk.plan_open(T0 + HOUR)).notices == 0
    assert await ledger(database) == []
    await desk.publish(number, now=T0 + HOUR, by="ayse")
    assert await ledger(database) == ["2 A first queued", "2 B first queued", "2 C first queued"]
    with pytest.raises(UsageError, match="published already"):
        await desk.publish(number, now=T0 + HOUR, by="ayse")


async def test_cancelled_draft_just_ends(database: Database, desk: Notifier) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse", publish=False)
    await desk.cancel(number, now=T0, by="ayse")
    assert await ledger(database) == []
    with pytest.raises(UsageError, match="is cancelled"):
        await desk.publish(number, now=T0, by="ayse")


@pytest.mark.parametrize(
    ("draft", "sentence"),
    [
        (NewIncident("Fault", Area.of(postal=["99*"])), "Nobody is affected"),
        (NewIncident("Fault", Area.of(["fax"])), "Nobody is affected"),
        (NewIncident("Fault", Area.of(lists=["ghost"])), "no list ghost"),
        (NewIncident("Fault", Area.of(postal=["34*"], exclusions=["ghost"])), "no list ghost"),
        (NewIncident("Fault", AREA, state=IncidentState.RESOLVED), "cannot begin as resolved"),
        (NewIncident("Fault", AREA, ends_at=T0 + HOUR), "give --starts"),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else None,
)
async def test_open_refused(desk: Notifier, draft: NewIncident, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        await desk.open(draft, now=T0, by="ayse")
    assert [line async for line in desk.list(T0)] == []


async def test_unknown_incident(desk: Notifier) -> None:
    with pytest.raises(UsageError, match="no incident 7"):
        await desk.show(7, T0)


async def test_planned_work_is_kept(desk: Notifier) -> None:
    work = NewIncident("Work", AREA, starts_at=T0 + 48 * HOUR, ends_at=T0 + 50 * HOUR, lead="24h")
    shown = await desk.show(await desk.open(work, now=T0, by="ayse", publish=False), T0)
    assert (shown["planned"], shown["state"]) == (True, "scheduled")


async def test_preview(desk: Notifier, database: Database) -> None:
    await a_customer_row(database, "mute", postal_code="34710", email="")
    found = await desk.preview(NewIncident(None, Area.of(postal=["34*"])), T0)
    assert (found.reach.count, found.reach.unreachable, len(found.reach.samples)) == (4, 1, 4)
    assert (found.told, found.left_out) == (3, {"not_eligible": 1})
    assert (await desk.preview(NewIncident(None, Area(postal=(" 34710 ",))), T0)).reach.count == 2
    with pytest.raises(UsageError, match="not a postal pattern"):
        await desk.preview(NewIncident(None, Area(postal=("3?",))), T0)


async def test_a_preview_of_all_an_area_has_finds_whoever_hears_nothing(
    desk: Notifier, database: Database
) -> None:
    for name, email in (
        ("A2", "a@x.example"),
        ("mute", ""),
        ("dead", "dead@x.example"),
        ("far", "b@x.example"),
    ):
        home = (
            "06100" if name == "far" else "34722"
        )  # who shares an address and is not affected keeps nobody from it
        await a_customer_row(database, name, postal_code=home, email=email)
    async with database.write() as conn:
        for name in ("A", "B"):
            email = f"{name.lower()}@x.example"
            await conn.execute(
                update(customer).where(customer.c.ext_id == name).values(email=email, email_key=email)
            )
    await put(
        database, suppression, email_key="dead@x.example", scope="all", reason="bounced", source="x", at=T0
    )
    found = await desk.preview(NewIncident(None, Area.of(postal=["34*"])), T0)
    assert (found.reach.count, found.told) == (6, 3)
    assert dict(found.examples) == {"A2": "duplicate", "mute": "not_eligible", "dead": "suppressed"}
    await desk.open(NewIncident("Fibre fault", Area.of(postal=["34*"])), now=T0, by="ayse")
    assert sum("queued" in row for row in await ledger(database)) == found.told


async def test_a_preview_decides_as_the_planner_will(database: Database) -> None:
    await a_customer_row(database, "A", postal_code="34710", locale="tr", email="a@x.example")
    await a_customer_row(database, "A2", postal_code="34710", locale="tr", email="a@x.example")
    await a_customer_row(database, "mute", postal_code="34710", locale="tr", email="")
    await a_customer_row(database, "dead", postal_code="34710", locale="tr", email="dead@x.example")
    await a_customer_row(database, "B", postal_code="34710", locale="en")
    await a_customer_row(database, "far", postal_code="06100", locale="tr")
    await put(
        database, suppression, email_key="dead@x.example", scope="all", reason="bounced", source="x", at=T0
    )
    campaigns = Campaigns(
        {"outage": await a_version(database, "outage")},
        audience={"attr": {"locale": "tr"}, "incident": {"open": True}},
    )
    desk = Notifier(
        Incidents(database), Recipients(database), campaigns, audience(database), "kardelen.example", HOURS
    )
    found = await desk.preview(NewIncident(None, AREA), T0)
    assert (found.reach.count, found.told) == (5, 1)
    assert found.left_out == {"duplicate": 1, "not_eligible": 1, "suppressed": 1, "audience": 1}
    assert dict(found.examples) == {
        "A2": "duplicate", "mute": "not_eligible", "dead": "suppressed", "B": "audience",
    }  # fmt: skip
    assert await ledger(database) == []
    await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    assert sorted(await ledger(database)) == [
        "1 A first queued", "1 A2 first duplicate", "1 dead first suppressed", "1 mute first not_eligible",
    ]  # fmt: skip
    other = await desk.preview(
        NewIncident(None, AREA), T0
    )  # what is known of another incident does not count
    assert (other.told, other.left_out) == (found.told, found.left_out)
    campaigns.definition["audience"] = {"attr": {"locale": "de"}}
    assert (await desk.preview(NewIncident(None, AREA), T0)).left_out == {"audience": 5}
    with pytest.raises(UsageError, match="Nobody affected is in the audience"):
        await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    draft = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse", publish=False)
    with pytest.raises(UsageError, match="Nobody affected is in the audience"):
        await desk.publish(draft, now=T0, by="ayse")
    campaigns.versions.clear()
    assert (await desk.preview(NewIncident(None, AREA), T0)).told == 0


async def test_without_a_campaign_nothing_is_opened(desk: Notifier, campaigns: Campaigns) -> None:
    campaigns.versions.clear()
    with pytest.raises(UsageError, match="No campaign tells"):
        await desk.open(NewIncident("Fault", AREA), now=T0, by="ayse")


async def test_broken_campaign_stops_it_before_anything_is_written(
    desk: Notifier, campaigns: Campaigns
) -> None:
    campaigns.broken.add("outage")
    with pytest.raises(CampaignFault, match="template is missing"):
        await desk.open(NewIncident("Fault", AREA), now=T0, by="ayse")
    assert [line async for line in desk.list(T0)] == []


async def test_broken_campaign_stops_no_other(
    database: Database, desk: Notifier, campaigns: Campaigns
) -> None:
    campaigns.versions["status"] = await a_version(database, "status")
    await desk.open(NewIncident("Fault", AREA), now=T0, by="ayse")
    assert await ledger(database) == await ledger(database, "status") == ["1 A first queued"]
    await a_customer_row(database, "late", postal_code="34710")
    campaigns.broken.add("outage")
    planned = await desk.plan_open(T0 + HOUR)
    assert (planned.notices, [str(fault) for fault in planned.faults]) == (
        1,
        ["jobs/outage.yaml: its template is missing"],
    )
    assert "1 late first queued" in await ledger(database, "status")
