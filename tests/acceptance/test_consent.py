"""The registry of consent and the tokens of programs, by the commands people have."""

from __future__ import annotations

import json

from tests.acceptance.conftest import OpenShop

MONDAY = "2027-05-10T08:00:00Z"
FRIDAY = "2027-05-14T08:00:00Z"
ALL = [
    {"id": name, "email": f"{name}@away.example", "consent": "yes", "consent_at": MONDAY} for name in "abc"
]


def test_the_registry_is_told_and_heeded(shop: OpenShop) -> None:
    here = shop()
    here.set(consent={"regime": "tr", "registry": {"folder": "iys", "since": "2027-01-01"}})
    here.campaign("gift", "purpose: commercial\ntrigger: manual\n")
    here.customers(*ALL, now=MONDAY)
    [told] = here.mailer("consent", "upload", "--json", now=MONDAY).rows
    records = [json.loads(line) for line in (here.folder / told["file"]).read_text("utf-8").splitlines()]
    assert [(each["recipient"], each["status"]) for each in records] == [
        (f"{name}@away.example", "ONAY") for name in "abc"
    ]
    answers = "recipient,status,consentDate\na@away.example,ONAY,\nb@away.example,RET,2027-05-11 10:00:00\n"
    here.mailer("consent", "import", str(here.write("answers.csv", answers)), now=FRIDAY)
    here.mailer("campaigns", "run", "gift", now=FRIDAY)  # c was not confirmed by Thursday night
    reasons = {
        each["customer"]: (each["state"], each["reason"]) for each in here.mailer("deliveries", "--json").rows
    }
    assert reasons == {
        "a": ("queued", None), "b": ("skipped", "no_consent"), "c": ("skipped", "no_consent"),
    }  # fmt: skip


def test_a_token_is_made_listed_and_revoked(shop: OpenShop) -> None:
    here = shop()
    [made] = here.mailer("tokens", "create", "till", "--scope", "coupons:read", "--json").rows
    assert made["token"].startswith("mailer_")
    here.mailer("tokens", "revoke", "till")
    [listed] = here.mailer("tokens", "list", "--json").rows
    assert listed["revoked_at"] is not None
    assert made["token"].rpartition("_")[2] not in json.dumps(listed)
    wrong = here.mailer("tokens", "create", "x", "--scope", "everything", status=2)
    assert "There is no scope 'everything'" in wrong.err
