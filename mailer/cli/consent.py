"""Verbs about the state's registry of consent."""

from __future__ import annotations

from typing import Any

import typer

from mailer.cli.data import File, finish, open_rows
from mailer.cli.invocation import run, this
from mailer.cli.output import counted, tell
from mailer.core.registry import FIELDS

consent = typer.Typer(no_args_is_help=True, help="What the registry of consent (İYS) is told, and says.")


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.add_typer(consent, name="consent", rich_help_panel="Data")


@consent.command("upload")
def upload() -> None:
    """Write what the registry has to be told into a file in the folder of the settings."""

    async def work(app: Any) -> None:
        number, place = await app.registry_desk.upload(this.clock())
        tell(
            f"{counted(number, 'record')} {'stands' if number == 1 else 'stand'} in {place}."
            if number
            else "The registry knows everything."
        )
        if this.json:
            this.out.one({"records": number, "file": place or None})

    _run(work)


@consent.command("import")
def take(file: File) -> None:
    """Take in what the registry says: CSV or JSON Lines with recipient, status and consentDate."""

    async def work(app: Any) -> None:
        with open_rows(file, FIELDS, None, required=("recipient",)) as (rows, _progress):
            report = await app.registry_desk.take(rows, this.clock())
        finish(report, dry_run=False)

    _run(work)


@consent.command("status")
def status() -> None:
    """What the registry was not told yet, and by when it has to be; exit status 1 when something is overdue."""

    async def work(app: Any) -> None:
        found = await app.registry_desk.status(this.clock())
        this.out.one(found)
        if found["overdue"]:
            raise typer.Exit(1)

    _run(work)


def _run(work: Any) -> None:
    async def opened() -> None:
        async with this.app(load=False) as app:
            await work(app)

    run(opened())
