"""Verbs of an operator: open, update and resolve incidents."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mailer.cli import incident_views
from mailer.cli.incident_options import (
    AreaFile,
    Ends,
    Eta,
    Exclude,
    Id,
    Lead,
    ListFile,
    Message,
    NeededTitle,
    Next,
    Postal,
    Services,
    Starts,
    State,
    Title,
    Urgent,
    area_of,
    draft_of,
    instant_of,
    lists_of,
    polygons_of,
    state_of,
    texts_of,
)
from mailer.cli.invocation import run, this
from mailer.cli.output import are, counted, tell
from mailer.core.area import Area
from mailer.core.incident import IncidentState
from mailer.core.incident_change import Change

_NO_CAMPAIGN = "No campaign tells customers of incidents; enable one with trigger: {incident: any}."

incidents = typer.Typer(no_args_is_help=True, help="Tell everyone affected by an outage.")


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    incident_views.register(incidents)
    cli.add_typer(incidents, name="incidents", rich_help_panel="Outages")


@incidents.command("preview")
def preview(
    title: Title = None,
    service: Services = None,
    postal: Postal = None,
    area: AreaFile = None,
    list_: ListFile = None,
    exclude: Exclude = None,
    state: State = None,
    message: Message = None,
    eta: Eta = None,
    next_update: Next = None,
    starts: Starts = None,
    ends: Ends = None,
    lead: Lead = None,
    urgent: Urgent = False,
) -> None:
    """Whom an outage there would reach; nothing is sent. Takes what `open` takes."""

    async def work() -> None:
        async with this.app() as app:
            new = draft_of(
                app,
                await area_of(app, service, postal, area, list_, exclude),
                *(title, state, message, eta, next_update, starts, ends, lead),
                urgent=urgent,
            )
            found = await app.incidents.preview(new, this.clock())
            this.out.one(found.as_facts())
            if not app.incident_campaigns():
                tell(_NO_CAMPAIGN)
            await _say_unused(app, new.area.services)

    run(work())


@incidents.command("open")
def open_incident(
    title: NeededTitle,
    service: Services = None,
    postal: Postal = None,
    area: AreaFile = None,
    list_: ListFile = None,
    exclude: Exclude = None,
    state: State = None,
    message: Message = None,
    eta: Eta = None,
    next_update: Next = None,
    starts: Starts = None,
    ends: Ends = None,
    lead: Lead = None,
    urgent: Urgent = False,
    draft: Annotated[bool, typer.Option("--draft", help="Write it down; publish later.")] = False,
) -> None:
    """Open an incident and tell everyone affected, planned work in good time. Prints its number."""

    async def work() -> None:
        async with this.app() as app:
            new = draft_of(
                app,
                await area_of(app, service, postal, area, list_, exclude),
                *(title, state, message, eta, next_update, starts, ends, lead),
                urgent=urgent,
            )
            number = await app.incidents.open(new, now=this.clock(), by=_who(), publish=not draft)
            _number(number)
            if not draft:
                await _say_reach(app, number, new.area)
            await _say_unused(app, new.area.services)

    run(work())


@incidents.command("publish")
def publish(incident: Id) -> None:
    """Publish a draft."""

    async def work() -> None:
        async with this.app() as app:
            area = await app.incidents.publish(incident, now=this.clock(), by=_who())
            await _say_reach(app, incident, area)

    run(work())


@incidents.command("update")
def update(
    incident: Id,
    state: State = None,
    title: Title = None,
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
    area: Annotated[
        list[Path] | None,
        typer.Option("--area", metavar="FILE", help="GeoJSON polygons in place of those that stand."),
    ] = None,
    starts: Starts = None,
    ends: Ends = None,
    lead: Lead = None,
    reschedule: Annotated[
        bool, typer.Option("--reschedule", help="The work moves: to --starts, and --ends if it takes longer.")
    ] = False,
    urgent: Urgent = False,
) -> None:
    """Publish what changed: those who were told hear of it, those who join get the first notice."""

    async def work() -> None:
        plain, titles = texts_of(title, "--title")
        said, messages = texts_of(message, "--message")
        async with this.app() as app:
            change = Change(
                state=IncidentState.RESCHEDULED if reschedule else state_of(state),
                title=plain,
                message=said,
                titles=titles,
                messages=messages,
                eta=instant_of(app, eta, "--eta"),
                next_update=instant_of(app, next_update, "--next-update"),
                services=tuple(service) if service else None,
                postal=tuple(postal) if postal else None,
                add_postal=tuple(add_postal or ()),
                remove_postal=tuple(remove_postal or ()),
                add_lists=await lists_of(app, add_list),
                add_exclusions=await lists_of(app, exclude),
                polygons=polygons_of(area) if area else None,
                starts_at=instant_of(app, starts, "--starts"),
                ends_at=instant_of(app, ends, "--ends"),
                lead=lead,
                urgent=urgent,
            )
            number = await app.incidents.update(incident, change, now=this.clock(), by=_who())
            tell(
                f"Update {number} is noted; nobody hears of it until mailer incidents publish {incident}."
                if await app.incidents.is_draft(incident)
                else f"Update {number} of incident {incident} is published."
            )
            await _say_unused(app, change.services or ())

    run(work())


@incidents.command("resolve")
def resolve(incident: Id, message: Message = None) -> None:
    """It works again, or the work is done: those who were told hear so."""

    async def work() -> None:
        async with this.app() as app:
            await app.incidents.resolve(
                incident, *texts_of(message, "--message"), now=this.clock(), by=_who()
            )
            tell(f"Incident {incident} is resolved.")

    run(work())


@incidents.command("cancel")
def cancel(incident: Id, message: Message = None) -> None:
    """It was a mistake, or will not be done: those who were told hear so."""

    async def work() -> None:
        async with this.app() as app:
            await app.incidents.cancel(incident, *texts_of(message, "--message"), now=this.clock(), by=_who())
            tell(f"Incident {incident} is cancelled.")

    run(work())


def _number(number: int) -> None:
    if this.json:
        this.out.one({"id": number})
    else:
        print(number)  # noqa: T201 - the number is what scripts read


async def _say_unused(app: Any, services: Sequence[str]) -> None:
    for said in await app.incidents.strangers(services):
        tell(said)


async def _say_reach(app: Any, number: int, area: Area) -> None:
    reach = await app.incidents.reach(area)
    affected = f"{counted(reach.count, 'customer')} {are(reach.count)}"
    missed = f"; {reach.unreachable} of them cannot be reached by mail" if reach.unreachable else ""
    tell(f"{affected} affected{missed}.")
    if reach.unreachable:
        tell(f"Who they are: mailer incidents show {number} --unreachable")


def _who() -> str:
    try:
        return f"command line, {getpass.getuser()}"
    except (KeyError, OSError):
        return "command line"
