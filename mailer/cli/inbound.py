"""The verb that takes in what comes back by mail, where `up` does not."""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.app import stop_on_signals
from mailer.cli.invocation import run, this
from mailer.cli.output import tell
from mailer.errors import SettingsError


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("inbound", rich_help_panel="Several machines")(inbound)


def inbound(
    once: Annotated[bool, typer.Option("--once", help="Look into the mailboxes once, then end.")] = False,
) -> None:
    """Take in bounces and complaints that come by mail. `up` does so too."""

    async def work() -> None:
        async with this.app(load=False) as app:
            if not app.settings.bounces.reads:
                raise SettingsError(
                    f"{app.settings.file}: bounces: there is no way back by mail; set bounces.listen, "
                    "bounces.maildir or bounces.imap"
                )
            if once:
                read = await app.ways_back.look()
                tell(f"{read} {'mail was' if read == 1 else 'mails were'} read.")
                return
            async with stop_on_signals() as stop, app.taking_returns() as returns:
                await returns(stop)

    run(work())
