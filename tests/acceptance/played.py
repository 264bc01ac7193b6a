"""A case of the domain, played twice: for real, look by look, and as a rehearsal of the same days."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mailer import settings as settings_file
from mailer.app import App
from mailer.core.area import Area
from mailer.core.campaign import Campaign
from mailer.core.importing import Columns
from mailer.core.rehearsal import Window
from mailer.errors import FileFault
from mailer.files.rows import RowFile
from mailer.flow.notify import Draft
from mailer.smtp.session import Session
from mailer.testing import FakeTransport, FrozenClock
from mailer.twin import rehearsal
from tests.acceptance.shop import SETTINGS

#: (campaign, occurrence, customer, send or skip, why not, when it was sent)
Answer = tuple[str, str, str, str, str | None, str | None]

_OUTCOMES = {"sent": "send", "skipped": "skip", "expired": "skip", "cancelled": "skip"}
_FIELDS = {
    "customers": ("id", "email", "timezone", "postal_code", "consent"),
    "events": ("id", "customer", "name", "at", "properties"),
    "points": ("customer", "id", "service", "postal_code"),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """Something that happens to the shop: rows come in, or a person does something."""

    at: str
    what: str  # customers, events, points; by_hand: a campaign; incident: a postal pattern, its schedule in rows
    rows: Sequence[Mapping[str, Any]] = ()
    name: str = ""


@dataclass(frozen=True)
class Case:
    """Campaigns, what happens, when the scheduler looks, and the days that are rehearsed."""

    campaigns: Mapping[str, Mapping[str, Any]]
    steps: Sequence[Step]
    looks: Sequence[str]
    window: tuple[str, str]
    expected: Sequence[Answer]
    segments: Mapping[str, Any] = field(default_factory=dict)


class PlayedApp(App):
    """The product with a relay in memory; its templates need no vetting."""

    def session(self) -> Session:
        return FakeTransport()  # type: ignore[return-value]  # it behaves as one

    async def vetted(self, _campaign: Campaign, _parts: Mapping[str, Any]) -> list[FileFault]:
        return []


class Played:
    """One shop of a case, at an instant that moves."""

    def __init__(self, app: PlayedApp, clock: FrozenClock, folder: Path) -> None:
        self.app, self.clock, self._folder = app, clock, folder

    async def step(self, step: Step) -> None:
        self.clock.now = instant(step.at)
        if step.what == "by_hand":
            await self.app.planner.run_by_hand(self.app.campaign(step.name), self.clock())
        elif step.what == "incident":
            more = {name: instant(at) for row in step.rows for name, at in row.items()}
            draft = Draft("Kesinti", Area.of(postal=[step.name]), **more)
            await self.app.incidents.open(draft, now=self.clock(), by="test")
        else:
            file = self._folder / f"{step.what}.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in step.rows), "utf-8")
            take = {
                "customers": self.app.customer_import,
                "events": self.app.event_import,
                "points": self.app.point_import,
            }[step.what]
            with RowFile(file, Columns.mapped(_FIELDS[step.what], ()), required=()) as rows:
                report = await take.run(rows, now=self.clock())
            assert not report.rejected, report.rejected

    async def look(self, now: str) -> None:
        """What `mailer run --until-idle` does."""
        self.clock.now = instant(now)
        await self.app.scheduler().plan_once()
        await self.app.send(2, until_idle=True, stop=asyncio.Event())
        await self.app.ledger.finish_runs(self.clock())

    async def deliveries(self) -> list[Answer]:
        rows = [row async for row in self.app.ledger.list()]
        return sorted(
            (row["campaign"], row["occurrence"], row["customer"], _OUTCOMES[row["state"]],
             row["reason"] if row["state"] in ("sent", "skipped") else row["state"], text(row["sent_at"]))
            for row in rows
        )  # fmt: skip

    async def rehearse(self, start: str, end: str) -> list[Answer]:
        for campaign in self.app.campaigns.values():
            if campaign.enabled:  # so that the copy finds them vetted
                await self.app.versions.of(campaign, self.clock())
        window = Window(instant(start), instant(end))
        async with rehearsal(self.app) as stage:
            done = await stage.play(window, lambda _now: None)
            lines = [line async for line in stage.lines(window, None)]
        assert done.faults == []
        assert [line.at for line in lines] == sorted(line.at for line in lines)
        return sorted(
            (line.campaign, line.occurrence, line.customer, line.outcome, line.reason,
             text(line.at) if line.outcome == "send" else None)
            for line in lines
        )  # fmt: skip


@asynccontextmanager
async def opened(case: Case, folder: Path, database_url: str | None = None) -> AsyncIterator[Played]:
    """A shop with the campaigns of a case, before anything happens."""
    (folder / "jobs").mkdir(parents=True)
    values = {**SETTINGS, "secret_key": "s" * 32, "relay": {"host": "relay.example", "tls": "none"}}
    if database_url is not None:
        values["database_url"] = database_url
    (folder / "settings.yaml").write_text(json.dumps(values), "utf-8")
    (folder / "jobs/_segments.yaml").write_text(json.dumps(dict(case.segments)), "utf-8")
    for name, definition in case.campaigns.items():
        (folder / f"jobs/{name}.yaml").write_text(json.dumps(definition), "utf-8")
        (folder / f"templates/{name}").mkdir(parents=True)
        (folder / f"templates/{name}/subject.txt").write_text("Merhaba", "utf-8")
        (folder / f"templates/{name}/body.txt").write_text("Merhaba!", "utf-8")
    clock, told = FrozenClock(instant(case.steps[0].at)), list[str]()
    settings = settings_file.load(folder / "settings.yaml", environment={})
    async with PlayedApp.open(settings, clock, told.append) as app:
        assert isinstance(app, PlayedApp)
        assert told == []
        yield Played(app, clock, folder)


async def played(case: Case, folder: Path) -> list[Answer]:
    """Play it for real."""
    async with opened(case, folder) as shop:
        for moment in sorted({*(step.at for step in case.steps), *case.looks}, key=instant):
            for step in case.steps:
                if step.at == moment:
                    await shop.step(step)
            if moment in case.looks:
                await shop.look(moment)
        return await shop.deliveries()


async def rehearsed(case: Case, folder: Path, database_url: str | None = None) -> list[Answer]:
    """Let everything happen, and rehearse those days afterwards."""
    async with opened(case, folder, database_url) as shop:
        for step in case.steps:
            await shop.step(step)
        return await shop.rehearse(*case.window)


def instant(text_: str) -> datetime:
    return datetime.fromisoformat(text_)


def text(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
