"""The verb that says what came of what went out."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from mailer.app import App
from mailer.cli.invocation import read_moment, run, this
from mailer.cli.names import refuse_unknown
from mailer.cli.output import counted, harmless, shown, tell
from mailer.core.plain import plain
from mailer.core.report import Scope, share
from mailer.core.report_rows import COLUMNS, DOMAIN_COLUMNS, currencies, flat, steps
from mailer.errors import UsageError
from mailer.flow.report import CampaignReport, RunReport, in_words

PANEL = "Results"
_SHOWN = 20  # runs and domains a person is shown; --json and --csv have all
_STDOUT = Path("-")


class By(StrEnum):
    """What a line is about."""

    RUN = "run"
    CAMPAIGN = "campaign"
    DOMAIN = "domain"


def register(cli: typer.Typer) -> None:
    """Add the verb."""
    cli.command("report", rich_help_panel=PANEL)(report)


def report(
    campaign: Annotated[str | None, typer.Argument(metavar="CAMPAIGN", help="Only this one.")] = None,
    by: Annotated[
        By | None, typer.Option(help="What each line is about; run, where --json or --csv is given.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="T", help="Only runs due since then: an instant, or a local day.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write CSV; - writes it to the screen.")
    ] = None,
) -> None:
    """What went out, what came back, what it brought: the funnel of each run and campaign."""

    async def work() -> None:
        async with this.app(load=campaign is not None) as app:
            scope = Scope(
                campaign, None if since is None else read_moment(since, "--since", app.settings.tenant.zone)
            )
            if file is None and not this.json and by is None:
                await _tell(app, scope)
                return
            lines, columns = await _lines(app, scope, by or By.RUN)
            if not lines and campaign is not None:
                refuse_unknown(app, campaign)
            if file is not None:
                _write(file, lines, columns)
            else:
                this.out.many(lines, _SCREEN[by or By.RUN], "Nothing ran so far.")

    run(work())


async def _lines(app: App, scope: Scope, by: By) -> tuple[list[dict[str, Any]], Sequence[str]]:
    """The lines, and their columns in a CSV file."""
    if by is By.DOMAIN:
        return list(await app.reports.domains(scope)), DOMAIN_COLUMNS
    found: Sequence[RunReport | CampaignReport] = (
        await app.reports.runs(scope) if by is By.RUN else await app.reports.campaigns(scope)
    )
    return [each.as_json() for each in found], COLUMNS


async def _tell(app: App, scope: Scope) -> None:
    """The same for a person: of one campaign all there is, of several a table."""
    if scope.campaign is None:
        reports = await app.reports.campaigns(scope)
        this.out.many([_row(each) for each in reports], _SCREEN[By.CAMPAIGN], "Nothing ran so far.")
        for each in reports:
            if each.uplift is not None:
                tell(f"{each.campaign}: uplift {each.uplift.sentence}.")
        if reports:
            tell("mailer report CAMPAIGN tells more of one.")
        return
    runs = await app.reports.runs(scope)
    if not runs:
        refuse_unknown(app, scope.campaign)
        tell(f"Nothing of {scope.campaign} ran so far.")
        return
    one = await app.reports.together(scope.campaign, runs, scope)
    this.out.many([_row(each) for each in runs[-_SHOWN:]], _SCREEN[By.RUN], "")
    if len(runs) > _SHOWN:
        tell(f"The last {_SHOWN} of {len(runs)} runs; --json has them all.")
    tell(f"\n{scope.campaign}, {counted(len(runs), 'run')}")
    this.out.many(steps(one.funnel, in_words(one.goal)), ("step", "deliveries", "share"), "")
    _tell_money(one)
    domains = await app.reports.domains(scope)
    if domains:
        tell("\nBy the recipients' domain")
        this.out.many(domains[:_SHOWN], DOMAIN_COLUMNS, "")
        if len(domains) > _SHOWN:
            tell(f"The largest {_SHOWN} of {len(domains)}; --by domain has them all.")


def _tell_money(one: CampaignReport) -> None:
    funnel = one.funnel
    if one.uplift is not None:
        tell(f"\nUplift over those left out: {one.uplift.sentence}.")
    elif one.goal is not None:
        tell("\nWithout a holdout nobody can say what would have happened anyway.")
    if funnel.coupons:
        used = share(funnel.redeemed, funnel.coupons)
        tell(f"{counted(funnel.coupons, 'code')} given, {funnel.redeemed} redeemed ({used}).")
    if funnel.revenue:
        came = ", ".join(f"{amount} {currency}" for currency, amount in funnel.revenue.items())
        tell(
            f"{counted(funnel.orders_by_code, 'order')} by code and {funnel.orders_by_click} by click came to {came}."
        )


_SCREEN: Mapping[By, Sequence[str]] = {
    By.RUN: (
        "run", "campaign", "occurrence", "audience", "eligible", "skipped", "sent", "failed", "bounced",
        "clicked_human", "goal", "unsubscribed", "complained",
    ),
    By.CAMPAIGN: (
        "campaign", "runs", "audience", "eligible", "sent", "failed", "bounced", "clicked_human", "goal",
        "unsubscribed", "complained", "orders", "revenue",
    ),
    By.DOMAIN: DOMAIN_COLUMNS,
}  # fmt: skip


def _row(each: RunReport | CampaignReport) -> dict[str, Any]:
    line = each.as_json()
    return line | {
        "skipped": sum(each.funnel.skipped.values()),
        "orders": each.funnel.orders_by_code + each.funnel.orders_by_click,
        "revenue": ", ".join(f"{amount} {currency}" for currency, amount in each.funnel.revenue.items()),
    }


def _write(file: Path, lines: list[dict[str, Any]], columns: Sequence[str]) -> None:
    """As CSV (RFC 4180); no cell of it is a formula to a spreadsheet."""
    if columns is COLUMNS:
        columns = (*COLUMNS, *currencies(lines))
        lines = [flat(line) for line in lines]
    with _opened(file) as target:
        writer = csv.writer(target)
        writer.writerow(columns)
        writer.writerows([harmless(plain(line.get(column))) for column in columns] for line in lines)
    if file != _STDOUT:
        tell(f"{counted(len(lines), 'line')} written to {shown(str(file))}.")


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    if file == _STDOUT:
        yield sys.stdout
        return
    try:
        with file.open("w", encoding="utf-8", newline="") as target:
            yield target
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}.") from None
