"""Who starts a program decides what its streams are: some may be closed, full, or a terminal that goes away."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import OpenShop

NOW = "2027-05-10T09:00:00Z"


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_mails_leave_whatever_the_streams_are(shop: OpenShop, streams: str) -> None:
    here = shop()
    here.campaign("hello", f'purpose: service\ntrigger: {{at: "{NOW[:16]}", timezone: UTC}}\n')
    here.customers({"id": "1", "email": "one@x.example"}, now="2027-01-01T00:00:00Z")
    there = ("/bin/sh", "-c", f'exec "$@" {streams}', "sh")
    here.start("run", "--until-idle", now=NOW, before=there).end()
    assert [row["state"] for row in here.deliveries()] == ["sent"]


@pytest.mark.parametrize("charset", ["ascii", "iso-8859-9"])
def test_files_and_programs_get_utf8_in_every_locale(shop: OpenShop, charset: str) -> None:
    here = shop()
    here.customers({"id": "1", "email": "isik@x.example", "first_name": "Işık…"}, now="2027-01-01T00:00:00Z")
    answer = here.start(
        "customers", "list", "--json", env={"PYTHONIOENCODING": charset}, before=("/usr/bin/env",)
    ).end()
    assert answer.rows[0]["first_name"] == "Işık…"
