"""Verbs about segments: who is in one, and why."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

import typer
from rich.text import Text

from mailer.cli.invocation import run, this
from mailer.cli.output import are, counted, facts, shown, tell
from mailer.core.segment_branch import Branch
from mailer.errors import UsageError

segments = typer.Typer(no_args_is_help=True, help="Who is in a segment, and why.")

Name = Annotated[str, typer.Argument(metavar="NAME")]


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.add_typer(segments, name="segments", rich_help_panel="Campaigns")


@segments.command("list")
def list_segments() -> None:
    """Every named segment, and how many customers are in it now."""

    async def work() -> None:
        async with this.app() as app:
            rows = [
                {"name": name, "count": count} for name, count in await app.segment_desk.listing(app.moment())
            ]
            this.out.many(
                rows, ("name", "count"), "There is no named segment; write one in jobs/_segments.yaml."
            )

    run(work())


@segments.command("count")
def count(name: Name) -> None:
    """How many customers are in a segment now."""

    async def work() -> None:
        async with this.app() as app:
            number = await app.segment_desk.count(_known(app, name), app.moment())
            if this.json:
                this.out.one({"name": name, "count": number})
            else:
                print(number)  # noqa: T201 - the number is what scripts read

    run(work())


@segments.command("preview")
def preview(name: Name) -> None:
    """How many, some of them, and how many each exclusion takes out."""

    async def work() -> None:
        async with this.app() as app:
            found = await app.segment_desk.preview(_known(app, name), app.moment())
            row = {
                "name": name,
                "count": found.count,
                "samples": [customer.id for customer in found.samples],
                "excluded": [{"rule": each.rule, "count": each.count} for each in found.excluded],
                "missing_lists": list(found.missing_lists),
            }
            if this.json:
                this.out.one(row)
                return
            tell(f"{counted(found.count, 'customer')} {are(found.count)} in {name}.")
            for each in found.excluded:
                tell(f"{each.count} {are(each.count)} left out by: {each.rule}")
            for missing in found.missing_lists:
                tell(f"The list {missing} is not loaded, so it matches nobody; see mailer lists load --help.")
            people = [
                {
                    "id": each.id,
                    "email": each.email,
                    "first_name": each.first_name,
                    "last_name": each.last_name,
                }
                for each in found.samples
            ]
            this.out.many(people, ("id", "email", "first_name", "last_name"), "Nobody is in it.")

    run(work())


@segments.command("explain")
def explain(name: Name, customer: Annotated[str, typer.Argument(metavar="CUSTOMER")]) -> None:
    """Why a customer is in a segment, or is not."""

    async def work() -> None:
        async with this.app() as app:
            branch = await app.segment_desk.explain(_known(app, name), customer, app.moment())
            if this.json:
                this.out.one({"name": name, "customer": customer, **_plain(branch)})
            else:
                verdict = "is in" if branch.holds else "is not in"
                facts.print(Text(f"{customer} {verdict} {name}."))
                for line in branch.lines():
                    facts.print(Text(shown(line)))

    run(work())


def _known(app: Any, name: str) -> str:
    if name not in app.segment_desk.names():
        near = difflib.get_close_matches(name, app.segment_desk.names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see mailer segments list."
        raise UsageError(f"There is no segment {name!r:.100}; {hint}")
    return name


def _plain(branch: Branch) -> dict[str, object]:
    return {
        "rule": branch.text,
        "holds": branch.holds,
        "found": branch.found,
        "parts": [_plain(each) for each in branch.parts],
    }
