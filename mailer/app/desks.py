"""The use cases people have questions for."""

from __future__ import annotations

import asyncio
from functools import cached_property
from pathlib import Path

from mailer.app.stores import Stores
from mailer.core.customer_row import CustomerReader
from mailer.core.event_row import EventReader
from mailer.core.occurrence import never_comes
from mailer.core.trigger import AtTrigger
from mailer.errors import WARNING, CampaignFault, FileFault
from mailer.files import yaml
from mailer.files.zones import load_zones
from mailer.flow.campaigns import CampaignDesk
from mailer.flow.imports import CustomerImport, EventImport, ListLoad, PointImport
from mailer.flow.pools import PoolLoad, Stockroom
from mailer.flow.score import Scoring
from mailer.flow.segments import SegmentDesk
from mailer.flow.track import Tracking
from mailer.store.customer_merge import CustomerMerge
from mailer.store.events import Events
from mailer.store.lists import Lists
from mailer.store.points import Points
from mailer.store.pools import Pools
from mailer.store.segments import Segments
from mailer.store.unsubscribes import Unsubscribes


class Desks(Stores):
    """Imports, and questions about customers, segments, campaigns and coupons."""

    @property
    def customer_reader(self) -> CustomerReader:
        """Reads customers as the tenant means them."""
        return CustomerReader(load_zones(), self.rules.zone, self.settings.tenant.country)

    @property
    def customer_import(self) -> CustomerImport:
        """Takes customers in."""
        return CustomerImport(CustomerMerge(self.db, load_zones()), self.leases, self.customer_reader)

    @property
    def event_import(self) -> EventImport:
        """Takes events in."""
        return EventImport(Events(self.db, self.rules.zone), self.leases, EventReader(self.rules.zone))

    @property
    def point_import(self) -> PointImport:
        """Takes service points in."""
        return PointImport(Points(self.db), self.leases)

    @property
    def list_load(self) -> ListLoad:
        """Takes named lists in."""
        return ListLoad(Lists(self.db), self.leases)

    @property
    def pool_load(self) -> PoolLoad:
        """Takes coupon codes in."""
        return PoolLoad(Pools(self.db), self.leases)

    @cached_property
    def stockroom(self) -> Stockroom:
        """Whether coupons will do."""
        return Stockroom(
            campaigns=self.campaigns,
            stock=Pools(self.db),
            people=self.audience,
            zone=self.rules.zone,
            leap_day=self.settings.policy.leap_day,
        )

    @cached_property
    def segment_desk(self) -> SegmentDesk:
        """Questions about segments."""
        return SegmentDesk(Segments(self.db), self.segments, self.scoring)

    @cached_property
    def scoring(self) -> Scoring:
        """Keeps customers' scores fresh."""
        return Scoring(self.audience, self.segments, self.rules.zone)

    @cached_property
    def campaign_desk(self) -> CampaignDesk:
        """Questions about campaigns."""
        return CampaignDesk(
            campaigns=self.campaigns,
            sources=lambda: self.sources,
            people=self.audience,
            customers=self.customers,
            pauses=self.runs,
            scoring=self.scoring,
            zone=self.rules.zone,
            leap_day=self.settings.policy.leap_day,
        )

    async def late(self) -> list[FileFault]:
        """Campaigns whose one moment was over before they were here."""
        once = {
            name: each.trigger
            for name, each in self.campaigns.items()
            if each.enabled and isinstance(each.trigger, AtTrigger)
        }
        seen = await self.runs.seen(list(once), self.clock())
        found: list[FileFault] = []
        for name, trigger in once.items():
            if not never_comes(trigger, self.rules.zone, seen[name].first_seen_at):
                continue
            document = await asyncio.to_thread(yaml.read, Path(self.sources[name]))
            said = (
                f"trigger.at: {trigger.at.isoformat(timespec='minutes')} was over before this campaign was here, "
                "so it never goes out; write a time to come, or enabled: false"
            )
            found.append(CampaignFault(said, document.file, document.line(("trigger", "at")), WARNING))
        return found

    @cached_property
    def tracking(self) -> Tracking:
        """Reads links that come back."""
        return Tracking(self.keys, Unsubscribes(self.db), self.clock)
