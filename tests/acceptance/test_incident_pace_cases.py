"""Planned work, the pace of updates, areas on the map and people without an address, through the commands."""

from __future__ import annotations

import json
from typing import Any

from tests.acceptance.conftest import OpenShop
from tests.acceptance.plays import small
from tests.acceptance.shop import Shop


def told(here: Shop) -> list[tuple[Any, ...]]:
    """Who was sent what, and when."""
    return [
        (row["customer"], row["occurrence"], row["sent_at"])
        for row in here.deliveries()
        if row["state"] == "sent"
    ]


def test_planned_work_speaks_of_its_date_and_ends_by_itself(shop: OpenShop) -> None:
    here = shop("outage")
    here.customers({"id": "A", "email": "a@x.example", "postal_code": "34710"}, now="2027-02-01T00:00:00Z")
    here.mailer(
        *("incidents", "open", "--title", "Bakım", "--postal", "34710"),
        *("--starts", "2027-02-10T02:00", "--ends", "2027-02-10T04:00"),
        now="2027-02-05T08:00:00Z",
    )
    here.run("2027-02-07T07:00:00Z")
    move = ("incidents", "update", "1", "--reschedule", "--starts", "2027-02-11T02:00")
    here.mailer(*move, now="2027-02-08T12:00:00Z")
    for moment in ("02-08T12:00", "02-10T07:00", "02-11T02:00"):
        here.run(f"2027-{moment}:00Z")
    (line,) = here.mailer("incidents", "list", "--json", now="2027-02-11T02:00:00Z").rows
    assert (line["state"], line["starts_at"]) == ("completed", "2027-02-10T23:00:00Z")
    subjects = [row["subject"] for row in here.mailer("mailbox", "list", "--json").rows]
    assert sorted(subject.split(" – ")[0] for subject in subjects) == [
        "Hatırlatma: planlı çalışma, 11 Şubat 02:00",
        "Planlı çalışma yapacağız, 10 Şubat 02:00",
        "Planlı çalışmanın tarihi değişti, 11 Şubat 02:00",
    ]


def test_news_that_was_promised_and_whom_no_mail_reaches(shop: OpenShop) -> None:
    here = small(shop("outage"), "outage")
    here.customers(
        {"id": "A", "email": "a@x.example", "postal_code": "34710"},
        {"id": "mute", "email": "", "postal_code": "34710"},
        now="2027-01-14T00:00:00Z",
    )
    here.mailer(
        *("incidents", "open", "--title", "Hat arızası", "--postal", "34710"),
        *("--next-update", "2027-01-15T10:10:00Z"),
        now="2027-01-15T10:00:00Z",
    )
    here.run("2027-01-15T10:00:00Z")
    alarm = "were promised news by 2027-01-15T10:10:00Z"
    assert alarm in here.run("2027-01-15T10:11:00Z").err
    assert alarm not in here.run("2027-01-15T10:11:30Z").err
    (line,) = here.mailer("incidents", "list", "--json", now="2027-01-15T10:11:30Z").rows
    assert line["overdue"] is True
    unreachable = here.mailer("incidents", "show", "1", "--unreachable", "--json").rows
    assert [(row["customer"], row["address"]) for row in unreachable] == [("mute", "")]


def test_an_area_on_the_map_grows_and_shrinks(shop: OpenShop) -> None:
    here = small(shop("outage"), "outage")
    here.customers(
        *({"id": name, "email": f"{name}@x.example"} for name in ("in", "edge", "out", "hole")),
        now="2027-01-14T00:00:00Z",
    )
    here.write(
        "points.csv",
        "customer,id,service,lat,lon,label\n"
        "in,1,fibre,1,1,Ev\nin,2,fibre,2,2,İş\nedge,1,fibre,5,10,Ev\nout,1,fibre,5,11,Ev\nhole,1,fibre,5,5,Ev\n",
    )
    here.mailer("points", "import", "points.csv", now="2027-01-14T00:00:00Z")
    square = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
    hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    for name, rings in (("small", [square, hole]), ("large", [square])):
        geometry = {"type": "Polygon", "coordinates": rings}
        here.write(f"{name}.geojson", json.dumps({"type": "Feature", "geometry": geometry}))
    here.mailer(
        "incidents", "open", "--title", "Kesinti", "--area", "small.geojson", now="2027-01-15T08:00:00Z"
    )
    here.run("2027-01-15T08:00:00Z")
    for hour, area in (("09", "large"), ("10", "small")):
        now = f"2027-01-15T{hour}:00:00Z"
        here.mailer("incidents", "update", "1", "--area", f"{area}.geojson", now=now)
        here.run(now)
    here.mailer("incidents", "resolve", "1", now="2027-01-15T11:00:00Z")
    here.run("2027-01-15T11:00:00Z")
    assert told(here) == [
        ("in", "1:1", "2027-01-15T08:00:00Z"),
        ("edge", "1:1", "2027-01-15T08:00:00Z"),
        ("hole", "1:2", "2027-01-15T09:00:00Z"),
        ("hole", "1:3", "2027-01-15T10:00:00Z"),  # not affected any more, and no closure
        ("in", "1:4", "2027-01-15T11:00:00Z"),
        ("edge", "1:4", "2027-01-15T11:00:00Z"),
    ]
    refused = here.mailer("incidents", "preview", "--area", "points.csv", status=2)
    assert refused.err.strip() == "--area points.csv: it is not JSON."
