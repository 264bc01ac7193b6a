"""The shop of the demo: fictional customers around the world, and what they did before and at a given now.

All addresses lie under `.example` (RFC 2606 §3). What must show at once is given to customers who are awake
at `now`, wherever the clock stands: quiet hours hold the others, as they should.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

#: Local hours of commercial mail: after the campaigns' 10:00, and well before quiet hours begin at 21:00.
_OPENS, _CLOSES = time(10), time(20, 30)

_DAY = timedelta(days=1)

_LONG_AGO = (  # customer, days since the order, net in the tenant's currency
    ("K1001", 200, "649.90"), ("K1001", 55, "1180.00"), ("K1002", 90, "349.50"), ("K1003", 150, "420.00"),
    ("K1003", 41, "275.00"), ("K1005", 310, "1890.00"), ("K1007", 77, "560.00"), ("K1007", 33, "129.90"),
    ("K1012", 120, "799.00"), ("K1021", 64, "940.00"), ("K1023", 48, "310.00"), ("K1023", 29, "455.00"),
    ("K1025", 180, "720.00"), ("K1027", 95, "389.00"), ("K1031", 61, "1260.00"), ("K1034", 140, "205.00"),
    ("K1037", 38, "585.00"),
)  # fmt: skip

_NEWCOMERS = ("K1016", "K1017", "K1026")  # confirm their opt-in at `now`
_RETURNING = "K1012"  # confirms it too, and has ordered before: no code for a first order

_POSTS = (
    (
        54, "kahve", "Evde iyi kahve için beş küçük adım", "Five small steps to better coffee at home",
        "Taze çekirdek, doğru su, biraz sabır: baristalardan öğrendiğimiz beş basit alışkanlık.",
        "Fresh beans, the right water, a little patience: five simple habits we learnt from baristas.",
    ),
    (
        30, "corba", "Kış sofrasına üç çorba", "Three soups for a winter table",
        "Tarhana, mercimek ve balkabağı; üçü de yarım saatte hazır.",
        "Tarhana, lentil and pumpkin; each of them ready in half an hour.",
    ),
    (
        5, "keten", "Keten nasıl yıkanır?", "How to wash linen",
        "Ilık su, az sıkma, gölgede kurutma: ketenin yıllarca yumuşak kalması için bilmeniz gerekenler.",
        "Lukewarm water, a gentle spin, shade: what keeps linen soft for years.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class _Roles:
    """Who shows what today, by id. No customer has two roles: one commercial mail a day is the rule."""

    birthday: tuple[str, ...]
    referral: tuple[str, ...]
    bought: tuple[str, ...]


def demo_customers(now: datetime) -> list[dict[str, Any]]:
    """Rows for the customer import; some have their birthday on their own local `now`.

    Import them as of some weeks ago: a birthday counts thirty days after it was entered.
    """
    people = _people()
    celebrating = _roles(people, now).birthday
    for person in people:
        if person["id"] in celebrating:
            today = now.astimezone(_zone(person)).date()
            person["birthday"] = _born_on(today, person["birthday"])
    return people


def demo_points() -> list[dict[str, Any]]:
    """Rows for the service point import: where the demo's internet customers use their line."""
    return list(_rows("points.csv"))


def demo_events(now: datetime) -> list[dict[str, Any]]:
    """Rows for the event import: past orders, and at `now` new opt-ins and deliveries turning a week old."""
    people = {person["id"]: person for person in _people()}
    roles = _roles(list(people.values()), now)
    events: list[dict[str, Any]] = []
    for number, (customer, days, net) in enumerate(_LONG_AGO):
        events += _order(customer, f"K-{20100 + number}", net, now - timedelta(days=days), timedelta(days=3))
    for number, customer in enumerate(roles.referral):
        first, arrived = now - timedelta(days=66), _days_before(now, 7, _zone(people[customer]))
        events += _order(customer, f"K-{20300 + number}", "498.00", first, timedelta(days=2))
        events += _order(customer, f"K-{20400 + number}", "365.50", arrived - 3 * _DAY, 3 * _DAY)
    for number, customer in enumerate(roles.bought):
        events += _order(customer, f"K-{20500 + number}", "240.00", now - timedelta(hours=5), None)
    refunded = {"order": "K-20102", "net": "349.50", "currency": "TRY"}
    events.append(_event("K1002", "order.refunded", now - timedelta(days=80), "K-20102", refunded))
    events.append(_event("K1005", "survey.answered", now - timedelta(days=20), "1", {"score": 10}))
    events.append(_event("K1034", "survey.answered", now - timedelta(days=12), "1", {"score": 6}))
    for days in (2, 9):
        events.append(
            _event("K1008", "product_viewed", now - timedelta(days=days), f"{days}", {"product": "moka pot"})
        )
    events += [_event(customer, "consent.confirmed", now, "1", {}) for customer in (*_NEWCOMERS, _RETURNING)]
    return sorted(events, key=lambda event: (event["at"], event["id"]))


def demo_posts(now: datetime) -> list[dict[str, Any]]:
    """Rows for the event import: what the shop published in the last days."""
    return [
        {
            "id": f"demo-post-{slug}",
            "customer": None,
            "name": "post.published",
            "at": _text(now - timedelta(hours=hours)),
            "properties": {
                "title": title,
                "summary": summary,
                "url": f"https://kardelen.example/yazilar/{slug}",
                "title_en": title_en,
                "summary_en": summary_en,
            },
        }
        for hours, slug, title, title_en, summary, summary_en in _POSTS
    ]


def demo_incident() -> dict[str, Any]:
    """An outage to open: what it is, whom it affects, and how long from now the estimates lie."""
    return {
        "title": "Kadıköy fiber hat arızası",
        "services": ["fibre"],
        "postal": ["3471*", "3472*"],
        "message": "Moda çevresinde internet bağlantısı kesildi. Ekiplerimiz yola çıktı, hattı yerinde inceleyecek.",
        "titles": (("en", "Fibre line fault in Kadıköy"),),
        "messages": (
            ("en", "The internet is down around Moda. Our crew is on its way to look at the line on site."),
        ),
        "eta_in": timedelta(hours=2),
        "next_update_in": timedelta(minutes=45),
    }


def _people() -> list[dict[str, Any]]:
    people = list(_rows("customers.csv"))
    for person in people:
        person["interests"] = [word for word in person["interests"].split(";") if word]
    return people


def _rows(name: str) -> Iterator[dict[str, Any]]:
    text = files(__package__).joinpath(name).read_text("utf-8")
    yield from csv.DictReader(io.StringIO(text))


def _roles(people: list[dict[str, Any]], now: datetime) -> _Roles:
    """Deal the parts out to those awake, in turn and for each language, so that every part shows in both."""
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for turkish in (True, False):
        awake = [
            person["id"]
            for person in people
            if person["consent"] == "yes"
            and person["locale"].startswith("tr" if turkish else "en")
            and person["id"] not in {"K1001", "K1020"}  # two records of one address would blur the picture
            and _OPENS <= now.astimezone(_zone(person)).time() < _CLOSES
        ]
        for offset, part in enumerate(parts):
            part.extend(awake[offset :: len(parts)][:2])
    return _Roles(*(tuple(part) for part in parts))


def _zone(person: Mapping[str, Any]) -> ZoneInfo:
    return ZoneInfo(person["timezone"])


def _born_on(today: date, birthday: str) -> str:
    """Today's day of the year, keeping the year of birth where that year has the day."""
    year = birthday.partition("-")[0] or "-"
    if (today.month, today.day) == (2, 29):
        year = "1996"
    return f"{year}-{today:%m-%d}" if year != "-" else f"--{today:%m-%d}"


def _days_before(now: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same wall time `days` calendar days earlier, so that `after: 7d` falls on `now`."""
    local = now.astimezone(zone)
    return (local - timedelta(days=days)).astimezone(UTC)


def _order(
    customer: str, order: str, net: str, placed: datetime, takes: timedelta | None
) -> Iterator[dict[str, Any]]:
    facts = {"order": order, "net": net, "currency": "TRY"}
    yield _event(customer, "order.placed", placed, order, facts)
    if takes is not None:
        yield _event(customer, "order.delivered", placed + takes, order, {"order": order})


def _event(customer: str, name: str, at: datetime, key: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"demo-{customer}-{name}-{key}",
        "customer": customer,
        "name": name,
        "at": _text(at),
        "properties": dict(properties),
    }


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
