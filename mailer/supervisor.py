"""One process in charge: it plans, starts sender processes, and keeps the built-in mailbox where no relay is set."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

from mailer import sender
from mailer import settings as settings_file
from mailer.app import App, stop_on_signals
from mailer.cluster.processes import SenderProcesses, shares, slots
from mailer.cluster.starter import Starter
from mailer.core.delivery import TryLater
from mailer.core.relays import Relay
from mailer.errors import MailerError, RelayError, SettingsError, StoreError
from mailer.mailbox.server import serve
from mailer.mailbox.storage import Mailbox
from mailer.smtp.relay import RelayConfig
from mailer.smtp.session import Session

__all__ = ["Starter", "keep_running", "relay_at_hand", "schedule", "starter", "until_idle", "work"]

PER_SENDER = 200  # deliveries that are worth a sender process of their own
RECOVER_SECONDS = 1.0  # between two looks for senders that died
LOOK_SECONDS = 0.3  # between two looks at what other processes hold
MOST_FAILURES = 3  # rounds of senders that end badly before we give up


def starter() -> AbstractContextManager[Starter]:
    """Where senders come from; to be opened before anything that a fork would not survive: any event loop."""
    return Starter.ready(sender.ready)


@asynccontextmanager
async def relay_at_hand(app: App) -> AsyncIterator[Mapping[str, str]]:
    """The environment sender processes get: with the built-in mailbox as their relay where none is set."""
    app.check_keys()
    if app.settings.ways:
        yield settings_file.child_environment({})
        return
    server = await serve(Mailbox(app.settings.state / "mailbox", app.clock), "127.0.0.1", 0)
    try:
        relay = Relay(
            host="127.0.0.1", port=server.port, tls="none", connections=app.settings.relay.connections
        )
        app.settings = app.settings.model_copy(update={"relay": relay})
        yield settings_file.child_environment(
            {
                "MAILER_RELAY__HOST": "127.0.0.1",
                "MAILER_RELAY__PORT": str(server.port),
                "MAILER_RELAY__TLS": "none",
                "MAILER_RELAY__CA_FILE": "",
                "MAILER_RELAY__VERIFY": "",
            }
        )
    finally:
        await server.close()


async def until_idle(app: App, senders: Starter, order: Mapping[str, Any]) -> None:
    """Do everything due at the clock, once; wait for what other processes hold, and recover what died held.

    Raises:
        SettingsError: the relay refuses the user name or password; nothing was sent and everything is kept.
    """
    async with relay_at_hand(app) as environment, stop_on_signals() as stop:
        await app.scheduler().plan_once()
        processes = _processes(app, senders, {**order, "environment": environment})
        failures = 0
        while not stop.is_set():
            waiting = await app.ledger.due(app.clock())
            if waiting:
                await _admitted(app)
                if stop.is_set():
                    break
                async with _recovering(app):  # ours may wait for what a sleeping one of others has locked
                    statuses = await _or_stop(
                        processes.run_until_idle(_shares(app, waiting)), stop, processes.stop
                    )
                failures = failures + 1 if any(statuses or ()) else 0
                if failures == MOST_FAILURES:
                    raise MailerError(
                        "The senders keep failing; what was not sent stays queued. Their errors are above."
                    )
            await app.senders.recover(app.clock())
            if await app.senders.others_hold():
                await asyncio.sleep(LOOK_SECONDS)
            elif not await app.ledger.due(app.clock()):
                break
        await app.ledger.finish_runs(app.clock())


async def keep_running(
    app: App,
    senders: Starter,
    order: Mapping[str, Any],
    also: Callable[[asyncio.Event], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Plan and send until told to stop; `also` runs beside (the web)."""
    async with relay_at_hand(app) as environment, stop_on_signals() as stop, app.supply() as supply:
        await _admitted(app)
        processes = _processes(app, senders, {**order, "environment": environment})
        parts = [app.scheduler().keep(stop), processes.keep(_shares(app, 1_000_000), stop)]
        if supply is not None:  # machines that run `worker` may help
            parts.append(supply.keep(stop))
        await _together(stop, *parts, *([also(stop)] if also is not None else []))


async def schedule(app: App) -> None:
    """Plan until told to stop, and hand what is due to the workers; of several schedulers one plans at a time."""
    async with stop_on_signals() as stop, app.supply() as supply:
        if supply is None:
            raise SettingsError("only PostgreSQL serves several machines")
        await _together(stop, app.scheduler().keep(stop), supply.keep(stop))


async def work(app: App, senders: Starter, order: Mapping[str, Any]) -> None:
    """Send what schedulers hand out, until told to stop; one slot is kept for what is urgent."""
    async with relay_at_hand(app) as environment, stop_on_signals() as stop:
        await _admitted(app)
        dealt, reserved = slots(
            app.settings.connections, app.settings.sender.processes or settings_file.cores()
        )
        processes = _processes(app, senders, {**order, "environment": environment})
        await _together(stop, processes.keep(dealt, stop, reserved=reserved), _recover(app, stop))


def _processes(app: App, senders: Starter, order: Mapping[str, Any]) -> SenderProcesses:
    """Senders for this database; what only theirs needs is loaded once for all of them."""
    load = ["mailer.render.languages"]
    if app.db.dialect == "postgresql":
        load.append("psycopg")
        if order.get("shared"):
            load.append("mailer.cluster.taker")
    if app.settings.dkim.domain is not None:
        load.append("mailer.app.signatures")
    return SenderProcesses(senders, {**order, "counted": not app.catches_mail}, load)


async def _recover(app: App, stop: asyncio.Event) -> None:
    """Free what senders of this machine held that died: only here it is known what they had begun."""
    while not stop.is_set():
        with contextlib.suppress(StoreError):
            await app.senders.recover(app.clock())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RECOVER_SECONDS)


@asynccontextmanager
async def _recovering(app: App) -> AsyncIterator[None]:
    """The same for as long as the block lasts."""
    over = asyncio.Event()
    recovering = asyncio.create_task(_recover(app, over))
    try:
        yield
    finally:
        over.set()
        await recovering


async def _together(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts; when one ends, all do."""

    async def guarded(part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        finally:
            stop.set()

    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(guarded(part))


async def _admitted(app: App) -> None:
    """Ask the relays for entry before anything is sent; one that is away is waited for, one that refuses us is not."""
    relays = app.relays()
    found = await asyncio.gather(*(_answer(app, number, relay) for number, relay in enumerate(relays)))
    away = {str(relay): trouble for relay, trouble in zip(relays, found, strict=True) if trouble is not None}
    wait = "mails wait for it" if len(away) == len(relays) else "the others take its mails"
    for name, trouble in away.items():
        app.tell(f"The relay {name} {trouble.kept_out}; {wait}.")


async def _answer(app: App, number: int, relay: RelayConfig) -> TryLater | None:
    """What keeps us from a relay; None: it lets us in."""
    session = Session(relay)
    try:
        return await session.ready()
    except RelayError as refusal:
        places, above = app.settings.places, f"relays.{number}" if app.settings.relays else "relay"
        place = places.get(f"{above}.password") or places.get(above) or str(app.settings.file)
        raise SettingsError(f"{place}: {above}.password: {refusal}") from None
    finally:
        with contextlib.suppress(OSError):
            await session.close()


def _shares(app: App, waiting: int) -> list[int]:
    most = app.settings.sender.processes or settings_file.cores()
    return shares(app.settings.connections, min(most, -(-waiting // PER_SENDER)))


async def _or_stop(
    work: Awaitable[list[int]], stop: asyncio.Event, end: Callable[[], Awaitable[None]]
) -> list[int] | None:
    """Wait for `work`; when `stop` is set first, `end` it and wait for it all the same."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not working.done():
        await end()
    return await working
