"""A coupon stays with its customer: over retries, failures and the next planning."""

from __future__ import annotations

from tests.acceptance.conftest import OpenShop, StartRelay


def test_the_code_of_a_mail_that_failed_is_kept_for_the_next_try_of_the_same_promise(
    shop: OpenShop, relay: StartRelay
) -> None:
    # Asked twice a year, promised once: the once-key of the first try is given back when it fails.
    here, post = shop(), relay({"to": {"moves@*": {"rcpt": ["550 5.1.1 no such user", "250 ok"]}}})
    here.relay(post.port)
    yearly = "purpose: commercial\ntrigger: manual\nonce: year\naudience: {attr: {group: a}}\ncoupon: "
    code = "{{ customer.id }} {{ coupon.code }} {{ coupon.percent }}"
    here.campaign("gift", yearly + "{kind: generated, prefix: GF, percent: 20, valid: 30d}\n", body=code)
    here.campaign(
        "fixed",
        "purpose: commercial\ntrigger: manual\naudience: {attr: {group: b}}\n"
        "coupon: {kind: static, code: BAHAR, percent: 5}\n",
        body=code,
    )
    here.customers(
        {"id": "moves", "email": "moves@x.example", "consent": "yes", "group": "a"},
        {"id": "stays", "email": "stays@x.example", "consent": "yes", "group": "a"},
        {"id": "other", "email": "other@x.example", "consent": "yes", "group": "b"},
        {"id": "third", "email": "third@x.example", "consent": "yes", "group": "b"},
        now="2027-01-01T00:00:00Z",
    )
    here.mailer("campaigns", "run", "gift", now="2027-02-01T08:00:00Z")
    here.run("2027-02-01T08:00:00Z")
    before = {each["customer"]: each for each in here.mailer("coupons", "list", "--json").rows}
    assert {name: each["state"] for name, each in before.items()} == {"moves": "released", "stays": "issued"}
    here.mailer("campaigns", "run", "gift", now="2027-03-01T08:00:00Z")
    here.mailer("campaigns", "run", "fixed", now="2027-03-01T08:00:00Z")
    here.run("2027-03-01T08:00:00Z")
    rows = here.deliveries()
    assert [
        (row["campaign"], row["occurrence"], row["customer"], row["reason"] or row["state"]) for row in rows
    ] == [
        ("gift", "2027-02-01", "moves", "refused"),
        ("gift", "2027-02-01", "stays", "sent"),
        ("gift", "2027-03-01", "moves", "sent"),
        ("gift", "2027-03-01", "stays", "too_soon"),
        ("fixed", "2027-03-01", "other", "sent"),
        ("fixed", "2027-03-01", "third", "sent"),
    ]
    after = here.mailer("coupons", "list", "--json").rows
    generated = {each["customer"]: each for each in after if each["campaign"] == "gift"}
    assert {name: each["code"] for name, each in generated.items()} == {
        name: each["code"] for name, each in before.items()
    }
    assert {name: each["state"] for name, each in generated.items()} == {"moves": "issued", "stays": "issued"}
    said = sorted(mail.get_body(("plain",)).get_content().split()[:3] for mail in post.mails())
    assert said == sorted(
        [[name, generated[name]["code"], "20"] for name in ("moves", "stays")]
        + [[name, "BAHAR", "5"] for name in ("other", "third")]
    )
