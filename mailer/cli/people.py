"""Verbs about one customer: their story, what is kept of them, forgetting them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from mailer.cli.data import customers
from mailer.cli.invocation import run, this
from mailer.cli.mails import Format
from mailer.cli.output import counted, tell
from mailer.core.plain import plain
from mailer.errors import UsageError


class Shape(StrEnum):
    """How an export is written."""

    JSON = "json"
    CSV = "csv"


CustomerId = Annotated[str, typer.Argument(metavar="ID", help="The shop's id.")]


def register(_cli: typer.Typer) -> None:
    """The verbs stand below `customers`."""


@customers.command("show")
def show_customer(
    customer: CustomerId,
    mail: Annotated[
        int | None, typer.Option(metavar="DELIVERY", help="Make this mail once more and show it.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Of --mail.")] = Format.TEXT,
) -> None:
    """One customer: what is known, and every send and every skip, explained."""

    async def work() -> None:
        async with this.app(load=False) as app:
            if mail is not None:
                copy = await app.persons.copy(customer, mail, this.clock())
                if this.json:
                    this.out.one(asdict(copy))
                    return
                tell(copy.note)
                print({Format.EML: copy.source, Format.HTML: copy.html, Format.TEXT: copy.text}[form])  # noqa: T201 - stdout is the product here
                return
            found = await app.customer_story(customer)
            if this.json:
                this.out.one(found)
                return
            timeline = found.pop("timeline")
            mails = found.pop("deliveries")
            del found["consent_entries"], found["suppressions"]
            this.out.one(found)
            tell("\nWhat happened")
            this.out.many(timeline, ("at", "delivery", "sentence"), "Nothing so far.")
            if any(mail["sent_at"] for mail in mails):
                tell("\n--mail DELIVERY shows one of the mails.")

    run(work())


@customers.command("export")
def export_customer(
    customer: CustomerId,
    form: Annotated[
        Shape, typer.Option("--format", help="csv: one value a row, for a spreadsheet.")
    ] = Shape.JSON,
) -> None:
    """Print everything we hold of a customer: for when they ask (GDPR articles 15 and 20, KVKK article 11)."""

    async def work() -> None:
        async with this.app(load=False) as app:
            found = await app.persons.export(customer)
            if this.json:
                this.out.one(found)
            elif form is Shape.CSV:
                await this.out.csv(_values(found), ("part", "number", "field", "value"))
            else:
                print(json.dumps(plain(found), ensure_ascii=False, indent=1))  # noqa: T201 - stdout is the product here

    run(work())


@customers.command("erase")
def erase_customer(
    customer: CustomerId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask at a terminal.")] = False,
) -> None:
    """Forget a customer for good: what is counted stays and names nobody, and their address stays barred."""

    async def work() -> None:
        async with this.app(load=False) as app:
            found = await app.customers.show(customer)
            if found is None:
                raise UsageError(f"There is no customer {customer!r}; see mailer customers list.")
            if not yes and sys.stdin.isatty():
                _ask(customer, found["email"])
            gone = await app.forget(customer)
            if this.json:
                this.out.one({"id": customer, **asdict(gone)})
            _report(customer, gone)

    run(work())


def _report(customer: str, gone: Any) -> None:
    stay = (
        "1 delivery row stays and names"
        if gone.deliveries == 1
        else f"{gone.deliveries} delivery rows stay and name"
    )
    told = f"{customer} is erased. {stay} nobody"
    tell(told + (f"; {gone.cancelled} had not left and never will." if gone.cancelled else "."))
    if gone.mails:
        tell(f"Removed from the built-in mailbox: {counted(gone.mails, 'mail')}.")
    if gone.clicks_wait:
        tell(
            "Clicks of theirs wait on disk still; they are let go when mailer web or mailer up takes them in."
        )
    for other in gone.others:
        tell(f"{other} has the same address and gets no mail any more either; erase it too, if it is theirs.")


async def _values(found: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """One value a row: which part it is of, which of its rows, its name, and what it is; lists and objects as JSON."""
    alone = {name: value for name, value in found.items() if not _is_part(value)}
    for part, rows in {"customer": [alone], **{k: v for k, v in found.items() if k not in alone}}.items():
        for number, row in enumerate(rows, 1):
            for field, value in row.items():
                nested = isinstance(value, list | dict)
                told = json.dumps(plain(value), ensure_ascii=False) if nested else value
                yield {"part": part, "number": number, "field": field, "value": told}


def _is_part(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _ask(customer: str, email: str) -> None:
    """Let whoever sits there type the id.

    Raises:
        UsageError: they typed something else.
    """
    tell(f"This removes everything of {customer} ({email or 'no address'}). It cannot be undone.")
    if typer.prompt("Type the id to go on", err=True) != customer:
        raise UsageError("That is not the id; nothing is erased.")
