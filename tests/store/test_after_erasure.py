"""What comes after somebody was erased: imports, old links, bounces. Nothing of it brings them back."""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, func, select

from mailer.core.area import Area
from mailer.core.booking import SoftRule
from mailer.core.bounce import Fault, Kind, Returned
from mailer.core.customer_row import CustomerRow
from mailer.core.delivery import State
from mailer.core.event import By
from mailer.core.incident import Incident, IncidentState, Update
from mailer.core.redemption import Redemption
from mailer.core.run import Reserve
from mailer.core.tracking import Hit, Judged
from mailer.errors import UsageError
from mailer.files.zones import load_zones
from mailer.store.answers import AnswerBook
from mailer.store.barred import alone
from mailer.store.control import Control
from mailer.store.customer_merge import CustomerMerge
from mailer.store.engine import Database
from mailer.store.hits import Hits
from mailer.store.redemptions import Redemptions
from mailer.store.returned import Book
from mailer.store.suppressions import Suppressions
from mailer.store.tables import coupon, customer, delivery, incident
from mailer.store.unsettled import unsettled
from mailer.store.unsubscribes import Unsubscribes
from tests.store.persons import ADDRESS, HOUR, NAME, SECRETS, WHO, a_person, erase, everything
from tests.store.planned import a_row, plan
from tests.store.rows import NOW, a_customer_row, a_delivery, a_run, add

CODE = Reserve(kind="static", code="HOSGELDIN", percent=10)


async def test_whoever_was_erased_stays_barred_when_imported_again(database: Database) -> None:
    await a_person(database)
    await erase(database)
    merge = CustomerMerge(database, load_zones())
    again = CustomerRow(2, "new-id", {"email": ADDRESS}, {}, email_key=ADDRESS.lower())
    other = CustomerRow(3, "other", {"email": "b@ev.example"}, {}, email_key="b@ev.example")
    await merge.merge([again, other], NOW)
    book = Suppressions(database)
    assert await book.of(ADDRESS) == {"all": "erased"}
    assert await book.of("b@ev.example") == {}
    assert await book.remove(ADDRESS) == ["all"]
    moved = CustomerRow(4, "other", {"email": ADDRESS}, {}, email_key=ADDRESS.lower())
    await merge.merge([moved], NOW)
    assert await book.of(ADDRESS) == {}, "a person lifted it"


async def test_what_comes_later_about_a_mail_of_theirs_names_nobody(database: Database) -> None:
    numbers = await a_person(database)
    await a_customer_row(database, "without", email="")
    await erase(database)
    what = Returned(Kind.COMPLAINT, "arf", recipient=ADDRESS, diagnostic=f"<{ADDRESS}> hates it")
    booked = await Book(database, SoftRule()).write(what, None, NOW, delivery_id=numbers["sent"])
    assert booked is not None
    dead = Returned(Kind.BOUNCE, "dsn", recipient=ADDRESS, status="5.1.1", diagnostic=f"no {ADDRESS}")
    assert await Book(database, SoftRule()).write(dead, Fault.DEAD, NOW, delivery_id=numbers["sent"])
    assert "gizli" not in (await everything(database)).lower()
    async with database.read() as connection:
        assert (
            await connection.scalar(select(customer.c.consent).where(customer.c.ext_id == "without")) == "yes"
        )
    with pytest.raises(UsageError, match="for somebody who is erased"):
        await Control(database).retry(numbers["waiting"], NOW)
    with pytest.raises(UsageError, match="was taken back"):
        await Redemptions(database, ZoneInfo("UTC")).tell(Redemption("TS-HELD", NOW), NOW)


async def test_links_in_old_mails_bring_no_address_back(database: Database) -> None:
    numbers = await a_person(database)
    await erase(database)
    book, whom = AnswerBook(database, ZoneInfo("UTC")), (numbers["who"], ADDRESS)
    stop = Unsubscribes(database)
    of = {"delivery_id": numbers["sent"], "how": "one-click", "now": NOW}
    assert await stop.revoke(numbers["who"], ADDRESS, **of) is False
    assert await book.choose(whom, {"news": False}, False, {}, NOW) is False
    assert (await book.choices(*whom)).unsubscribed
    assert await book.note(whom, "survey.answered", "survey:1", {"score": 9}, NOW) is None
    await Hits(database).book(
        [(Hit("h1", "clicked", numbers["sent"], NOW, 0.0, f"https://x/{WHO}", NAME), Judged(By.HUMAN))]
    )
    # What a provider says of an address alone.
    for kind, fault, extra in ((Kind.BOUNCE, Fault.DEAD, "a"), (Kind.COMPLAINT, None, "b")):
        what = Returned(kind, "ses", recipient=ADDRESS, event_id=extra, vouched=True)
        assert await Book(database, SoftRule()).write(what, fault, NOW, delivery_id=None) is None
    assert [secret for secret in SECRETS if secret.lower() in (await everything(database)).lower()] == []


async def test_a_code_they_were_given_still_counts(database: Database) -> None:
    await a_person(database)
    async with database.write() as connection:
        await connection.execute(
            coupon.update().where(coupon.c.code == "TS-GIVEN").values(redeemed_order=None)
        )
    await erase(database)
    answer = await Redemptions(database, ZoneInfo("UTC")).tell(Redemption("TS-GIVEN", NOW + 10 * HOUR), NOW)
    assert (answer.problem, answer.holder) == (None, None)


async def test_an_incident_ends_though_somebody_who_was_told_is_erased(database: Database) -> None:
    outage = await add(
        database, incident, title="No light", state="open", planned=False, opened_at=NOW, services=[], postal=[],
        lists=[], exclusions=[],
    )  # fmt: skip
    first = await a_run(database, "outage", purpose="service", incident_id=outage, incident_update=1)
    whom = [await a_customer_row(database, each) for each in (WHO, "neighbour")]
    for each in whom:
        await a_delivery(
            database, first, each, kind="first", purpose="service", state=State.SENT, sent_at=NOW
        )
    await erase(database)
    began = Update(1, IncidentState.INVESTIGATING, "No light", Area(), NOW, "me")
    ended = Update(2, IncidentState.RESOLVED, "No light", Area(), NOW + HOUR, "me")
    of = Incident(outage, planned=False, opened_at=NOW, updates=(began, ended), published_at=NOW)
    async with database.read() as connection:
        assert await unsettled(connection, of, "outage", joining=False) == [whom[1]]


async def test_who_comes_in_while_somebody_with_their_address_is_erased_is_barred(database: Database) -> None:
    await a_person(database)
    again = CustomerRow(2, "new-id", {"email": ADDRESS}, {}, email_key=ADDRESS.lower())
    merge = CustomerMerge(database, load_zones())
    await asyncio.gather(erase(database), merge.merge([again], NOW))
    assert (await Suppressions(database).of(ADDRESS))["all"] == "erased"


async def test_whoever_was_erased_since_their_row_was_decided_is_left_out(database: Database) -> None:
    await a_person(database)
    async with database.read() as connection:
        gone = await connection.scalar(select(customer.c.id).where(customer.c.ext_id == WHO))
    await erase(database)
    here = await a_customer_row(database)
    run_id = await plan(database, [a_row(int(gone or 0), CODE), a_row(here, CODE)])
    async with database.read() as connection:
        planned = await connection.scalars(select(delivery.c.customer_id).where(delivery.c.run_id == run_id))
        assert planned.all() == [here]


async def test_planning_waits_while_somebody_is_erased(postgresql_database: Database) -> None:
    going = await a_customer_row(postgresql_database)
    async with postgresql_database.write() as connection:
        await alone(connection)
        planning = asyncio.create_task(plan(postgresql_database, [a_row(going, CODE)]))
        done, _waiting = await asyncio.wait([planning], timeout=0.3)
        assert not done
        await connection.execute(delete(customer).where(customer.c.id == going))
    await planning
    async with postgresql_database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(delivery)) == 0
