"""What came of it, as `mailer report` says: a campaign with a holdout, codes, a goal, and orders that follow."""

from __future__ import annotations

import csv
import io

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import event

BEFORE, NOW, LATER = "2027-01-05T08:00:00Z", "2027-02-01T08:00:00Z", "2027-02-03T08:00:00Z"
CAMPAIGN = """
purpose: commercial
trigger: manual
holdout: 40%
goal: {event: order.placed, within: 7d}
coupon: {kind: generated, prefix: AB, percent: 10, valid: 30d}
"""
PEOPLE = 40


def test_a_report_tells_who_was_left_out_and_what_the_others_did(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    here.relay(post.port)
    here.campaign("gift", CAMPAIGN, body="{{ coupon.code }} {{ links.unsubscribe }}")
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@d{n % 2}.example", "consent": "yes"} for n in range(PEOPLE)),
        {"id": "no", "email": "no@d0.example", "consent": "no"},
        now=BEFORE,
    )
    here.mailer("campaigns", "run", "gift", now=NOW)
    here.run(NOW)
    deliveries = here.deliveries()
    sent = [row["customer"] for row in deliveries if row["state"] == "sent"]
    held = [row["customer"] for row in deliveries if row["reason"] == "holdout"]
    assert len(sent) + len(held) == PEOPLE
    assert 5 <= len(held) <= 30
    assert len(post.accepted) == len(sent)

    codes = {row["customer"]: row["code"] for row in here.mailer("coupons", "list", "--json").rows}
    assert set(codes) == set(sent)  # whoever is held out uses up no code
    buyers = sent[:4]
    bought = [event(f"o{who}", who, "order.placed", LATER, order=who, net=100) for who in (*buyers, held[0])]
    used = [event(f"r{who}", who, "coupon.redeemed", LATER, code=codes[who], order=who) for who in buyers[:2]]
    back = event("f", buyers[0], "order.refunded", LATER, order=buyers[0], net="30.50")
    here.events(*bought, *used, back, now=LATER)

    [line] = here.mailer("report", "gift", "--by", "campaign", "--json", now=LATER).rows
    assert line["audience"] == PEOPLE + 1
    assert line["skipped"] == {"holdout": len(held), "no_consent": 1}
    assert line["eligible"] == line["sent"] == line["accepted"] == line["coupons"] == len(sent)
    assert (line["goal"], line["goal_is"]) == (4, "order.placed within 7d")
    assert (line["redeemed"], line["orders_by_code"], line["orders_by_click"]) == (2, 2, 0)
    assert line["revenue"] == {"TRY": "169.50"}
    assert line["uplift"]["says"].startswith(f"not enough data: {len(held)} people were left out")
    assert line["uplift"]["mailed"] == {"people": len(sent), "reached": 4}
    assert line["uplift"]["held_out"] == {"people": len(held), "reached": 1}

    [row] = csv.DictReader(io.StringIO(here.mailer("report", "--csv", "-", now=LATER).out))
    assert (row["skipped_holdout"], row["goal"], row["revenue_TRY"]) == (str(len(held)), "4", "169.50")
    domains = here.mailer("report", "--by", "domain", "--json", now=LATER).rows
    assert sum(each["accepted"] for each in domains) == len(sent)
