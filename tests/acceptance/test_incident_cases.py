"""An outage told through the commands: who hears what, and who does not."""

from __future__ import annotations

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import balanced


def test_case_16_an_area_that_grows_and_a_notice_that_never_left(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop("outage"), relay({"to": {"c@*": {"rcpt": "451 4.7.1 come back later"}}})
    here.relay(post.port)
    here.customers(
        {"id": "A", "email": "a@x.example", "postal_code": "34710", "services": "fibre"},
        {"id": "B", "email": "b@x.example", "postal_code": "34722", "services": "fibre"},
        {"id": "C", "email": "c@x.example", "postal_code": "34710", "services": "fibre"},
        {"id": "far", "email": "far@x.example", "postal_code": "35000", "services": "fibre"},
        now="2027-01-14T00:00:00Z",
    )
    opened = here.mailer(
        "incidents", "open", "--title", "Hat arızası", "--postal", "34710", now="2027-01-15T08:00:00Z"
    )
    number = opened.out.strip()
    here.run("2027-01-15T08:00:00Z")
    assert post.accepted == ["a@x.example"]
    here.mailer("incidents", "update", number, "--add-postal", "34722", now="2027-01-15T09:00:00Z")
    here.run("2027-01-15T09:00:00Z")
    here.mailer("incidents", "resolve", number, now="2027-01-15T11:00:00Z")
    here.run("2027-01-15T11:00:00Z")
    rows = here.deliveries()
    told = sorted((row["customer"], row["occurrence"], row["state"], row["sent_at"]) for row in rows)
    assert told == [
        ("A", f"{number}:1", "sent", "2027-01-15T08:00:00Z"),
        ("A", f"{number}:3", "sent", "2027-01-15T11:00:00Z"),
        ("B", f"{number}:2", "sent", "2027-01-15T09:00:00Z"),
        ("B", f"{number}:3", "sent", "2027-01-15T11:00:00Z"),
        ("C", f"{number}:1", "cancelled", None),
        ("C", f"{number}:2", "cancelled", None),
    ]
    assert post.accepted == ["a@x.example", "b@x.example", "a@x.example", "b@x.example"]
    assert all(balanced(run) for run in here.runs())
    mails = post.mails()
    ids = {(row["customer"], row["occurrence"]): row["message_id"] for row in rows}
    for mail in mails:
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["List-Unsubscribe"] is None
    for mail in mails[2:]:
        who = "A" if "a@x" in mail["To"] else "B"
        first = ids[who, f"{number}:{1 if who == 'A' else 2}"]
        assert mail["Message-ID"] == ids[who, f"{number}:3"]
        assert (mail["In-Reply-To"], mail["References"]) == (first, first)


def test_case_11_one_notice_lists_every_affected_point(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop("outage", "offer"), relay()
    here.relay(post.port)
    someone = {"locale": "tr", "consent": "yes"}
    here.customers(
        {"id": "1", "email": "Ayse@x.example", **someone},
        {"id": "2", "email": "ayse@X.example", **someone},
        {"id": "3", "email": "can@x.example", **someone},
        now="2027-01-14T00:00:00Z",
    )
    here.write(
        "points.csv",
        "customer,id,service,postal_code,label\n3,ev,fibre,34710,Ev\n3,is,fibre,34722,Dükkân\n3,yazlik,fibre,48400,Yazlık\n",
    )
    here.mailer("points", "import", "points.csv", now="2027-01-14T00:00:00Z")
    here.mailer("campaigns", "run", "offer", now="2027-01-15T08:00:00Z")
    here.mailer("incidents", "open", "--title", "Kesinti", "--postal", "347*", now="2027-01-15T08:00:00Z")
    here.run("2027-01-15T08:00:00Z")
    rows = here.deliveries()
    assert sorted((row["campaign"], row["customer"], row["state"], row["reason"]) for row in rows) == [
        ("offer", "1", "sent", None),
        ("offer", "2", "skipped", "duplicate"),
        ("offer", "3", "sent", None),
        ("outage", "3", "sent", None),
    ]
    assert post.accepted[0] == "can@x.example"  # the outage goes before everything else
    notice = post.mails()[0].get_body(("plain",)).get_content()
    assert "Ev" in notice
    assert "Dükkân" in notice
    assert "Yazlık" not in notice
