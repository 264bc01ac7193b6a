"""What comes back by mail: a real Postfix takes our mails, is refused further on, and reports to us."""

from __future__ import annotations

import json
import re
from typing import Any

from tests import ports
from tests.acceptance import postfix
from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import balanced, wait_until

NOW = "2027-05-10T08:00:00Z"
NOBODY = "550 5.1.1 <dead@away.example>: Recipient address rejected: User unknown"
FULL = "552 5.2.2 mailbox full"
CUSTOMERS = [
    {"id": name, "email": f"{name}@away.example", "consent": "yes"} for name in ("dead", "full", "fine")
]


def test_a_mail_refused_later_comes_back_as_a_report_and_is_booked_to_its_delivery(
    shop: OpenShop, relay: StartRelay
) -> None:
    onward = relay({"to": {"dead@*": {"rcpt": NOBODY}, "full@*": {"rcpt": FULL}}})
    with (
        ports.held() as back,
        postfix.running(onward.port, {"bounce.kardelen.example": back}) as server,
    ):
        here = shop()
        here.relay(server.port)
        here.set(bounces={"address": "b@bounce.kardelen.example", "listen": f"127.0.0.1:{back}"})
        here.campaign(
            "gift",
            "purpose: commercial\ntrigger: manual\ncoupon: {kind: generated, prefix: GF, percent: 20}\n",
            body="{{ coupon.code }}",
        )
        here.customers(*CUSTOMERS, now=NOW)
        here.mailer("campaigns", "run", "gift", now=NOW)
        taking = here.start("inbound", now=NOW)
        postfix.until_it_answers(back)  # who is refused once comes again after minutes
        here.run(NOW)

        def rows() -> dict[str, dict[str, Any]]:
            return {row["customer"]: row for row in here.deliveries()}

        wait_until(lambda: [row["state"] for row in rows().values()].count("failed") == 2)
        found = rows()
        taking.signal(15)
        taking.end()

        assert {name: (row["state"], row["reason"]) for name, row in found.items()} == {
            "dead": ("failed", "bounced"), "full": ("failed", "bounced"), "fine": ("sent", None),
        }  # fmt: skip
        assert "5.1.1" in found["dead"]["reply"]
        assert "User unknown" in found["dead"]["reply"]
        assert found["dead"]["sent_at"] is not None  # it had left
        [run] = here.runs()
        assert balanced(run)
        assert (run["sent"], run["failed"]) == (1, 2)
        assert server.log.read_text().count("status=bounced") == 2
        # Every mail had an address of its own to come back to, in the envelope alone.
        senders = set(re.findall(r"from=<(b\+[0-9a-f-]+@bounce\.kardelen\.example)>", server.log.read_text()))
        assert len(senders) == 3
        assert {mail["From"] for mail in onward.mails()} == {"Kardelen <merhaba@kardelen.example>"}

        # An address nobody lives at is not written to any more; a full mailbox may be emptied.
        [suppressed] = here.mailer("suppressions", "list", "--json").rows
        assert suppressed["address"] == "dead@away.example"
        assert (suppressed["scope"], suppressed["reason"]) == ("all", "bounced")
        assert suppressed["source"] == f"5.1.1 (dsn) of delivery {found['dead']['id']}"
        here.customers(*CUSTOMERS, now=NOW)  # importing again lifts nothing
        assert len(here.mailer("suppressions", "list", "--json").rows) == 1
        codes = {row["customer"]: row["state"] for row in here.mailer("coupons", "list", "--json").rows}
        assert codes == {"dead": "quarantined", "full": "quarantined", "fine": "issued"}

        story = json.loads(here.mailer("customers", "show", "dead", "--json").out)
        assert story["deliveries"][0]["why"] == "it came back"
        here.mailer("campaigns", "run", "gift", now="2027-05-12T08:00:00Z")
        again = {
            row["customer"]: row
            for row in here.deliveries()
            if row["occurrence"] != found["dead"]["occurrence"]
        }
        assert again["dead"]["reason"] == "suppressed"
