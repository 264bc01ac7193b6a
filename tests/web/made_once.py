"""The site and the API, made once in a process: making one anew takes longer than what most tests ask of it.

Whatever a test asks goes to the App of that test, as a site of its own would have it.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from typing import Any

from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send

from mailer.app import App
from mailer.web.api import site as programs
from mailer.web.site import site

_asked: ContextVar[App] = ContextVar("the App that a request is for")


class _Turning(App):
    """The App that a request is for, whichever that is."""

    def __getattribute__(self, name: str) -> Any:
        return getattr(_asked.get(), name)


class _For:
    """What was made once, for one App."""

    def __init__(self, app: App, made: Litestar) -> None:
        self._app = app
        self._made: ASGIApp = made

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _asked.set(self._app)
        await self._made(scope, receive, send)


@cache
def _pages() -> Litestar:
    return site(_Turning.__new__(_Turning))


@cache
def _api() -> Litestar:
    return programs.api(_Turning.__new__(_Turning))


def pages(app: App) -> ASGIApp:
    """As `site(app)` answers."""
    return _For(app, _pages())


def api(app: App) -> ASGIApp:
    """As `api(app)` answers."""
    return _For(app, _api())
