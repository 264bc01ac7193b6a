"""Verbs about the tokens programs show to the API."""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.cli.invocation import run, this
from mailer.cli.output import tell
from mailer.core.access import Scope, scopes_of, token_name

tokens = typer.Typer(no_args_is_help=True, help="What programs show to use the HTTP API.")


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.add_typer(tokens, name="tokens", rich_help_panel="Data")


@tokens.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, such as webshop.")],
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help=f"May be given again: {', '.join(Scope)}.")
    ] = None,
) -> None:
    """Make a token, and print it once; it is kept nowhere."""
    token_name(name)
    scopes_of(scope or ())

    async def work() -> None:
        async with this.app(load=False) as app:
            made = await app.doorkeeper.create(name, scope or (), this.clock())
            tell(f"This is the token {name}. It is shown this once; whoever has it may do what it may.")
            this.out.one({"name": name, "scopes": list(scope or ()), "token": made})

    run(work())


@tokens.command("list")
def list_tokens() -> None:
    """Every token there is or was; never its secret."""

    async def work() -> None:
        async with this.app(load=False) as app:
            rows = [
                {"name": each.name, "scopes": list(each.scopes), "created_at": each.created_at,
                 "revoked_at": each.revoked_at}
                for each in await app.doorkeeper.list()
            ]  # fmt: skip
            columns = ("name", "scopes", "created_at", "revoked_at")
            this.out.many(rows, columns, "There is no token yet; see mailer tokens create --help.")

    run(work())


@tokens.command("revoke")
def revoke(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Shut a token out, from the next request on. Its name is not given to another."""

    async def work() -> None:
        async with this.app(load=False) as app:
            await app.doorkeeper.revoke(name, this.clock())
            tell(f"The token {name} opens nothing any more.")

    run(work())
