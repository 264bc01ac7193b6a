"""The verb that shows beforehand: what would go out in a window, to whom, when, and why not."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.progress import BarColumn, Progress, TextColumn

from mailer.app import App
from mailer.cli.invocation import read_moment, run, this
from mailer.cli.output import counted, errors, given_back, tell
from mailer.core.rehearsal import Counts, Line, Window
from mailer.core.trigger import IncidentTrigger, ManualTrigger
from mailer.errors import UsageError
from mailer.flow.rehearse import Rehearsed
from mailer.twin import rehearsal

PANEL = "Campaigns"
STOPPED = 143  # the exit status of a program that was told to end


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("rehearse", rich_help_panel=PANEL)(rehearse)


def rehearse(
    start: Annotated[
        str, typer.Option("--from", metavar="T", help="From when on: an instant, or a local day or time.")
    ],
    until: Annotated[str, typer.Option("--until", metavar="T", help="Until just before when.")],
    campaign: Annotated[str | None, typer.Option(help="Show only this campaign's.")] = None,
) -> None:
    """Show what would fall due in a window: who would get what, when, and why not. Changes nothing."""

    async def work() -> None:
        with _ending_when_told():
            async with this.app(load=False) as app:
                zone = app.settings.tenant.zone
                window = _window(start, until, zone)
                await app.reload(quiet=True)  # the rehearsal tells of files that cannot be read
                async with rehearsal(app) as stage:
                    await _explain(app, campaign)
                    with _progress(window) as progress:
                        done = await stage.play(window, progress)
                    await _show(stage.lines(window, campaign), done, campaign, zone)

    try:
        run(work())
    except asyncio.CancelledError:
        raise typer.Exit(STOPPED) from None


def _window(start: str, until: str, zone: ZoneInfo) -> Window:
    window = Window(read_moment(start, "--from", zone), read_moment(until, "--until", zone))
    if window.start >= window.end:
        raise UsageError(f"--until {until} is not after --from {start}.")
    return window


@contextmanager
def _ending_when_told() -> Iterator[None]:
    """SIGTERM and a terminal that is closed end us as Ctrl-C does: the copy is removed.

    Nothing is listened for when the loop closes: the watchdog of renders, whose signals come now and then, would find
    the line cut on which the loop hears of them.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - we are a coroutine's
    heard = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) != signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


async def _explain(app: App, name: str | None) -> None:
    """Say of campaigns that cannot fall due why."""
    if name is not None:
        campaign = app.campaign(name)
        if not campaign.enabled:
            tell(f"{name} is not enabled, so nothing of it falls due.")
        elif isinstance(campaign.trigger, ManualTrigger):
            tell(
                f"{name} is started by hand, so nothing of it falls due; see mailer campaigns run {name} --dry-run."
            )
        elif isinstance(campaign.trigger, IncidentTrigger):
            tell(f"{name} tells of incidents; those that are open, or planned, are played.")
    if await app.switches.halted_at() is not None:
        tell(
            "Sending is halted, so nothing leaves until mailer unhalt; this shows what would leave without that."
        )
    for paused in sorted(await app.runs.paused() & app.campaigns.keys()):
        if name in (None, paused):
            tell(f"{paused} is paused, so nothing of it falls due until mailer campaigns resume {paused}.")


@contextmanager
def _progress(window: Window) -> Iterator[Callable[[datetime], None]]:
    """A bar on stderr, where a person looks."""
    if not errors.is_terminal:
        yield lambda _now: None
        return
    bar = Progress(TextColumn("Rehearsing {task.description}"), BarColumn(), console=errors, transient=True)
    with bar:
        task = bar.add_task("", total=(window.end - window.start).total_seconds())

        def show(now: datetime) -> None:
            bar.update(
                task,
                completed=max((now - window.start).total_seconds(), 0.0),
                description=f"{now:%Y-%m-%d}",
            )

        yield show


async def _show(lines: AsyncIterator[Line], done: Rehearsed, name: str | None, zone: ZoneInfo) -> None:
    counts = Counts(zone)
    async with given_back(lines):
        await this.out.stream(_rows(lines, counts), (), "") if this.json else await _count(lines, counts)
    if not this.json:
        this.out.many(counts.rows(), ("day", "campaign", "send", "skip", "why"), "Nothing falls due.")
    for fault in done.faults:
        tell(fault)
    _tell_empty([each for each in done.empty if name in (None, each[0])])
    send, skip = counts.total
    tell(f"{counted(send, 'mail')} would go out, {skip} would not. Nothing was sent, nothing was changed.")


async def _rows(lines: AsyncIterator[Line], counts: Counts) -> AsyncIterator[dict[str, Any]]:
    async for line in lines:
        counts.add(line)
        row = asdict(line)
        if line.waits is None:
            del row["waits"]
        yield row


async def _count(lines: AsyncIterator[Line], counts: Counts) -> None:
    async for line in lines:
        counts.add(line)


def _tell_empty(issues: Sequence[tuple[str, str]]) -> None:
    for campaign, found in groupby(sorted(issues), key=lambda each: each[0]):
        days = [occurrence for _campaign, occurrence in found]
        which = days[0] if len(days) == 1 else f"{len(days)} times, {days[0]} to {days[-1]}"
        tell(f"{campaign} would have nothing new ({which}), so nobody would get it.")
