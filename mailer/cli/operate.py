"""Verbs that run the product: up, run, and the parts of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mailer.app import App
from mailer.cli.invocation import run as run_async
from mailer.cli.invocation import this
from mailer.cli.output import counted, tell
from mailer.core.plain import instant_text
from mailer.demo.load import load_demo, refuse_real_customers
from mailer.supervisor import Starter, keep_running, starter, until_idle


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.command("up", rich_help_panel="Run")(up)
    cli.command("run", rich_help_panel="Run")(run)
    cli.command("halt", rich_help_panel="Run")(halt)
    cli.command("unhalt", rich_help_panel="Run")(unhalt)
    cli.command("migrate", rich_help_panel="Run")(migrate)
    cli.command("backup", rich_help_panel="Run")(backup)


def up(
    demo: Annotated[
        bool, typer.Option("--demo", help="Load sample customers, what they did, and an outage.")
    ] = False,
) -> None:
    """Run everything: planning, sending, the web and, while no relay is set, the built-in mailbox."""

    async def work(senders: Starter) -> None:
        # A first look would count campaigns as seen from now; the demo's shop has had them for weeks.
        async with this.app(load=not demo, upgrade=True) as app:
            if demo:
                await app.reload()
                await refuse_real_customers(app)
                await load_demo(app)
                tell("The demo is loaded: its six campaigns go out within a minute.")
            await bring_up(app, senders)

    with starter() as senders:
        run_async(work(senders))


async def bring_up(app: App, senders: Starter) -> None:
    """Plan, send and serve until told to stop; the web's door opens before anything is sent."""
    from mailer.web.server import address_of, listen, serve  # noqa: PLC0415 (time and memory no sender should pay)

    await tell_of_halt(app)
    with listen(app) as door:
        address = address_of(door)
        tell(f"mailer is at {address}/")
        if app.catches_mail:
            tell(f"No relay is set: every mail is caught and shown at {address}/mailbox")
        async with app.taking_returns() as returns:

            async def pages(stop: asyncio.Event) -> None:
                try:
                    await serve(app, stop, door)
                finally:
                    stop.set()

            async def beside(stop: asyncio.Event) -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(pages(stop))
                    group.create_task(returns(stop))

            await keep_running(app, senders, this.order(), also=beside)


def run(
    until_idle_: Annotated[
        bool, typer.Option("--until-idle", help="Do everything due at the clock, then end.")
    ] = False,
) -> None:
    """Plan and send, without the web."""

    async def work(senders: Starter) -> None:
        async with this.app() as app:
            await tell_of_halt(app)
            if not until_idle_:
                await keep_running(app, senders, this.order())
                return
            before = await app.overview.last_fact()
            await until_idle(app, senders, this.order())
            await tell_of_failures(app, before)
            await tell_of_held(app)

    with starter() as senders:
        run_async(work(senders))


async def tell_of_failures(app: App, before: int) -> None:
    """Name what failed or is in doubt since the fact `before`: a person at a terminal looks into no ledger unasked."""
    for failed in await app.overview.failed_after(before):
        tell(
            f"{failed.campaign}: {counted(failed.count, 'mail')} failed ({failed.reason}); "
            f"see mailer deliveries --campaign {failed.campaign} --state failed, and mailer customers show."
        )
    for doubted in await app.overview.doubted_after(before):
        tell(
            f"{doubted.campaign}: {counted(doubted.count, 'mail')} in doubt, as the relay's answer was lost; look into "
            f"its log, see mailer deliveries --campaign {doubted.campaign} --state in_doubt, and say what became of "
            "each with mailer deliveries settle."
        )


async def tell_of_held(app: App) -> None:
    """Say how much marketing waits for an incident to be over: one that nobody closes stops it without a word."""
    held = await app.holds.by_run()
    if held:
        runs = ", ".join(map(str, held))
        tell(
            f"An incident holds {counted(sum(held.values()), 'mail')} to customers it affects (run {runs}) until it is "
            "over; see mailer incidents list."
        )


async def tell_of_halt(app: App) -> None:
    """Say that everything is stopped, where it is: nothing else shows why no mail leaves."""
    said = await app.switches.halt_said()
    if said is not None:
        since, note = said
        why = f" ({note})" if note else ""
        tell(f"Everything is halted since {instant_text(since)}{why}; mailer unhalt lets it go on.")


def halt(note: Annotated[str, typer.Option(help="Why, for whoever looks next.")] = "") -> None:
    """Stop all sending at once, everywhere. Nothing is lost; `unhalt` lets it go on."""

    async def work() -> None:
        async with this.app(load=False) as app:
            # Bytes that are no letters (PEP 383) must not keep anybody from stopping.
            await app.switches.halt(this.clock(), note.encode(errors="replace").decode())
            tell("Halted: no mail starts until mailer unhalt.")

    run_async(work())


def unhalt() -> None:
    """Let sending go on after a halt."""

    async def work() -> None:
        async with this.app(load=False) as app:
            since = await app.switches.halted_at()
            await app.switches.unhalt()
            tell("Sending goes on." if since is not None else "Nothing was halted.")

    run_async(work())


def migrate() -> None:
    """Create or upgrade the database."""

    async def work() -> None:
        async with this.app(load=False, upgrade=True) as app:
            tell(f"The database {app.db.where} is up to date.")

    run_async(work())


def backup(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")]) -> None:
    """Copy the SQLite database to a file, while everything goes on."""

    async def work() -> None:
        async with this.app(load=False) as app:
            await app.backup(file)
            tell(f"The database {app.db.where} is copied to {file}.")

    run_async(work())
