"""Verbs of a marketer: what campaigns there are, what they will do, and starting one by hand."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mailer.app import App
from mailer.cli.invocation import run, this
from mailer.cli.output import counted, errors, tell
from mailer.core.campaign import Campaign
from mailer.errors import WARNING, FileFault, SettingsError, UsageError

PANEL = "Campaigns"
ASK_ABOVE = 100  # recipients; a larger send started by hand is confirmed by typing their number

campaigns = typer.Typer(no_args_is_help=True, help="What goes out, when, and to whom.")

Name = Annotated[str, typer.Argument(metavar="NAME")]


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.add_typer(campaigns, name="campaigns", rich_help_panel=PANEL)
    cli.command("check", rich_help_panel=PANEL)(check)


@campaigns.command("list")
def list_campaigns() -> None:
    """Every campaign, and when it is due next."""

    async def work() -> None:
        async with this.app() as app:
            rows = await app.campaign_desk.list(this.clock())
            columns = ("name", "purpose", "enabled", "paused", "next_at", "description")
            this.out.many(rows, columns, f"There is no campaign in {app.settings.jobs_dir}.")

    run(work())


@campaigns.command("show")
def show(name: Name) -> None:
    """One campaign as it was understood, and how large its audience is."""

    async def work() -> None:
        async with this.app() as app:
            campaign = app.campaign(name)
            row = next(row for row in await app.campaign_desk.list(this.clock()) if row["name"] == name)
            row["audience"] = await app.campaign_desk.audience(campaign, this.clock())
            row["definition"] = campaign.model_dump(mode="json", by_alias=True, exclude_none=True)
            this.out.one(row)

    run(work())


@campaigns.command("run")
def run_campaign(
    name: Name,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many it would reach; send nothing.")
    ] = False,
    confirm: Annotated[
        int | None, typer.Option(help="The number of recipients, where a script cannot be asked for it.")
    ] = None,
) -> None:
    """Start a campaign now. Senders (mailer up, mailer run) take it from there."""

    async def work() -> None:
        async with this.app() as app:
            campaign = app.campaign(name)
            count = await app.campaign_desk.by_hand(campaign, this.clock())
            if dry_run:
                await app.stockroom.ready(campaign, this.clock())
                await _foretell(app, campaign, count)
                return
            _confirmed(name, count, confirm)
            try:
                occurrence, added = await app.scheduler().run_by_hand(campaign)
            except asyncio.CancelledError:
                await _call_off(app, name)
                raise
            this.out.one({"campaign": name, "occurrence": occurrence, "audience": added})
            if name in await app.runs.paused():
                tell(f"{name} is paused: nothing of it leaves until mailer campaigns resume {name}.")

    run(work())


async def _call_off(app: App, name: str) -> None:
    """Whoever stops the start of a campaign does not want it: what of it is written never leaves."""
    for half in await app.runs.half_planned([name]):
        await app.control.cancel(half.id, this.clock())
        this.stopped = (
            f"Stopped; run {half.id} of {name} ({half.occurrence}) is cancelled, nothing of it leaves."
        )


async def _foretell(app: App, campaign: Campaign, count: int) -> None:
    """Say how many a campaign would reach, of an audience of `count`."""
    agreed, held = count, 0
    if campaign.commercial:
        agreed = await app.campaign_desk.by_hand(campaign, this.clock(), agreed=True)
        if app.settings.policy.hold_affected:
            held = await app.campaign_desk.by_hand(campaign, this.clock(), agreed=True, affected=True)
        tell(
            f"{campaign.name} would reach an audience of {count}, of whom {agreed} agreed to commercial mail; "
            "caps and the other rules may leave out more."
        )
    else:
        tell(f"{campaign.name} would reach an audience of {count}, less those the other rules leave out.")
    if held:
        tell(
            f"An incident affects {held} of them: their mail waits until it is over (mailer incidents list)."
        )
    if this.json:
        this.out.one({"campaign": campaign.name, "audience": count, "agreed": agreed, "held": held})


def _confirmed(name: str, count: int, given: int | None) -> None:
    """A large send by hand needs its exact number, from the person at the terminal or the script's author."""
    if given is not None and given != count:
        raise UsageError(f"{name} has an audience of {count}, not {given}; nothing was sent.")
    if given is None and count > ASK_ABOVE and sys.stdin.isatty():
        typed = errors.input(f"{name} goes to an audience of {count}. Type that number to go on: ")
        if typed.strip() != str(count):
            raise UsageError("That is another number; nothing was sent.")


@campaigns.command("pause")
def pause(name: Name) -> None:
    """Hold what is queued; what falls due meanwhile is skipped as paused."""
    _pause(name, paused=True)


@campaigns.command("resume")
def resume(name: Name) -> None:
    """Let a paused campaign go on with what it held."""
    _pause(name, paused=False)


def _pause(name: str, *, paused: bool) -> None:
    async def work() -> None:
        async with this.app() as app:
            app.campaign(name)
            await app.campaign_desk.pause(name, paused=paused)
            tell(f"{name} is paused." if paused else f"{name} goes on.")

    run(work())


def check() -> None:
    """Look at settings, campaigns, segments and templates; name each fault with file and line."""
    faults: list[FileFault] = []

    async def work() -> None:
        async with this.app(load=False) as app:
            await app.reload(quiet=True)  # else each file would be told in short
            await app.planner.look(app.clock())
            app.check_keys()
            faults.extend(app.faults)
            faults.extend(await app.late())
            faults.extend(await app.previews.faults(app.campaigns, await app.some_customers()))
            _tell_of(faults)
            warnings = sum(fault.key == WARNING for fault in faults)
            tell(
                f"{counted(len(app.campaigns), 'campaign')} and {counted(len(app.segments), 'segment')} can be read; "
                f"{counted(len(faults) - warnings, 'fault')}, {counted(warnings, 'warning')}."
            )

    try:
        run(work())
    except SettingsError as error:
        if not error.faults:
            raise
        _tell_of(error.faults)
        raise typer.Exit(error.exit_status) from None
    if any(fault.key != WARNING for fault in faults):
        raise typer.Exit(1)


def _tell_of(faults: Sequence[FileFault]) -> None:
    for fault in faults:
        tell(str(fault))
    if this.json:
        this.out.many([_as_row(fault) for fault in faults], (), "")


def _as_row(fault: FileFault) -> dict[str, object]:
    return {"file": fault.file, "line": fault.line, "key": fault.key, "message": fault.message}
