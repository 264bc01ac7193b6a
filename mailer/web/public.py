"""What anybody may ask for: the links in mails, the pictures of mails, and whether we are well."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeVar

from litestar import HttpMethod, MediaType, Request, Response, route
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException, NotFoundException
from litestar.params import FromPath

from mailer.app import App
from mailer.errors import StoreError
from mailer.flow.track import PREFERENCES, UNSUBSCRIBE, BadToken, Fate, How
from mailer.flow.trail import Request as Asking
from mailer.web import paper
from mailer.web.words import choose, words

READ = [HttpMethod.GET, HttpMethod.HEAD]
LONGEST = 35.0  # seconds an answer that needs the database may take; longer than it waits for a lock
A = TypeVar("A")

_PATIENCE = 5.0  # seconds the database has to show that it is there

_PICTURES = {
    ".avif": "image/avif", ".gif": "image/gif", ".jpeg": "image/jpeg", ".jpg": "image/jpeg",
    ".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp",
}  # fmt: skip
_PICTURE = {
    **paper.ALWAYS,
    "Cache-Control": "public, max-age=86400",
    "Cross-Origin-Resource-Policy": "cross-origin",  # web mail shows it on its own site
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",  # an SVG is a document
}

Asked = Request[Any, Any, Any]
Product = NamedDependency[App]


def language(request: Asked, mailer: App) -> str:
    """The language to answer in."""
    return choose(request.headers.get("accept-language", ""), mailer.settings.tenant.locale)


def notice(request: Asked, mailer: App, what: str, status: int = 200, **facts: str) -> Response[str]:
    """A page of one sentence; `what` names it among the words."""
    tongue = language(request, mailer)
    said = words(tongue)
    facts["tenant"] = mailer.settings.tenant.name
    return paper.page(
        "notice.html",
        {
            "language": tongue,
            "tenant": mailer.settings.tenant.name,
            "title": said[f"{what}_title"].format(**facts),
            "sentence": said[what].format(**facts),
            "address": facts.get("email", ""),
        },
        status=status,
        headers={"Content-Language": tongue, "Vary": "Accept-Language"},
    )


def said_in(request: Asked, mailer: App) -> Mapping[str, str]:
    """What pages say in the reader's language, about this shop."""
    tenant = mailer.settings.tenant.name
    return {name: text.replace("{tenant}", tenant) for name, text in words(language(request, mailer)).items()}


def not_now(request: Asked, mailer: App) -> Response[str]:
    """Nothing was written down; come again."""
    answer = notice(request, mailer, "away", 503)
    answer.set_header("Retry-After", "120")
    return answer


async def in_time(doing: Awaitable[A]) -> A:
    """What comes of it, unless the database neither answers nor goes away.

    Raises:
        StoreError: it takes longer than anybody waits; whether it was written nobody knows.
    """
    try:
        async with asyncio.timeout(LONGEST):
            return await doing
    except TimeoutError:
        raise StoreError(f"the database did not answer within {LONGEST:.0f} seconds") from None


def left_early(error: Exception) -> bool:
    """Whether it says that the reader went away before the request was whole, which is no trouble of ours."""
    return isinstance(error, InternalServerException) and "disconnected" in error.detail


def looked(request: Asked, mailer: App, delivery_id: int, page: str) -> None:
    """Note that somebody followed a link of a mail to a page of ours; nothing but their haste is learned of it."""
    headers = request.headers
    purpose = headers.get("sec-purpose", "") + headers.get("purpose", "")
    mailer.trail.looked(delivery_id, page, Asking(request.method, headers.get("user-agent", ""), purpose))


def ask(request: Asked, mailer: App, purpose: str, token: str) -> Response[str]:
    """The page with the one button. It asks nobody and changes nothing, whoever looks at it."""
    try:
        recipient = mailer.tracking.recipient(purpose, token)
    except BadToken:
        return notice(request, mailer, "bad_link", 404)
    looked(request, mailer, recipient.delivery_id, purpose)
    tongue = language(request, mailer)
    said, tenant = words(tongue), mailer.settings.tenant.name
    what = "choices" if purpose == PREFERENCES else "ask"
    return paper.page(
        "unsubscribe.html",
        {
            "language": tongue,
            "tenant": tenant,
            "title": said[f"{what}_title"].format(tenant=tenant),
            "sentence": said[what].format(tenant=tenant),
            "address": recipient.email,
            "button": said["button"],
            "kept": said["kept"],
            "action": f"{request.scope['path']}?by=page",
        },
        headers={"Content-Language": tongue, "Vary": "Accept-Language"},
    )


async def stop(request: Asked, mailer: App, purpose: str, token: str) -> Response[str]:
    """Unsubscribe. What the form says is not looked at: whoever posts here asks for one thing only."""
    try:
        recipient = mailer.tracking.recipient(purpose, token)
    except BadToken:
        return notice(request, mailer, "bad_link", 404)
    if purpose == PREFERENCES:
        how = How.PREFERENCES
    else:
        how = How.PAGE if request.query_params.get("by") == "page" else How.ONE_CLICK
    try:
        fate = await in_time(mailer.tracking.unsubscribe(recipient, how))
    except StoreError as trouble:
        mailer.tell(f"An unsubscribe could not be written down: {trouble}")
        return not_now(request, mailer)
    return notice(request, mailer, "test" if fate is Fate.TEST else "done", email=recipient.email)


@route("/u/{token:str}", http_method=READ)
async def ask_unsubscribe(request: Asked, mailer: Product, token: FromPath[str]) -> Response[str]:
    """Where the link of a mail leads: a question, so that a scanner that follows it unsubscribes nobody."""
    return ask(request, mailer, UNSUBSCRIBE, token)


@route("/u/{token:str}", http_method=[HttpMethod.POST], status_code=200)
async def unsubscribe(request: Asked, mailer: Product, token: FromPath[str]) -> Response[str]:
    """One-click unsubscribe (RFC 8058 §3.2), and the button: 200 only once it is durable."""
    return await stop(request, mailer, UNSUBSCRIBE, token)


@route("/c/{token:str}", http_method=READ)
async def broken_link(request: Asked, mailer: Product, token: FromPath[str]) -> Response[str]:  # noqa: ARG001 (its path)
    """A link that is not one of ours, or was cut; all others are answered by `links`."""
    return notice(request, mailer, "bad_link", 404)


@route("/images/{template:str}/{name:str}", http_method=READ)
async def picture(
    request: Asked, mailer: Product, template: FromPath[str], name: FromPath[str]
) -> Response[bytes]:
    """A picture of a template.

    Raises:
        NotFoundException: there is none of that name, or it is no picture.
    """
    kind = _PICTURES.get(PurePosixPath(name).suffix.lower())
    data = await mailer.picture(template, name) if kind else None
    if data is None:
        raise NotFoundException
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    known = tag in request.headers.get("if-none-match", "")
    return Response(
        b"" if known else data,
        status_code=304 if known else 200,
        media_type=kind,
        headers={**_PICTURE, "ETag": tag},
    )


@route(paper.STYLE_PATH, http_method=READ)
async def style() -> Response[bytes]:
    """How our pages look. The path changes with it, so it may be kept for ever."""
    headers = {**paper.ALWAYS, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(paper.STYLE, media_type=MediaType.CSS, headers=headers)


@route("/health", http_method=READ)
async def health(mailer: Product) -> Response[str]:
    """Whether the database answers: `ok`, or 503 with a word."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await mailer.overview.ready()
    except (StoreError, TimeoutError):
        return paper.plain("the database does not answer\n", 503)
    return paper.plain("ok\n")


HANDLERS = (broken_link, ask_unsubscribe, unsubscribe, picture, style, health)
