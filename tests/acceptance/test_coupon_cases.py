"""Coupons as the shop's owner meets them: budgets, uploaded codes, what comes back, and a last reminder."""

from __future__ import annotations

import csv
import io
import json

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.post import RelayProcess
from tests.acceptance.shop import Shop

NOW = "2027-05-10T07:00:00Z"
SHOWN = "{{ customer.id }} {{ coupon.code }} {{ coupon.valid_until | default('') }}"


def people(here: Shop, wanted: int) -> None:
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(1, wanted + 1)),
        now="2027-05-01T07:00:00Z",
    )


def said(post: RelayProcess) -> list[tuple[str, str]]:
    """Customer and code of every mail, in the order they came."""
    bodies = [mail.get_body(("plain",)) for mail in post.mails()]
    words = [body.get_content().split() for body in bodies if body is not None]
    return [(each[0], each[1]) for each in words]


def test_uploaded_codes_from_the_file_to_the_till(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    here.relay(post.port)
    here.set(staff=["editor@shop.example"])
    pool = "coupon: {kind: pool, pool: shop, percent: 10, valid: 7d}\n"
    here.campaign("autumn", "purpose: commercial\ntrigger: manual\n" + pool, body=SHOWN)
    people(here, 4)
    codes = here.write("codes.txt", "AAA-1\nAAA-2\nAAA-1\n=1+1\n")
    loaded = here.mailer("coupons", "load", "shop", str(codes), "--json", now=NOW)
    assert loaded.rows == [{"created": 3, "updated": 0, "unchanged": 1, "rejected": []}]
    assert "line 3: code: The code 'AAA-1' is in the pool already." in loaded.err

    # A preview and a test use nothing up.
    assert "TEST-COUPON" in here.mailer("preview", "autumn", "--customer", "c1", "--format", "text").out
    here.mailer("test", "autumn", "--to", "editor@shop.example")
    assert [(who, code) for who, code in said(post) if code == "TEST-COUPON"]
    [stock] = here.mailer("coupons", "pools", "--json", now=NOW).rows
    assert (stock["available"], stock["total"], stock["low"]) == (3, 3, None)

    blocked = here.mailer("campaigns", "run", "autumn", now=NOW, status=2)
    assert "autumn needs 4 coupons and the pool shop has 3" in blocked.err
    assert here.runs() == []
    here.mailer("coupons", "load", "shop", str(here.write("more.txt", "code\nBBB-1\n")), now=NOW)
    launched = here.mailer("campaigns", "run", "autumn", now=NOW)
    assert "The coupon pool shop of autumn is empty" in launched.err
    here.run(NOW)
    sent = {who: code for who, code in said(post) if code != "TEST-COUPON"}
    assert sent == {"c1": "AAA-1", "c2": "AAA-2", "c3": "=1+1", "c4": "BBB-1"}

    table = list(csv.DictReader(io.StringIO(here.mailer("coupons", "export").out)))
    assert [(row["code"], row["customer"], row["state"], row["valid_until"]) for row in table] == [
        ("AAA-1", "c1", "issued", "2027-05-17"),
        ("AAA-2", "c2", "issued", "2027-05-17"),
        ("'=1+1", "c3", "issued", "2027-05-17"),
        ("BBB-1", "c4", "issued", "2027-05-17"),
    ]
    till = "2027-05-12T09:00:00Z"
    here.mailer("coupons", "redeem", "AAA-1", "--order", "o1", "--net", "129.90", now=till)
    late = here.mailer("coupons", "redeem", "BBB-1", now="2027-05-18T09:00:00Z", status=2)
    assert "good until 2027-05-17" in late.err
    used = {"name": "coupon.redeemed", "at": till, "customer": "c2"}
    rows = [
        used | {"id": "e1", "properties": {"code": "AAA-2", "order": "o3", "net": 50}},
        used | {"id": "e2", "properties": {"code": "AAA-1", "order": "o4"}},
    ]
    events = here.write("events.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    noted = here.mailer("events", "import", str(events), now=till)
    assert (
        "line 2: properties.code: The code AAA-1 was redeemed already on 2027-05-12 for the order o1."
        in noted.err
    )
    changed = here.mailer("coupons", "export", "--since", "2027-05-12", "--json").rows
    assert [(row["code"], row["state"], row["order"], row["net"]) for row in changed] == [
        ("AAA-1", "redeemed", "o1", "129.9"),
        ("AAA-2", "redeemed", "o3", "50"),
    ]


def test_a_reminder_shows_the_code_that_is_about_to_end_and_only_while_it_can_be_used(
    shop: OpenShop, relay: StartRelay
) -> None:
    here, post = shop(), relay()
    here.relay(post.port)
    here.campaign(
        "gift",
        "purpose: commercial\ntrigger: manual\n"
        "coupon: {kind: generated, prefix: GF, percent: 20, valid: 30d}\n",
        body=SHOWN,
    )
    here.campaign(
        "last_days",
        'purpose: commercial\ntrigger: {cron: "0 10 * * *", timezone: customer}\n'
        "audience: {coupon: {campaign: gift, state: issued, expires_in: 1..3}}\n"
        "once: {per: run, gap: 30d}\n"
        "coupon: {kind: reminder, of: gift}\n",
        body=SHOWN,
    )
    people(here, 2)
    here.mailer("campaigns", "run", "gift", now=NOW)
    here.run(NOW)  # good until 9 June
    first = dict(said(post))
    here.run("2027-06-05T07:00:00Z")
    assert len(post.mails()) == 2
    here.mailer("coupons", "redeem", first["c2"], now="2027-06-05T12:00:00Z")
    here.run("2027-06-06T07:00:00Z")
    assert said(post)[2:] == [("c1", first["c1"])]
    here.run("2027-06-07T07:00:00Z")
    rows = here.deliveries("--campaign", "last_days")
    assert [(row["occurrence"], row["customer"], row["reason"] or row["state"]) for row in rows] == [
        ("2027-06-06", "c1", "sent"),
        ("2027-06-07", "c1", "too_soon"),
    ]
    coupons = {each["customer"]: each["state"] for each in here.mailer("coupons", "list", "--json").rows}
    assert coupons == {"c1": "issued", "c2": "redeemed"}
