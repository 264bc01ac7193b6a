"""Who may see what is not public: whoever sits at the machine mailer runs on. There is no login yet."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import BaseRouteHandler

from mailer.core.loopback import is_loopback

#: What a proxy adds to a request it passes on: the reader is then somebody else than who connects to us.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def at_this_machine(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Let only loopback pass.

    The Host field must name loopback too: a web site whose name turns to 127.0.0.1 would otherwise read our
    pages through the browser of whoever visits it.

    Raises:
        PermissionDeniedException: the reader is elsewhere, or may be.
    """
    client = connection.client.host if connection.client else ""
    passed_on = any(name in connection.headers for name in _FORWARDED)
    # Proxies that say nothing of themselves mostly speak HTTP/1.0 to us; browsers have not for decades.
    old = connection.scope.get("http_version") == "1.0"
    hosts = connection.headers.getall("host", [])
    named = len(hosts) == 1 and is_loopback(
        _without_port(hosts[0])
    )  # of two, a proxy may have believed the other
    if passed_on or old or not is_loopback(client) or not named:
        raise PermissionDeniedException


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
