"""What a filter names: a name that was misspelt is not taken for something of which nothing is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from mailer.app import App
from mailer.cli.output import given_back
from mailer.errors import UsageError

#: The largest number a row can have, in SQLite and in PostgreSQL.
LARGEST = 2**63 - 1


async def of_known(
    app: App,
    rows: AsyncIterator[dict[str, Any]],
    *,
    campaign: str | None = None,
    run: int | None = None,
    customer: str | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """The same rows. Where there are none, the names are looked at: what has rows is known, file or not.

    Raises:
        UsageError: there is none, and one of the names is nobody's.
    """
    found = False
    async with given_back(rows):
        async for row in rows:
            found = True
            yield row
    if found:
        return
    if customer is not None and await app.customers.show(customer) is None:
        raise UsageError(f"There is no customer {customer!r}; see mailer customers list.")
    if run is not None and await app.run_views.one(run) is None:
        raise UsageError(f"There is no run {run}; see mailer runs.")
    if campaign is not None:
        await app.reload(quiet=True)
        refuse_unknown(app, campaign)


def refuse_unknown(app: App, campaign: str) -> None:
    """Refuse a name that no file has; a file that cannot be read has it as well.

    Raises:
        UsageError: no file is called that.
    """
    if all(Path(fault.file).stem != campaign for fault in app.faults):
        app.campaign(campaign)
