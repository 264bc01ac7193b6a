"""Verbs of an operator: open, update and resolve incidents."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from mailer.cli.data import load_list_file
from mailer.cli.invocation import run, this
from mailer.cli.output import tell
from mailer.core.calendar import instant
from mailer.core.duration import Duration
from mailer.core.incident import Area, IncidentState
from mailer.core.incident_change import Change
from mailer.errors import UsageError
from mailer.flow.notify import Draft

incidents = typer.Typer(no_args_is_help=True, help="Tell everyone affected by an outage.")

Services = Annotated[list[str] | None, typer.Option("--service", help="A service that is down; repeatable.")]
Postal = Annotated[list[str] | None, typer.Option("--postal", help="A postal code or '34*'; repeatable.")]
ListFile = Annotated[
    list[Path] | None,
    typer.Option("--list", metavar="FILE", help="Customers to add: ids or addresses, one a line."),
]
Exclude = Annotated[
    list[Path] | None, typer.Option("--exclude", metavar="FILE", help="Customers to leave out.")
]
Message = Annotated[
    str | None, typer.Option("--message", help="What people should know, in a sentence or two.")
]
Eta = Annotated[
    str | None, typer.Option("--eta", help="When it should work again: 2027-01-15T18:00, or 2h from now.")
]
Next = Annotated[
    str | None, typer.Option("--next-update", help="When you will write again, in the same form.")
]
State = Annotated[str | None, typer.Option("--state", help="investigating, identified, monitoring, …")]
Id = Annotated[int, typer.Argument(metavar="ID")]


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.add_typer(incidents, name="incidents", rich_help_panel="Outages")


@incidents.command("preview")
def preview(
    service: Services = None, postal: Postal = None, list_: ListFile = None, exclude: Exclude = None
) -> None:
    """Whom an outage there would reach; nothing is sent."""

    async def work() -> None:
        async with this.app() as app:
            reach = await app.incidents.preview(await _area(app, service, postal, list_, exclude))
            this.out.one(
                {
                    "count": reach.count,
                    "unreachable": reach.unreachable,
                    "unmappable": reach.unmappable,
                    "samples": [name for name, _points in reach.samples],
                }
            )

    run(work())


@incidents.command("open")
def open_incident(
    title: Annotated[str, typer.Option(help="What is down, as customers would say it.")],
    service: Services = None,
    postal: Postal = None,
    list_: ListFile = None,
    exclude: Exclude = None,
    state: State = None,
    message: Message = None,
    eta: Eta = None,
    next_update: Next = None,
    starts: Annotated[str | None, typer.Option(help="Planned work: when it begins.")] = None,
    ends: Annotated[str | None, typer.Option(help="Planned work: when it ends.")] = None,
    lead: Annotated[
        str | None, typer.Option(help="Planned work: announced so long before, such as 48h.")
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Write it down; publish later.")] = False,
) -> None:
    """Open an incident and tell everyone affected. Prints its number."""

    async def work() -> None:
        async with this.app() as app:
            new = Draft(
                title=title,
                area=await _area(app, service, postal, list_, exclude),
                state=_state(state),
                message=message or "",
                eta=_instant(app, eta, "--eta"),
                next_update=_instant(app, next_update, "--next-update"),
                starts_at=_instant(app, starts, "--starts"),
                ends_at=_instant(app, ends, "--ends"),
                lead=lead,
            )
            number = await app.incidents.open(new, now=this.clock(), by=_who(), publish=not draft)
            _number(number)
            if not draft:
                await _say_reach(app, number)

    run(work())


@incidents.command("publish")
def publish(incident: Id) -> None:
    """Publish a draft."""

    async def work() -> None:
        async with this.app() as app:
            await app.incidents.publish(incident, now=this.clock())
            await _say_reach(app, incident)

    run(work())


@incidents.command("update")
def update(
    incident: Id,
    state: State = None,
    title: Annotated[str | None, typer.Option()] = None,
    message: Message = None,
    eta: Eta = None,
    next_update: Next = None,
    service: Services = None,
    postal: Postal = None,
    add_postal: Annotated[list[str] | None, typer.Option("--add-postal", help="The area grows.")] = None,
    remove_postal: Annotated[
        list[str] | None, typer.Option("--remove-postal", help="The area shrinks.")
    ] = None,
    add_list: Annotated[
        list[Path] | None, typer.Option("--list", metavar="FILE", help="Customers to add.")
    ] = None,
    exclude: Exclude = None,
) -> None:
    """Publish what changed: those who were told hear of it, those who join get the first notice."""

    async def work() -> None:
        async with this.app() as app:
            change = Change(
                state=_state(state),
                title=title,
                message=message,
                eta=_instant(app, eta, "--eta"),
                next_update=_instant(app, next_update, "--next-update"),
                services=tuple(service) if service else None,
                postal=tuple(postal) if postal else None,
                add_postal=tuple(add_postal or ()),
                remove_postal=tuple(remove_postal or ()),
                add_lists=await _lists(app, add_list),
                add_exclusions=await _lists(app, exclude),
            )
            number = await app.incidents.update(incident, change, now=this.clock(), by=_who())
            tell(f"Update {number} of incident {incident} is published.")

    run(work())


@incidents.command("resolve")
def resolve(incident: Id, message: Message = None) -> None:
    """It works again: those who were told hear so."""

    async def work() -> None:
        async with this.app() as app:
            await app.incidents.resolve(incident, message, now=this.clock(), by=_who())
            tell(f"Incident {incident} is resolved.")

    run(work())


@incidents.command("cancel")
def cancel(incident: Id, message: Message = None) -> None:
    """It was a mistake, or will not be done: those who were told hear so."""

    async def work() -> None:
        async with this.app() as app:
            await app.incidents.cancel(incident, message, now=this.clock(), by=_who())
            tell(f"Incident {incident} is cancelled.")

    run(work())


@incidents.command("list")
def list_incidents() -> None:
    """Every incident."""

    async def work() -> None:
        async with this.app() as app:
            await this.out.stream(
                app.incidents.list(),
                ("id", "title", "state", "opened_at", "update", "reached", "unreachable"),
                "There was no incident so far.",
            )

    run(work())


@incidents.command("show")
def show(incident: Id) -> None:
    """One incident: its updates, whom they reached, and who cannot be reached by mail."""

    async def work() -> None:
        async with this.app() as app:
            this.out.one(await app.incidents.show(incident))

    run(work())


def _number(number: int) -> None:
    if this.json:
        this.out.one({"id": number})
    else:
        print(number)  # noqa: T201 - the number is what scripts read


async def _say_reach(app: Any, number: int) -> None:
    story = await app.incidents.show(number)
    reach = await app.incidents.preview(Area.of(**story["area"]))
    tell(f"{reach.count} customers are affected; {reach.unreachable} of them cannot be reached by mail.")


async def _area(
    app: Any,
    service: list[str] | None,
    postal: list[str] | None,
    list_: list[Path] | None,
    exclude: list[Path] | None,
) -> Area:
    return Area.of(service or (), postal or (), await _lists(app, list_), await _lists(app, exclude))


async def _lists(app: Any, files: list[Path] | None) -> tuple[str, ...]:
    """Files become lists of their own; a name that is no file is a list loaded before."""
    names = []
    for file in files or ():
        if not file.exists():
            names.append(str(file))
            continue
        name = f"incident {this.clock():%Y-%m-%d %H:%M:%S} {file.stem}"[:100]
        report = await load_list_file(app, name, file)
        for fault in report.rejected:
            tell(f"{file}: line {fault.line}: {fault.reason}")
        names.append(name)
    return tuple(names)


def _state(text: str | None) -> IncidentState | None:
    if text is None:
        return None
    try:
        return IncidentState(text)
    except ValueError:
        raise UsageError(f"--state {text!r} is none of {', '.join(IncidentState)}.") from None


def _instant(app: Any, text: str | None, option: str) -> datetime | None:
    """An RFC 3339 instant, a wall time in the tenant's zone, or so long from now."""
    if text is None:
        return None
    try:
        return this.clock() + Duration.parse(text).elapsed()
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a time; write 2027-01-15T18:00 or 2h.") from None
    return found if found.tzinfo is not None else instant(found, app.rules.zone)


def _who() -> str:
    try:
        return f"command line, {getpass.getuser()}"
    except (KeyError, OSError):
        return "command line"
