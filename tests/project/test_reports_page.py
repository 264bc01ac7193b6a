"""docs/reports.md is held against what `mailer report` says."""

from __future__ import annotations

from datetime import UTC, datetime

from mailer.core.report import Funnel
from mailer.core.report_rows import COLUMNS, DOMAIN_COLUMNS
from mailer.flow.report import CampaignReport, RunReport
from mailer.store.reports import Head
from tests.project.pages import table

#: What a CSV file has of what is inside another in JSON.
APART = ("skipped_", "failed_", "uplift_")


def test_every_column_is_explained() -> None:
    head = Head(1, "offer", "2027-05-10", "finished", datetime(2027, 5, 10, tzinfo=UTC), None)
    lines = (
        RunReport(head, Funnel(), None).as_json(),
        CampaignReport("offer", 1, Funnel(), None, None).as_json(),
    )
    flat = {name for name in COLUMNS if not name.startswith(APART)}
    assert set(table("reports.md", "Columns")) == {name for line in lines for name in line} | flat


def test_the_columns_of_domains_are_explained() -> None:
    assert tuple(table("reports.md", "Recipients' domains")) == DOMAIN_COLUMNS
