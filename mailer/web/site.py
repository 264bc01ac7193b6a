"""The site: every handler, and one plain page for everything that goes wrong."""

from __future__ import annotations

from typing import Any

import structlog
from litestar import Litestar, Response
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException

from mailer.app import App
from mailer.errors import StoreError, UsageError
from mailer.web import allow, choices, hooks, metrics, public
from mailer.web.desk import campaign, customers, home, incidents, mailbox, runs
from mailer.web.public import Asked, left_early, notice

_DESK = (home, campaign, runs, customers, incidents, mailbox)
_LARGEST_BODY = 100_000  # bytes; forms are all we take
_log = structlog.get_logger(__name__)

_SAID = {403: "private", 404: "missing", 405: "method"}
_BAD_REQUEST, _SERVER_ERROR = 400, 500


def site(app: App) -> Litestar:
    """The pages of `app`, to be served."""

    def explain(request: Asked, error: Exception) -> Response[Any]:
        return _explain(app, request, error)

    return Litestar(
        route_handlers=[
            *public.HANDLERS,
            *choices.HANDLERS,
            *hooks.HANDLERS,
            *(handler for part in _DESK for handler in part.HANDLERS),
            *metrics.HANDLERS,
        ],
        state=State({"mailer": app}),
        dependencies={"mailer": Provide(lambda: app, sync_to_thread=False)},
        exception_handlers={HTTPException: explain, Exception: explain},
        before_send=[allow.say_all],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=_LARGEST_BODY,
        debug=False,
    )


def _explain(app: App, request: Asked, error: Exception) -> Response[Any]:
    """A page for what could not be done; the reader learns nothing of how we are built."""
    if isinstance(error, HTTPException):
        status = error.status_code
        if status < _SERVER_ERROR:
            what = _SAID.get(status, "missing")
            address = f"http://{app.settings.listen}"
            answer = notice(request, app, what, status, address=address)
            for name, value in (error.headers or {}).items():
                if name.lower() == "allow":
                    answer.set_header(name, value)
            return answer
    if left_early(error):
        return notice(request, app, "missing", _BAD_REQUEST)
    if isinstance(error, UsageError):  # an id nobody has
        return notice(request, app, "missing", 404)
    if isinstance(error, StoreError):
        app.tell(f"A page could not be shown: {error}")
        return notice(request, app, "trouble", 503)
    app.tell(f"A page could not be shown ({type(error).__name__}: {error}).")
    _log.debug("page", path=request.scope["path"], exc_info=error)
    return notice(request, app, "trouble", _SERVER_ERROR)
