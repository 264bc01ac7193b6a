"""Which methods an address takes (RFC 9110 §10.2.1): what the framework says of it is mended on the way out.

It answers `OPTIONS` with the handlers it had met when it made the first answer for that address, and takes `HEAD` only
where it is named. Whatever is to be had by GET is to be had by HEAD (RFC 9110 §9.1, §9.3.2).
"""

from __future__ import annotations

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send


async def say_all(message: Message, scope: Scope) -> None:
    """Before an answer leaves: its `Allow`, if it has one, names every method."""
    if message["type"] != "http.response.start":
        return
    fields = [(name, value) for name, value in message["headers"] if name.lower() != b"allow"]
    if len(fields) == len(list(message["headers"])):
        return
    said = b",".join(value for name, value in message["headers"] if name.lower() == b"allow").decode("ascii")
    methods = {each.strip() for each in said.split(",")} | _of(scope)
    if "GET" in methods:
        methods.add("HEAD")
    message["headers"] = [*fields, (b"allow", ", ".join(sorted(methods)).encode("ascii"))]


def _of(scope: Scope) -> set[str]:
    """The methods of the address that was found, of all its handlers."""
    app: Litestar = scope["litestar_app"]
    template = scope.get("path_template")
    routes = (route for route in app.routes if isinstance(route, HTTPRoute) and route.path_format == template)
    return {method for route in routes for method in route.methods}


async def looked_at(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a HEAD as the same GET would be, but for its content."""

    async def without_content(message: Message) -> None:
        if message["type"] == "http.response.body":
            if message.get("more_body"):
                return
            message["body"] = b""
        await send(message)

    await app({**scope, "method": "GET"}, receive, without_content)  # type: ignore[arg-type] # the same scope
