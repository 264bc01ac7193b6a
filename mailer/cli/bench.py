"""The verb that measures: how fast mails leave on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.cli.invocation import run, this
from mailer.cli.operate import SENDER
from mailer.cli.output import tell
from mailer.settings import Settings


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("bench", rich_help_panel="Run")(bench)


def bench(
    sizes: Annotated[list[int] | None, typer.Argument(metavar="[SIZE]…", min=1)] = None,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    database: Annotated[str | None, typer.Option(metavar="URL")] = None,
    links: Annotated[bool, typer.Option("--links")] = False,
    coupon: Annotated[bool, typer.Option("--coupon")] = False,
) -> None:
    """Measure."""
    # Its imports are time and memory that no sender should pay.
    from mailer.bench.rounds import Plan, play  # noqa: PLC0415
    from mailer.bench.shop import Mode  # noqa: PLC0415

    plan = Plan(tuple(sizes or [10_000]), rounds, Mode(links=links, coupon=coupon), database)

    async def work() -> None:
        async for result in play(plan, _command, tell):
            e = result.engine
            row = {
                "size": result.size,
                "round": result.round,
                "sender": result.sender,
                "per_second": round(result.rate),
                "ratio": round(result.ratio, 3),
                "cpu_us": round(result.cpu / result.mails * 1e6, 1),
            }
            if e:
                row |= {
                    "planning": round(e.planning, 2),
                    "first": round(e.first, 3),
                    "seconds": round(e.seconds, 2),
                    "sent": e.sent,
                    "arrived": e.arrived,
                    "planner_us": round(e.planner_cpu / e.sent * 1e6, 1),
                    "sender_us": round(e.sender_cpu / e.sent * 1e6, 1),
                    "sink_us": round(e.sink_cpu / e.sent * 1e6, 1),
                    "peak_mb": round(e.peak_mb, 1),
                    "start_up": round(e.start_up, 2),
                }
            this.out.one(row)

    run(work())


def _command(settings: Settings) -> tuple[str, ...]:
    """How a sender process of that shop is called."""
    return ("--settings", str(settings.file), SENDER)
