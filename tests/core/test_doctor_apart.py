"""What `doctor` looks at besides, where service mail has a sender of its own."""

from __future__ import annotations

from typing import Any

import pytest

from mailer.core.doctor import apart
from mailer.core.doctor.finding import Verdict
from mailer.core.doctor.sending import PublicKey
from tests.core.doctoring import SHOP, Zone, run, sending, verdicts

OTHER = "haber.example"
ZONE: Zone = {
    f"TXT {OTHER}": "v=spf1 ip4:203.0.113.1 -all",
    f"TXT _dmarc.{OTHER}": f"v=DMARC1; p=reject; rua=mailto:d@{OTHER}",
    f"MX {OTHER}": f"10 mx.{OTHER}",
    f"A mx.{OTHER}": "203.0.113.7",
    f"TXT s._domainkey.{OTHER}": "v=DKIM1; k=rsa; p=",
}
SPF = {"spf.record", "spf.lookups", "spf.address", "returns.mx"}
FROM = {"dmarc.record", "dmarc.policy", "dmarc.alignment", "sender.replies", "sender.domain"}


@pytest.mark.parametrize(
    ("shared", "own", "looked_at"),
    [
        ({}, None, set()),
        ({}, {"from_address": "info@shop.example"}, set()),
        ({}, {"from_domain": OTHER, "return_domain": OTHER}, SPF | FROM),
        ({"return_domain": "b.example"}, {"from_domain": OTHER, "return_domain": "b.example"}, FROM),
        ({"dkim_domain": "shop.example"}, {"dkim_domain": OTHER}, {"dkim.revoked"}),
        ({"selectors": ["s"]}, {"from_domain": OTHER}, {"dkim.revoked"} | FROM),
        ({"selectors": ["s"]}, {}, set()),
    ],
)
def test_what_the_two_do_not_share(
    shared: dict[str, Any], own: dict[str, Any] | None, looked_at: set[str]
) -> None:
    keys = [PublicKey("s", "rsa", "AAAA", "k.pem")]
    main = sending(keys=keys, **shared)
    whole = sending(keys=keys, **shared, apart=None if own is None else sending(keys=keys, **(shared | own)))
    assert main.apart is None
    found = [each for check in apart.checks(whole) for each in run(check, ZONE, whole)]
    assert set(verdicts(found)) >= looked_at - {"dmarc.alignment"}
    assert {each.check.partition(".")[0] for each in found} == {each.partition(".")[0] for each in looked_at}
    assert all(
        OTHER in f"{each.what} {each.where}" or each.where == "tenant.from" for each in found if each.where
    )


def test_a_domain_nobody_vouches_for_is_a_fault() -> None:
    """The return path is the other domain's, and the signature too: neither speaks for what readers see."""
    lonely = sending(from_domain=OTHER, return_domain="b.shop.example", dkim_domain="shop.example")
    whole = sending(return_domain="b.shop.example", dkim_domain="shop.example", apart=lonely)
    found = [each for check in apart.checks(whole) for each in run(check, ZONE, whole)]
    assert verdicts(found)["dmarc.alignment"] is Verdict.FAULT
    assert SHOP.apart is None
