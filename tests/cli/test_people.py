"""One customer by the command line: their story, all that is kept, and being forgotten."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Mailer

NOW = ("--now", "2027-04-02T07:00:00Z")


@pytest.fixture
def shop(mailer: Mailer, tmp_path: Path) -> Mailer:
    """With a customer whose name a spreadsheet would take for a formula, and mails planned."""
    (tmp_path / "more.jsonl").write_text(
        json.dumps(
            {"id": "C", "email": "cem@x.example", "first_name": "=1+1", "consent": "yes", "services": "fibre"}
        )
    )
    for file in ("customers.jsonl", "more.jsonl"):
        assert mailer("customers", "import", file, *NOW).status == 0
    assert mailer("campaigns", "run", "offer", *NOW).status == 0
    return mailer


def test_a_story_tells_every_mail_and_shows_it(shop: Mailer) -> None:
    told = shop("customers", "show", "C", *NOW)
    assert "offer of 2027-04-02 waits for its time and a sender." in told.out
    (facts,) = shop("customers", "show", "C", "--json", *NOW).rows
    assert [row["what"] for row in facts["timeline"]] == ["stored", "consent granted", "queued"]  # type: ignore[attr-defined]
    skipped = shop("customers", "show", "B", *NOW)
    assert "offer of 2027-04-02 was not sent:" in skipped.out
    number = str(facts["deliveries"][0]["id"])  # type: ignore[index]
    copy = shop("customers", "show", "C", "--mail", number, *NOW)
    assert "=1+1" in copy.out
    assert "so it would be made now" in copy.err
    other = shop("customers", "show", "A", "--mail", number, *NOW)
    assert (other.status, other.out) == (2, "")
    assert f"A has no delivery {number}" in other.err


def test_who_won_a_place_is_named(shop: Mailer) -> None:
    low = '{"purpose": "commercial", "trigger": "manual", "priority": 10, "template": "offer", "coupon": '
    Path("jobs/low.yaml").write_text(
        low + '{"kind": "generated", "prefix": "LO", "percent": 5, "valid": "7d"}}'
    )
    assert shop("campaigns", "run", "low", *NOW).status == 0
    told = shop("customers", "show", "C", *NOW)
    (facts,) = shop("customers", "show", "C", "--json", *NOW).rows
    first, second = facts["deliveries"]  # type: ignore[misc]
    won = f"offer of 2027-04-02 (delivery {first['id']}) had the place"
    assert f"low of 2027-04-02 was not sent: {won}." in told.out
    assert (second["reason"], second["why"]) == ("capped", won)
    rows = shop("deliveries", "--customer", "C", "--json", *NOW).rows
    assert [row["yielded_to"] for row in rows] == [
        [], [{"delivery": first["id"], "campaign": "offer", "occurrence": "2027-04-02"}],
    ]  # fmt: skip
    assert "capped: offer" in shop("deliveries", "--customer", "C", *NOW).out


def test_an_export_is_whole_and_no_cell_of_it_is_a_formula(shop: Mailer) -> None:
    whole = json.loads(shop("customers", "export", "C").out)
    assert (whole["email"], whole["first_name"], whole["services"]) == ("cem@x.example", "=1+1", ["fibre"])
    assert [row["campaign"] for row in whole["deliveries"]] == ["offer"]
    (line,) = shop("customers", "export", "C", "--json").rows
    assert line == whole
    table = list(csv.DictReader(shop("customers", "export", "C", "--format", "csv").out.splitlines()))
    cells = {(row["part"], row["number"], row["field"]): row["value"] for row in table}
    assert cells["customer", "1", "first_name"] == "'=1+1"
    assert cells["customer", "1", "services"] == '["fibre"]'
    assert cells["deliveries", "1", "campaign"] == "offer"


def test_erasing_is_done_once_and_a_script_is_not_asked(shop: Mailer) -> None:
    done = shop("customers", "erase", "C", "--json", *NOW)
    assert done.rows == [
        {"id": "C", "deliveries": 1, "cancelled": 1, "mails": 0, "others": [], "clicks_wait": False}
    ]
    assert "C is erased. 1 delivery row stays and names nobody; 1 had not left and never will." in done.err
    for words in (("erase", "C", "--yes"), ("erase", "nobody", "--yes"), ("export", "C"), ("show", "C")):
        again = shop("customers", *words)
        assert (again.status, again.out) == (2, ""), words
        assert "There is no customer" in again.err
    (run,) = shop("runs", "--json").rows
    assert (run["audience"], run["queued"], run["skipped"], run["cancelled"]) == (3, 1, 1, 1)
    gone = [row for row in shop("deliveries", "--json").rows if row["state"] == "cancelled"]
    assert [(row["customer"], row["address"]) for row in gone] == [(None, "")]


def test_whoever_is_imported_again_gets_no_mail(shop: Mailer) -> None:
    assert shop("customers", "erase", "C", "--yes", *NOW).status == 0
    assert shop("customers", "import", "more.jsonl", *NOW).status == 0
    assert shop("campaigns", "run", "offer", "--now", "2027-04-05T07:00:00Z").status == 0
    (row,) = shop("deliveries", "--customer", "C", "--json").rows
    assert (row["state"], row["reason"]) == ("skipped", "suppressed")


def test_at_a_terminal_the_id_has_to_be_typed(shop: Mailer, tmp_path: Path) -> None:
    for typed, ended in (("A", 2), ("C", 0)):
        ours, theirs = pty.openpty()
        os.write(ours, f"{typed}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "mailer", "customers", "erase", "C", *NOW],
            cwd=tmp_path, stdin=theirs, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        os.close(theirs)
        os.close(ours)
        assert done.returncode == ended, done.stderr
        assert "This removes everything of C (cem@x.example). It cannot be undone." in done.stderr
        assert ("That is not the id; nothing is erased." in done.stderr) is (ended == 2)
    assert shop("customers", "show", "C").status == 2
