"""What the verbs of incidents take, and what it means."""

from __future__ import annotations

import json
import re
import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from mailer.cli.data import load_list_file
from mailer.cli.invocation import this
from mailer.cli.names import LARGEST
from mailer.cli.output import tell
from mailer.core.area import Area
from mailer.core.duration import Duration
from mailer.core.geo import Polygon, read_geojson
from mailer.core.incident import IncidentState
from mailer.core.incident_opening import NewIncident
from mailer.core.incident_texts import Texts, read_texts
from mailer.core.rehearsal import read_moment
from mailer.errors import UsageError

#: Of a GeoJSON file.
MOST_BYTES = 10_000_000

Services = Annotated[list[str] | None, typer.Option("--service", help="A service that is down; repeatable.")]
Postal = Annotated[list[str] | None, typer.Option("--postal", help="A postal code or '34*'; repeatable.")]
ListFile = Annotated[
    list[Path] | None,
    typer.Option("--list", metavar="FILE", help="Customers to add: ids or addresses, one a line."),
]
AreaFile = Annotated[
    list[Path] | None, typer.Option("--area", metavar="FILE", help="GeoJSON polygons; repeatable.")
]
Exclude = Annotated[
    list[Path] | None, typer.Option("--exclude", metavar="FILE", help="Customers to leave out.")
]
_TITLE = typer.Option(
    "--title", help="What is down, as customers would say it; also en=…, for who reads English."
)
Title = Annotated[list[str] | None, _TITLE]
NeededTitle = Annotated[list[str], _TITLE]
Message = Annotated[
    list[str] | None,
    typer.Option("--message", help="What people should know, in a sentence or two; also en=…."),
]
Eta = Annotated[
    str | None, typer.Option("--eta", help="When it should work again: 2027-01-15T18:00, or 2h from now.")
]
Next = Annotated[
    str | None, typer.Option("--next-update", help="When you will write again, in the same form.")
]
State = Annotated[str | None, typer.Option("--state", help="investigating, identified, monitoring, …")]
Starts = Annotated[str | None, typer.Option("--starts", help="Planned work: when it begins.")]
Ends = Annotated[str | None, typer.Option("--ends", help="Planned work: when it ends.")]
Lead = Annotated[
    str | None, typer.Option("--lead", help="Planned work: announced so long before; default 48h.")
]
Urgent = Annotated[bool, typer.Option("--urgent", help="It concerns people's safety: it waits for nothing.")]
Id = Annotated[int, typer.Argument(metavar="ID", max=LARGEST)]


async def area_of(
    app: Any,
    service: list[str] | None,
    postal: list[str] | None,
    area: list[Path] | None,
    list_: list[Path] | None,
    exclude: list[Path] | None,
) -> Area:
    """The area that was asked for.

    Raises:
        UsageError: see `Area.of` and `polygons_of`.
    """
    return Area.of(
        service or (),
        postal or (),
        await lists_of(app, list_),
        await lists_of(app, exclude),
        polygons_of(area),
    )


def draft_of(
    app: Any,
    area: Area,
    title: list[str] | None,
    state: str | None,
    message: list[str] | None,
    eta: str | None,
    next_update: str | None,
    starts: str | None,
    ends: str | None,
    lead: str | None,
    *,
    urgent: bool,
) -> NewIncident:
    """What was said of a new incident.

    Raises:
        UsageError: a state or a time that is none, or two texts of one language.
    """
    plain, titles = texts_of(title, "--title")
    said, messages = texts_of(message, "--message")
    return NewIncident(
        title=plain,
        area=area,
        state=state_of(state),
        message=said or "",
        eta=instant_of(app, eta, "--eta"),
        next_update=instant_of(app, next_update, "--next-update"),
        starts_at=instant_of(app, starts, "--starts"),
        ends_at=instant_of(app, ends, "--ends"),
        lead=lead,
        urgent=urgent,
        titles=titles,
        messages=messages,
    )


def texts_of(said: list[str] | None, option: str) -> tuple[str | None, Texts]:
    """The plain text and those in other languages; see `core.incident_texts.read_texts`."""
    return read_texts(said or (), option)


def polygons_of(files: list[Path] | None) -> tuple[Polygon, ...]:
    """The polygons of GeoJSON files.

    Raises:
        UsageError: a file that cannot be read, is no GeoJSON, or holds no polygon.
    """
    found: list[Polygon] = []
    for file in files or ():
        try:
            found += read_geojson(_json(file))
        except UsageError as fault:
            raise UsageError(f"--area {file}: {fault}") from None
    return tuple(found)


def _json(file: Path) -> Any:
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise UsageError(f"it is larger than {MOST_BYTES // 1_000_000} MB; simplify its outlines")
        return json.loads(text)
    except OSError as fault:
        raise UsageError(f"it cannot be read: {fault.strerror or fault}") from None
    except (ValueError, RecursionError):
        raise UsageError("it is not JSON") from None


async def lists_of(app: Any, files: list[Path] | None) -> tuple[str, ...]:
    """Files become lists of their own; a name that is no file is a list loaded before."""
    names = []
    for file in files or ():
        if not file.exists():
            names.append(str(file))
            continue
        stem = re.sub(r"[^\w.-]", "-", file.stem)
        # Files may share a name and incidents a second: by them alone one list would take another's place.
        name = f"incident-{this.clock():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}-{stem}"[:100]
        report = await load_list_file(app, name, file)
        for fault in report.rejected:
            tell(f"{file}: line {fault.line}: {fault.reason}")
        names.append(name)
    return tuple(names)


def state_of(text: str | None) -> IncidentState | None:
    """The state of that name.

    Raises:
        UsageError: there is none.
    """
    if text is None:
        return None
    try:
        return IncidentState(text)
    except ValueError:
        raise UsageError(f"--state {text!r} is none of {', '.join(IncidentState)}.") from None


def instant_of(app: Any, text: str | None, option: str) -> datetime | None:
    """An RFC 3339 instant, a wall time in the tenant's zone, or so long from now.

    Raises:
        UsageError: anything else.
    """
    if text is None:
        return None
    try:
        return this.clock() + Duration.parse(text).elapsed()
    except ValueError:
        pass
    try:
        return read_moment(text, app.rules.zone)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text!r} is not a time; write 2027-01-15T18:00 or 2h.") from None
