"""The web inside the supervisor's loop: it listens before anything is sent, and leaves politely."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from mailer.app import App, affordable
from mailer.errors import SettingsError
from mailer.web.api.site import Doors, api
from mailer.web.links import Links
from mailer.web.site import site
from mailer.web.wire import Wire

_FAREWELL = 5  # seconds requests that have begun may take when we are told to stop
_MOST = 1_000  # connections at once, as far as there are files; one more is told to come back


class _Server(uvicorn.Server):
    """Signals are the supervisor's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def listen(app: App) -> socket.socket:
    """The door of the settings' `listen`, open.

    Raises:
        SettingsError: it is taken, or is no address of this machine.
    """
    address = app.settings.listen
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = app.settings.places.get("listen", str(app.settings.file))
    try:
        return socket.create_server((host, int(port)), family=family, backlog=1_024)
    except OSError as error:
        why = (
            os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        )  # a name: below 0
        raise SettingsError(
            f"{place}: listen: the web cannot be served at {address} ({why}); "
            "stop what uses it, or choose another address."
        ) from None


def address_of(door: socket.socket) -> str:
    """Where a person on this machine finds us."""
    host, port = door.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    app: App, stop: asyncio.Event, door: socket.socket | None = None, *, books: bool = True
) -> None:
    """Serve until told to stop; requests that have begun are answered.

    Without `books` another process takes what is clicked into the database.

    Raises:
        SettingsError: there is no `door` and none can be opened.
    """
    door = door or listen(app)
    config = uvicorn.Config(
        Links(app, Doors(api(app), site(app))),
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        http=Wire,
        ws="none",
        proxy_headers=False,  # whom a proxy speaks for is not believed; see guard
        server_header=False,
        limit_concurrency=affordable(_MOST),
        timeout_graceful_shutdown=_FAREWELL,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([door]))
    stopped = asyncio.create_task(stop.wait())
    over = asyncio.Event()
    beside = [asyncio.create_task(app.trail.keep(over))]
    if books:
        beside.append(asyncio.create_task(app.replay.keep(over)))
    try:
        await asyncio.wait({serving, stopped, *beside}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        server.should_exit = True
        await serving
        door.close()
        over.set()  # what the last requests left is brought to disk
        await asyncio.gather(*beside)
