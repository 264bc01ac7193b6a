"""Verbs that show mails: previews, tests, the built-in mailbox."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from mailer.cli.invocation import run, this
from mailer.cli.output import tell
from mailer.supervisor import relay_at_hand

PANEL = "Mails"

mailbox = typer.Typer(no_args_is_help=True, help="The built-in mailbox, used while no relay is set.")


class Format(StrEnum):
    """How a mail is shown."""

    HTML = "html"
    TEXT = "text"
    EML = "eml"


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.command("preview", rich_help_panel=PANEL)(preview)
    cli.command("test", rich_help_panel=PANEL)(test)
    cli.add_typer(mailbox, name="mailbox", rich_help_panel=PANEL)


def preview(
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN")],
    customer: Annotated[str | None, typer.Option(help="As this customer would get it.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="The page, the plain text, or the whole message.")
    ] = Format.TEXT,
) -> None:
    """Show a campaign's mail; nothing is sent and no code is used up."""

    async def work() -> None:
        async with this.app() as app:
            shown = await app.previews.preview(app.campaign(campaign), customer, this.clock())
            if this.json:
                this.out.one(asdict(shown))
                return
            if form is not Format.EML:
                tell(f"Subject: {shown.subject}")
            text = {Format.EML: shown.source, Format.HTML: shown.html, Format.TEXT: shown.text}[form]
            print(text)  # noqa: T201 - stdout is the product here

    run(work())


def test(
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN")],
    to: Annotated[str, typer.Option(metavar="ADDRESS", help="One of the settings' staff.")],
) -> None:
    """Send a campaign's mail to one of the staff, marked as a test."""

    async def work() -> None:
        async with this.app() as app, relay_at_hand(app):
            tell(await app.previews.send_test(app.campaign(campaign), to, app.settings.staff, this.clock()))

    run(work())


@mailbox.command("list")
def list_mails() -> None:
    """What the mailbox caught, newest first."""

    async def work() -> None:
        box = this.mailbox()
        this.out.many(
            [row.facts() for row in await box.list()],
            ("id", "at", "to", "subject", "size"),
            "The mailbox is empty; see mailer up --demo.",
        )

    run(work())


@mailbox.command("show")
def show_mail(
    mail: Annotated[str, typer.Argument(metavar="ID")],
    form: Annotated[Format, typer.Option("--format")] = Format.TEXT,
) -> None:
    """One mail of the mailbox."""

    async def work() -> None:
        found = await this.mailbox().get(mail)
        if this.json:
            this.out.one(
                {**found.row.facts(), "headers": dict(found.headers), "text": found.text, "html": found.html}
            )
            return
        text = {
            Format.EML: found.raw.decode("utf-8", "replace"),
            Format.HTML: found.html,
            Format.TEXT: found.text,
        }[form]
        if form is Format.TEXT:
            for name, value in found.headers:
                print(f"{name}: {value}")  # noqa: T201 - stdout is the product here
            print()  # noqa: T201
        print(text or "")  # noqa: T201

    run(work())
