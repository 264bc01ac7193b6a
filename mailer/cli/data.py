"""Verbs that take data in and show it: customers, events, points, lists, suppressions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from mailer.cli.invocation import run, this
from mailer.cli.output import counted, errors, shown, tell
from mailer.core import customer_row, event_row, point_row
from mailer.core.address import read_address
from mailer.core.importing import Alike, Change, Columns, ImportReport
from mailer.errors import UsageError
from mailer.files.rows import RowFile

PANEL = "Data"
MOST_SHOWN = 20  # rejected rows a person is shown; --json has all

customers = typer.Typer(no_args_is_help=True, help="Who we may write to.")
events = typer.Typer(no_args_is_help=True, help="What customers did.")
points = typer.Typer(no_args_is_help=True, help="Where services are used.")
lists = typer.Typer(no_args_is_help=True, help="Named lists of customers.")
suppressions = typer.Typer(no_args_is_help=True, help="Addresses we do not write to.")

File = Annotated[Path, typer.Argument(help="CSV or JSON Lines.", metavar="FILE")]
Maps = Annotated[
    list[str] | None, typer.Option("--map", metavar="COLUMN=FIELD", help="A column under another name.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")]


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    for name, part in (
        ("customers", customers), ("events", events), ("points", points), ("lists", lists),
        ("suppressions", suppressions),
    ):  # fmt: skip
        cli.add_typer(part, name=name, rich_help_panel=PANEL)


@customers.command("import")
def import_customers(file: File, maps: Maps = None, dry_run: DryRun = False) -> None:
    """Take customers in. Good rows go in, the others are reported; importing again changes nothing twice."""

    async def work() -> None:
        async with this.app() as app:
            with open_rows(file, customer_row.FIELDS, maps, required=("id",), dry_run=dry_run) as (
                rows,
                progress,
            ):
                report = await app.customer_import.run(
                    rows, now=this.clock(), dry_run=dry_run, progress=progress
                )
        finish(report, dry_run=dry_run)

    run(work())


@customers.command("list")
def list_customers() -> None:
    """Every customer."""

    async def work() -> None:
        async with this.app(load=False) as app:
            await this.out.stream(
                app.customers.list(),
                ("id", "email", "first_name", "last_name", "locale", "timezone", "consent"),
                "There are no customers yet; see mailer customers import --help.",
            )

    run(work())


@events.command("import")
def import_events(file: File, maps: Maps = None, dry_run: DryRun = False) -> None:
    """Take events in, each once by its id."""

    async def work() -> None:
        async with this.app() as app:
            with open_rows(file, event_row.FIELDS, maps, required=("id",), dry_run=dry_run) as (
                rows,
                progress,
            ):
                report = await app.event_import.run(
                    rows, now=this.clock(), dry_run=dry_run, progress=progress
                )
        finish(report, dry_run=dry_run)

    run(work())


@points.command("import")
def import_points(file: File, maps: Maps = None) -> None:
    """Take service points in: where each customer uses which service."""

    async def work() -> None:
        async with this.app() as app:
            with open_rows(file, point_row.FIELDS, maps, required=("customer",)) as (rows, progress):
                report = await app.point_import.run(rows, now=this.clock(), progress=progress)
        finish(report, dry_run=False)

    run(work())


@lists.command("load")
def load_list(name: str, file: File) -> None:
    """Let the list NAME be what the file holds: an id or an address a line, or a CSV with such a column."""

    async def work() -> None:
        async with this.app() as app:
            report = await load_list_file(app, name, file)
        finish(report, dry_run=False)

    run(work())


async def load_list_file(app: Any, name: str, file: Path) -> ImportReport:
    """Read a list from a file into the database."""
    with open_rows(file, ("id", "email"), None, required=("id", "email"), single="id", whole=True) as (
        rows,
        progress,
    ):
        report: ImportReport = await app.list_load.run(name, rows, now=this.clock(), progress=progress)
    return report


@suppressions.command("list")
def list_suppressions() -> None:
    """Every suppressed address, and why."""

    async def work() -> None:
        async with this.app(load=False) as app:
            await this.out.stream(
                app.suppressions.list(),
                ("address", "scope", "reason", "source", "at"),
                "No address is suppressed.",
            )

    run(work())


@suppressions.command("add")
def add_suppression(
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    scope: Annotated[
        str, typer.Option(help="all: write nothing at all; commercial: no commercial mail.")
    ] = "all",
) -> None:
    """Write to this address no more."""
    if scope not in {"all", "commercial"}:
        raise UsageError(f"--scope {scope!r} is neither all nor commercial.")
    try:
        read_address(address)
    except ValueError as fault:
        raise UsageError(f"{address!r} is not an address: {fault}") from None

    async def work() -> None:
        async with this.app(load=False) as app:
            new = await app.suppressions.add(address, scope, "manual", "command line", this.clock())
            tell(f"{address} is suppressed." if new else f"{address} was suppressed already.")

    run(work())


@suppressions.command("remove")
def remove_suppression(address: Annotated[str, typer.Argument(metavar="ADDRESS")]) -> None:
    """Lift every suppression of an address. An unsubscribe stays: only a confirmation lifts it."""

    async def work() -> None:
        async with this.app(load=False) as app:
            lifted = await app.suppressions.remove(address)
            theirs = await app.suppressions.of(address)
            if not lifted and theirs:
                raise UsageError(f"{address} unsubscribed; only they lift that, by a confirmation.")
            if not lifted:
                raise UsageError(f"{address} is not suppressed.")
            tell(
                f"Lifted for {address}: {', '.join(lifted)}. What they chose themselves stays."
                if theirs
                else f"{address} may be written to again."
            )

    run(work())


@contextmanager
def open_rows(
    file: Path,
    fields: Collection[str],
    maps: list[str] | None,
    *,
    required: Collection[str],
    single: str | None = None,
    dry_run: bool = False,
    whole: bool = False,
) -> Iterator[tuple[RowFile, Callable[[int], None]]]:
    """The file's rows, and a progress bar on a terminal. `whole`: it counts when it was read to its end only."""

    def kept(count: int) -> str:
        if dry_run or whole:
            return "Stopped; nothing has changed."
        taken = (
            f"after {counted(count, 'row')} of {file.name}, which {'is' if count == 1 else 'are'} kept"
            if count
            else f"early in {file.name}"
        )
        return f"Stopped {taken}; import it again to take in the rest."

    with RowFile(file, Columns.mapped(fields, maps or ()), required=required, single=single) as rows:
        bar = Progress(
            TextColumn(f"{file.name}"), BarColumn(), TextColumn("{task.fields[rows]} rows"), TimeRemainingColumn(),
            console=errors, transient=True, disable=not errors.is_terminal,
        )  # fmt: skip
        task = bar.add_task("rows", total=rows.size or None, rows=0)

        def done(count: int) -> None:
            this.stopped = kept(count)
            bar.update(task, completed=rows.position, rows=count)

        this.stopped = kept(0)
        with bar:
            yield rows, done
    this.stopped = "Stopped."


def _show_changes(report: ImportReport) -> None:
    for change in report.changes:
        tell(_change(change))
    if report.changed > len(report.changes):
        tell(f"These are the first {len(report.changes)} of {report.changed} changes.")


def _change(change: Change) -> str:
    """What becomes of one field; of a record that is new, everything it brings."""
    if change.field == "id":
        brings = (f"{name} {shown(value)}" for name, value in dict(change.new).items() if value is not None)
        return ", ".join((f"{change.id}: new", *brings))
    return f"{change.id}: {change.field}: {shown(change.old) or '–'} → {shown(change.new) or '–'}"


def _lines(alike: Alike) -> str:
    if alike.count == 1:
        return f"line {alike.lines[0]}"
    more = alike.count - len(alike.lines)
    return f"lines {', '.join(map(str, alike.lines))}" + (f" and {more} more" if more else "")


def finish(report: ImportReport, *, dry_run: bool, warned: str = " (taken all the same)") -> None:
    """Say what an import came to; exit status 1 when there is something to look at."""
    if this.json:
        this.out.one(report.as_json())
    if dry_run:
        _show_changes(report)
    for fault in report.rejected[:MOST_SHOWN]:
        tell(": ".join(part for part in (f"line {fault.line}", fault.field, fault.reason) if part))
    if len(report.rejected) > MOST_SHOWN:
        tell(f"… and {len(report.rejected) - MOST_SHOWN} more rejected rows; --json lists them all.")
    for (name, reason), alike in report.alike.items():
        tell(f"{_lines(alike)}: {name}: {reason}{warned if alike.taken else ''}")
    if report.placeholders:
        tell(f"Placeholder dates such as 1970-01-01: {report.placeholders}. No greeting goes out for them.")
    verb = "would be " if dry_run else ""
    gone = f", {report.removed} {verb}removed" if report.removed is not None else ""
    tell(
        f"{report.created} {verb}created, {report.updated} {verb}updated, {report.unchanged} unchanged{gone}, "
        f"{len(report.rejected)} rejected."
    )
    if report.rejected:
        raise typer.Exit(1)
