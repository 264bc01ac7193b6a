"""Verbs of an installation on several machines: each runs one part of what `up` runs, against one database."""

from __future__ import annotations

import asyncio
import socket
from typing import Annotated

import typer

from mailer.app import stop_on_signals
from mailer.cli.invocation import run as run_async
from mailer.cli.invocation import this
from mailer.cli.output import tell
from mailer.errors import SettingsError
from mailer.supervisor import Starter, schedule, starter, work

_WEB_CHILD = "_web"


def register(cli: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (scheduler, worker, web):
        cli.command(verb.__name__, rich_help_panel="Several machines")(verb)
    cli.command(_WEB_CHILD, hidden=True)(web_child)


def scheduler() -> None:
    """Plan, and hand what is due to the workers. Run two: one plans at a time."""
    _for_several("scheduler")

    async def plan() -> None:
        async with this.app() as app:
            await app.require_shards()
            tell("mailer plans.")
            await schedule(app)

    run_async(plan())


def worker() -> None:
    """Send what the schedulers hand out, with the senders of this machine."""
    _for_several("worker")

    async def send(senders: Starter) -> None:
        async with this.app(load=False) as app:
            await app.require_shards()
            tell("mailer sends.")
            await work(app, senders, this.order() | {"shared": True})

    with starter() as senders:
        run_async(send(senders))


def web(
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many serve at the one address.")] = 1,
) -> None:
    """Serve the pages customers and staff see."""
    _for_several("web")

    async def serve_pages() -> None:
        from mailer.web import several  # noqa: PLC0415 (time no other verb should pay)
        from mailer.web.server import address_of, listen, serve  # noqa: PLC0415 (the same)

        async with this.app() as app, stop_on_signals() as stop:
            app.check_webhooks()
            with listen(app) as door:
                tell(f"mailer is at {address_of(door)}/")
                if processes == 1:
                    await serve(app, stop, door)
                    return
                async with asyncio.TaskGroup() as group:
                    group.create_task(several.keep(_child(), door, processes, stop))
                    group.create_task(app.replay.keep(stop))

    run_async(serve_pages())


def web_child(door: Annotated[int, typer.Option()]) -> None:
    """Be one of several processes that serve; started by `web`."""

    async def serve_pages() -> None:
        from mailer.web import several  # noqa: PLC0415 (as above)
        from mailer.web.server import serve  # noqa: PLC0415 (as above)

        async with this.app() as app, stop_on_signals(patient=True) as stop:
            alone = asyncio.create_task(several.until_alone(stop))
            try:
                await serve(app, stop, socket.socket(fileno=door), books=False)
            finally:
                alone.cancel()

    run_async(serve_pages())


def _child() -> list[str]:
    """How a child of `web` is called, with our settings and our clock."""
    order = this.order()
    words = [("--settings", order["settings"]), ("--now", order["now"])]
    given = [word for option, value in words if value is not None for word in (option, value)]
    return [*given, *(["--debug"] if order["debug"] else []), _WEB_CHILD]


def _for_several(verb: str) -> None:
    """Refuse what would go wrong between machines.

    Raises:
        SettingsError: the database is a file of one machine, or machines would sign with different keys.
    """
    settings = this.settings()
    if settings.database_url.get_secret_value().startswith("sqlite"):
        place = settings.places.get("database_url", str(settings.file))
        raise SettingsError(
            f"{place}: database_url: mailer {verb} needs PostgreSQL, which several machines can share; "
            "on SQLite, mailer up runs every part"
        )
    if settings.secret_key is None:
        raise SettingsError(
            f"{settings.file}: secret_key: mailer {verb} needs one, the same on every machine, or links in mails that "
            "one machine sends are refused by another"
        )
