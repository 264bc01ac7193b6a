"""Verbs about what goes out: runs and deliveries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import typer

from mailer.cli.invocation import run, this
from mailer.cli.names import LARGEST, of_known
from mailer.cli.operate import tell_of_halt, tell_of_held
from mailer.cli.output import given_back, tell
from mailer.core import breaker
from mailer.core.delivery import State
from mailer.core.run import RunState
from mailer.errors import UsageError

PANEL = "Results"

runs = typer.Typer(help="Every run, and stopping one.", invoke_without_command=True)
deliveries = typer.Typer(help="Every mail and every skip.", invoke_without_command=True)

RunId = Annotated[int, typer.Argument(metavar="ID", max=LARGEST)]

_RUN_COLUMNS = (
    "id", "campaign", "occurrence", "state", "audience", "queued", "sending", "sent", "deferred", "failed",
    "in_doubt", "skipped", "cancelled", "expired",
)  # fmt: skip
_DELIVERY_COLUMNS = (
    "id", "campaign", "occurrence", "customer", "address", "state", "reason", "attempts", "due_at", "sent_at",
    "reply",
)  # fmt: skip


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.add_typer(runs, name="runs", rich_help_panel=PANEL)
    cli.add_typer(deliveries, name="deliveries", rich_help_panel=PANEL)


@runs.callback()
def list_runs(
    context: typer.Context,
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
) -> None:
    """Every run, its deliveries counted by state."""
    if context.invoked_subcommand is not None:
        return

    async def work() -> None:
        async with this.app(load=False) as app:
            stopped: list[tuple[int, str]] = []
            held = await app.holds.by_run()
            found = of_known(app, app.runs.list(campaign), campaign=campaign)
            found = _watched(found, held, stopped)
            await this.out.stream(
                found, _RUN_COLUMNS, "No run of it so far." if campaign else "No run so far."
            )
            await tell_of_halt(app)
            for number, why in [] if this.json else stopped:
                tell(f"Run {number} is paused by a {why}. `mailer runs resume {number}` lets it go on.")
            if not this.json:
                await tell_of_held(app)

    run(work())


async def _watched(
    rows: AsyncIterator[dict[str, Any]], held: Mapping[int, int], stopped: list[tuple[int, str]]
) -> AsyncIterator[dict[str, Any]]:
    """The same rows, with what is held of each; those that a breaker paused are kept, with its reason."""
    async with given_back(rows):
        async for row in rows:
            if row["state"] == RunState.PAUSED and str(row["reason"]).startswith(breaker.MARK):
                stopped.append((row["id"], str(row["reason"])))
            yield row | {"held": held.get(row["id"], 0)}


@runs.command("cancel")
def cancel_run(run_id: RunId) -> None:
    """Call a run off: what has not left never will."""

    async def work() -> None:
        async with this.app(load=False) as app:
            stopped = await app.control.cancel(run_id, this.clock())
            tell(f"Run {run_id} is cancelled; {_deliveries(stopped)} will not leave.")

    run(work())


@runs.command("pause")
def pause_run(run_id: RunId) -> None:
    """Hold what has not left of a run; nothing is lost."""

    async def work() -> None:
        async with this.app(load=False) as app:
            await app.control.pause(run_id)
            tell(f"Run {run_id} is paused.")

    run(work())


@runs.command("resume")
def resume_run(run_id: RunId) -> None:
    """Let a paused run go on."""

    async def work() -> None:
        async with this.app(load=False) as app:
            await app.control.resume(run_id)
            tell(f"Run {run_id} goes on.")

    run(work())


def _deliveries(number: int) -> str:
    return "1 delivery" if number == 1 else f"{number} deliveries"


@deliveries.callback()
def list_deliveries(
    context: typer.Context,
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
    run_id: Annotated[int | None, typer.Option("--run", max=LARGEST, help="Only this run's.")] = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
) -> None:
    """Every delivery: who was sent what, and who was not, with the reason."""
    if context.invoked_subcommand is not None:
        return

    async def work() -> None:
        async with this.app(load=False) as app:
            rows = app.deliveries(app.ledger.list(campaign, run_id, state, customer))
            rows = of_known(app, rows, campaign=campaign, run=run_id, customer=customer)
            rows = rows if this.json else _named(rows)
            narrowed = any(each is not None for each in (campaign, run_id, state, customer))
            empty = (
                "No delivery fits; see mailer deliveries without options."
                if narrowed
                else "No delivery so far."
            )
            await this.out.stream(rows, _DELIVERY_COLUMNS, empty)

    run(work())


async def _named(rows: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """For people: who won is a part of the reason."""
    async with given_back(rows):
        async for row in rows:
            won = ", ".join(each["campaign"] for each in row["yielded_to"])
            yield row | {"reason": f"{row['reason']}: {won}"} if won else row


@deliveries.command("settle")
def settle(
    delivery: Annotated[int, typer.Argument(metavar="ID", max=LARGEST)],
    sent: Annotated[bool, typer.Option("--sent", help="It arrived; leave it.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="It did not; send it again.")] = False,
) -> None:
    """Say what became of a delivery in doubt."""
    if sent == resend:
        raise UsageError("Say what became of it: --sent or --resend.")

    async def work() -> None:
        async with this.app(load=False) as app:
            await app.ledger.settle(delivery, sent, this.clock())
            tell(f"Delivery {delivery} {'counts as sent' if sent else 'goes out again'}.")

    run(work())


@deliveries.command("retry")
def retry(delivery: Annotated[int, typer.Argument(metavar="ID", max=LARGEST)]) -> None:
    """Queue a failed, expired or cancelled delivery again."""

    async def work() -> None:
        async with this.app(load=False) as app:
            await app.control.retry(delivery, this.clock())
            tell(f"Delivery {delivery} is queued again.")

    run(work())
