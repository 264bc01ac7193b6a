"""What came of it all: reports of campaigns."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version

from mailer.app.base import seconds
from mailer.app.pacing import Paced
from mailer.flow.metrics import Meter
from mailer.flow.report import ReportDesk
from mailer.store.metrics import Figures
from mailer.store.reports import Reports
from mailer.store.revenue import Revenue


class Reporting(Paced):
    """Questions about what was sent."""

    @cached_property
    def reports(self) -> ReportDesk:
        """Reports of runs and campaigns."""
        return ReportDesk(Reports(self.db), Revenue(self.db), self.settings.tenant.currency)

    @cached_property
    def meter(self) -> Meter:
        """Figures for a monitoring system."""
        return Meter(
            figures=Figures(self.db),
            waiting=self.shelf.waiting,
            lost=lambda: self.trail.lost,
            relays={way.key: str(way) for way in self.settings.ways},
            version=version("mailer"),
            clock=self.clock,
            seconds=seconds,
        )
