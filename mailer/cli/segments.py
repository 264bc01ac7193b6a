"""Verbs about segments: who is in one, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.cli.invocation import run, this
from mailer.cli.output import facts, shown, tell

segments = typer.Typer(no_args_is_help=True, help="Who is in a segment, and why.")

Name = Annotated[str, typer.Argument(metavar="NAME")]


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.add_typer(segments, name="segments", rich_help_panel="Campaigns")
