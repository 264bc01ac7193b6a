"""The API as an application of its own, beside the pages: its errors are for programs, and it describes itself."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, cast

import structlog
from litestar import Litestar, Response, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from mailer.app import App
from mailer.errors import StoreError
from mailer.web import allow
from mailer.web.api import incident_shapes, incidents, people, persons, results, wishes
from mailer.web.api.asking import LARGEST, let_in
from mailer.web.api.problem import LATER, TYPE, Problem, wait
from mailer.web.api.shape import SCHEMAS
from mailer.web.public import Asked, left_early

PREFIX = "/api/"
LONGEST = 90.0  # seconds a request may take, its own way to us included
HANDLERS = (*people.HANDLERS, *persons.HANDLERS, *results.HANDLERS, *wishes.HANDLERS, *incidents.HANDLERS)
_log = structlog.get_logger(__name__)
_SERVER_ERROR, _TOO_LARGE = 500, 413

_SAID = {
    400: "The request cannot be read.",
    404: "There is nothing at this address; see /api/openapi.json.",
    405: "This address cannot be asked that way; see /api/openapi.json.",
    413: f"The body is larger than {LARGEST // 1_000_000} MB; send it in parts.",
}
_LATE = "The database did not answer; whether it was written nobody knows, so ask again."
_ABOUT = (
    "What programs of the shop may tell and ask. Every request shows a token: `Authorization: Bearer …`; "
    "`mailer tokens create` makes one. A body is a JSON object."
)


def api(app: App) -> Litestar:
    """What programs may ask of `app`."""

    def explain(request: Asked, error: Exception) -> Response[Any]:
        return _problem(app, request, error).answer()

    site = Litestar(
        route_handlers=[
            Router(path="/", route_handlers=HANDLERS, guards=[let_in])
        ],  # the description is open
        dependencies={"mailer": Provide(lambda: app, sync_to_thread=False)},
        state=State({"mailer": app}),
        exception_handlers={HTTPException: explain, Exception: explain},
        openapi_config=OpenAPIConfig(
            title="mailer",
            version=version("mailer"),
            description=_ABOUT,
            path="/api/openapi.json",  # litestar answers for all below it with a page of its own
            render_plugins=[JsonRenderPlugin(path="/")],
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer")},
            ),
            security=[{"token": []}],
            use_handler_docstrings=True,
            operation_id_creator=lambda handler, _method, _path: handler.handler_name,  # what clients call it
        ),
        before_send=[allow.say_all],
        logging_config=None,
        request_max_body_size=LARGEST,
        debug=False,
    )
    site.openapi_schema.components.schemas.update(SCHEMAS | incident_shapes.SCHEMAS)  # type: ignore[arg-type] # in plain words
    return site


def _problem(app: App, request: Asked, error: Exception) -> Problem:
    """What a program is told; it learns nothing of how we are built, and no token is repeated."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StoreError):
        app.tell(f"A request of the API could not be answered: {error}")
        return Problem(503, "The database is away; nothing was written.", headers=wait(LATER))
    if isinstance(error, HTTPException) and error.status_code < _SERVER_ERROR:
        headers = {
            name: value
            for name, value in (error.headers or {}).items()
            if name.lower() in ("allow", "retry-after")
        }
        faults: Any = error.extra
        named = faults[0] if isinstance(faults, list) and faults and isinstance(faults[0], dict) else {}
        field = str(named.get("key", ""))[:100]
        if field:
            return Problem(422, "This value cannot be taken.", field=field)
        said = _SAID.get(error.status_code, f"{HTTPStatus(error.status_code).phrase}.")
        return Problem(error.status_code, said, headers=headers)
    if left_early(error):
        return Problem(400, _SAID[400])
    app.tell(f"A request of the API failed ({type(error).__name__}).")
    _log.debug("api", path=request.scope["path"], exc_info=error)
    return Problem(_SERVER_ERROR, "Something went wrong here; the log says more.")


class Doors:
    """The API for what begins with /api/, the pages for everything else."""

    def __init__(self, programs: ASGIApp, people: ASGIApp) -> None:
        self._programs = programs
        self._people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a request on."""
        if not scope["path"].startswith(PREFIX):
            await self._people(scope, receive, send)
            return
        begun = False

        async def tell(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(LONGEST):
                await self._answer(scope, receive, tell)
        except TimeoutError:
            if begun:
                raise
            await _late(send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if cast("HTTPScope", scope)["method"] == "HEAD":  # web sockets do not come
            await allow.looked_at(self._programs, scope, receive, send)
        else:
            await self._programs(scope, receive, send)


async def _late(send: Send) -> None:
    """The database neither answers nor goes away."""
    answer = Problem(503, _LATE, headers=wait(LATER)).answer()
    fields = {**answer.headers, "content-type": TYPE, "content-length": str(len(answer.content))}
    said = [(name.lower().encode(), str(value).encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": 503, "headers": said})
    await send({"type": "http.response.body", "body": answer.content, "more_body": False})
