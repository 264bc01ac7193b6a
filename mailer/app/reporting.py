"""What came of it all: reports of campaigns."""

from __future__ import annotations

from functools import cached_property

from mailer.app.pacing import Paced
from mailer.flow.report import ReportDesk
from mailer.store.reports import Reports
from mailer.store.revenue import Revenue


class Reporting(Paced):
    """Questions about what was sent."""

    @cached_property
    def reports(self) -> ReportDesk:
        """Reports of runs and campaigns."""
        return ReportDesk(Reports(self.db), Revenue(self.db), self.settings.tenant.currency)
