"""The verb that measures: how fast mails leave on this machine."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from mailer.cli.invocation import run, this
from mailer.cli.output import tell
from mailer.errors import MailerError
from mailer.supervisor import starter


class Key(StrEnum):
    """Keys that sign."""

    ED25519 = "ed25519"
    RSA = "rsa"


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("bench", rich_help_panel="Run")(bench)


def bench(
    sizes: Annotated[
        list[int] | None,
        typer.Argument(metavar="[SIZE]…", min=1, help="Recipients; 10000 when none is given."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each sender has its turn.")] = 3,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A PostgreSQL server, for databases of our own. Default: SQLite."),
    ] = None,
    links: Annotated[bool, typer.Option("--links", help="Track every link.")] = False,
    coupon: Annotated[bool, typer.Option("--coupon", help="A code of its own in each mail.")] = False,
    dkim: Annotated[Key | None, typer.Option(help="Sign each mail.")] = None,
) -> None:
    """Measure how fast mails leave, beside other senders, into Postfix's smtp-sink on this machine."""
    with starter() as senders:
        # Time and memory that neither a sender nor another verb should pay.
        from mailer.bench import report  # noqa: PLC0415
        from mailer.bench.rounds import Bench, Plan  # noqa: PLC0415
        from mailer.bench.shop import Mode  # noqa: PLC0415

        mode = Mode(links=links, coupon=coupon, dkim=dkim.value if dkim else None)
        plan = Plan(tuple(sizes or [10_000]), rounds, mode, database)

        async def work() -> None:
            async with Bench.open(plan, senders, tell) as opened:
                for size in plan.sizes:
                    results = [result async for result in opened.results(size)]
                    tell(
                        f"{size:,} mails, {mode}, {opened.database}; ratios are to smtp-source in the same round:"
                    )
                    what = {"mode": str(mode), "database": opened.database}
                    this.out.many([row | what for row in report.summary(results)], report.SUMMARY, "")
                    tell("mailer, from publishing to the last durable result:")
                    rows = [row | what for row in report.engine_rows(results)]
                    this.out.many(rows, report.ENGINE, "")
                    if any(row["sent"] != size or row["arrived"] != size for row in rows):
                        raise MailerError(
                            f"Not every one of the {size:,} mails was sent and arrived; see above."
                        )

        async def stoppable() -> None:
            try:
                await work()
            except (asyncio.CancelledError, KeyboardInterrupt):
                raise typer.Abort from None

        run(stoppable())
