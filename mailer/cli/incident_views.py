"""Verbs that show incidents: all of them, one, and why somebody was told of it or was not."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from mailer.cli.incident_options import Id
from mailer.cli.invocation import run, this
from mailer.cli.output import facts, shown
from mailer.core.incident_why import lines


def register(incidents: typer.Typer) -> None:
    """Add the verbs."""
    incidents.command("list")(list_incidents)
    incidents.command("show")(show)
    incidents.command("explain")(explain)


def list_incidents() -> None:
    """Every incident."""

    async def work() -> None:
        async with this.app() as app:
            await this.out.stream(
                app.incidents.list(this.clock()),
                (
                    *("id", "title", "state", "opened_at", "starts_at", "update", "reached", "unreachable"),
                    *("next_update", "overdue", "draft"),
                ),
                "There was no incident so far.",
            )

    run(work())


def show(
    incident: Id,
    unreachable: Annotated[
        bool, typer.Option("--unreachable", help="Only those who cannot be reached by mail, one a line.")
    ] = False,
) -> None:
    """One incident: its updates, whom they reached, and who cannot be reached by mail."""

    async def work() -> None:
        async with this.app() as app:
            if not unreachable:
                this.out.one(await app.incidents.show(incident, this.clock()))
                return
            await this.out.stream(
                app.incidents.unreachable(incident),
                ("customer", "address", "points"),
                "Everybody affected can be reached by mail.",
            )

    run(work())


def explain(incident: Id, customer: Annotated[str, typer.Argument(metavar="CUSTOMER")]) -> None:
    """Why a customer was told of an incident, or was not: what happened, or would at the next look."""

    async def work() -> None:
        async with this.app() as app:
            rows = await app.incidents.explain(incident, customer, this.clock())
            if this.json:
                this.out.many(rows, (), "")
                return
            for row in rows:
                for line in lines(row):
                    facts.print(Text(shown(line)))

    run(work())
