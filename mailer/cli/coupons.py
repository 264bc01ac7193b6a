"""Verbs about coupons: loading codes, what is left, who holds which, what the shop must know, what came back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailer.cli.data import finish, open_rows
from mailer.cli.invocation import read_moment, run, this
from mailer.cli.names import of_known
from mailer.cli.output import tell
from mailer.core import pool as pools_of_codes
from mailer.core.cell import CellFault
from mailer.core.coupon import CouponState
from mailer.core.redemption import Redemption, net_of
from mailer.errors import UsageError

PANEL = "Results"

coupons = typer.Typer(no_args_is_help=True, help="Codes: loaded, given out, used.")

_COLUMNS = ("code", "campaign", "customer", "state", "percent", "amount", "currency", "valid_until")
_EXPORTED = (
    "code", "kind", "campaign", "pool", "customer", "state", "percent", "amount", "currency", "valid_until",
    "issued_at", "redeemed_at", "order", "net", "changed_at",
)  # fmt: skip


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    cli.add_typer(coupons, name="coupons", rich_help_panel=PANEL)


@coupons.command("load")
def load(
    pool: Annotated[str, typer.Argument(metavar="POOL")],
    file: Annotated[Path, typer.Argument(help="One code a line, or CSV with a column code.", metavar="FILE")],
) -> None:
    """Put codes into a pool. Loading the same file again changes nothing."""

    async def work() -> None:
        async with this.app() as app:
            with open_rows(file, pools_of_codes.FIELDS, None, required=("code",), single="code") as (
                rows,
                bar,
            ):
                report = await app.pool_load.run(pool, rows, now=this.clock(), progress=bar)
        finish(report, dry_run=False, warned="")

    run(work())


@coupons.command("pools")
def pools() -> None:
    """Every pool: how many codes it has left, and whether the next run finds enough."""

    async def work() -> None:
        async with this.app() as app:
            rows = await app.stockroom.pools(this.clock())
            columns = ("pool", "available", "reserved", "issued", "redeemed", "quarantined", "released", "total",
                       "needed", "campaigns")  # fmt: skip
            this.out.many(rows, columns, "There is no pool yet; see mailer coupons load --help.")
            for row in rows:
                if row["low"]:
                    tell(f"The pool {row['pool']} {row['low']}.")

    run(work())


@coupons.command("redeem")
def redeem(
    code: Annotated[str, typer.Argument(metavar="CODE")],
    order: Annotated[str | None, typer.Option(help="The order it was used for.")] = None,
    net: Annotated[str | None, typer.Option(metavar="AMOUNT", help="What the order came to.")] = None,
    customer: Annotated[str, typer.Option(metavar="ID", help="Who used it, by the shop's id.")] = "",
) -> None:
    """Write down that a code was used. Saying it again changes nothing."""
    try:
        net_e4 = net_of(net)
    except CellFault as error:
        raise UsageError(f"--net {net!r}: {error}") from None

    async def work() -> None:
        async with this.app(load=False) as app:
            said = Redemption(code.strip(), this.clock(), order, net_e4, customer)
            answer = await app.redemptions.tell(said, this.clock())
            known = answer.code or said.code
            tell(f"The code {known} {'was redeemed already' if answer.again else 'is redeemed'}.")
            if this.json:
                this.out.one({"code": known, "customer": answer.holder, "again": answer.again})

    run(work())


@coupons.command("list")
def list_coupons(
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
    state: Annotated[CouponState | None, typer.Option(help="Only in this state.")] = None,
) -> None:
    """Every code, who holds it, and what it is worth."""

    async def work() -> None:
        async with this.app(load=False) as app:
            found = of_known(app, app.coupons.list(campaign, state), campaign=campaign)
            narrowed = campaign is not None or state is not None
            empty = (
                "No code fits; see mailer coupons list without options." if narrowed else "No code so far."
            )
            await this.out.stream(found, _COLUMNS, empty)

    run(work())


@coupons.command("export")
def export(
    since: Annotated[
        str | None,
        typer.Option(metavar="T", help="Only what is new or changed since then: an instant, or a local day."),
    ] = None,
) -> None:
    """Print every code that was promised to a customer, for the shop: as CSV, or as JSON lines with --json."""

    async def work() -> None:
        async with this.app(load=False) as app:
            start = None if since is None else read_moment(since, "--since", app.settings.tenant.zone)
            await this.out.csv(app.coupons.export(start), _EXPORTED)

    run(work())
