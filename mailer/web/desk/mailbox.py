"""The built-in mailbox: the mails caught, and one of them in each of its forms."""

from __future__ import annotations

from typing import Annotated

from litestar import MediaType, Response, route
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, QueryParameter

from mailer.errors import UsageError
from mailer.web import paper
from mailer.web.desk.reader import Reader
from mailer.web.guard import at_this_machine
from mailer.web.public import READ, Asked, Product
from mailer.web.shown import SHUT_IN, framed, links

PAGE_LENGTH = 100
_SOURCE_SHOWN = 500_000  # bytes; the rest of a source is in the download

#: Pictures browsers draw without running anything.
_DRAWN = frozenset({"image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp"})


@route("/mailbox", http_method=READ, guards=[at_this_machine])
async def mailbox(
    request: Asked, mailer: Product, page: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 1
) -> Response[str]:
    """The mails caught, the newest first."""
    begin = (page - 1) * PAGE_LENGTH
    mails, total = await mailer.mailbox.page(begin, PAGE_LENGTH)
    return Reader.of(request, mailer).page(
        "mailbox",
        {
            "mails": mails,
            "total": total,
            "page": page,
            "more": begin + PAGE_LENGTH < total,
            "catches": mailer.catches_mail,
        },
    )


@route("/mailbox/{mail_id:str}", http_method=READ, guards=[at_this_machine])
async def mail_page(
    request: Asked, mailer: Product, mail_id: FromPath[str], view: FromQuery[str] = ""
) -> Response[str]:
    """One mail, in one of its forms."""
    reader = Reader.of(request, mailer)
    try:
        mail = await mailer.mailbox.get(mail_id)
    except UsageError:
        return reader.nothing("mail")
    forms = [
        form
        for form, there in (("html", mail.html), ("text", mail.text), ("headers", True), ("source", True))
        if there is not None
    ]
    return reader.page(
        "mail",
        {
            "mail": mail,
            "row": mail.row,
            "view": view if view in forms else forms[0],
            "forms": forms,
            "links": links(mail.html or ""),
            "source": mail.raw[:_SOURCE_SHOWN].decode("utf-8", "replace"),
            "cut": len(mail.raw) > _SOURCE_SHOWN,
        },
    )


@route("/mailbox/{mail_id:str}/html", http_method=READ, guards=[at_this_machine])
async def mail_html(mailer: Product, mail_id: FromPath[str]) -> Response[str]:
    """The HTML of a mail, as the frame of its page shows it.

    Raises:
        UsageError: there is no such mail.
        NotFoundException: it has none.
    """
    mail = await mailer.mailbox.get(mail_id)
    if mail.html is None:
        raise NotFoundException
    shown = framed(mail.html, mail.row.id, mailer.settings.public_url)
    return Response(shown, media_type=MediaType.HTML, headers={**paper.ALWAYS, **SHUT_IN})


@route("/mailbox/{mail_id:str}/source", http_method=READ, guards=[at_this_machine])
async def mail_source(mailer: Product, mail_id: FromPath[str]) -> Response[bytes]:
    """The mail as it came, to keep.

    Raises:
        UsageError: there is no such mail.
    """
    mail = await mailer.mailbox.get(mail_id)
    headers = {
        **paper.ALWAYS,
        **SHUT_IN,
        "Content-Disposition": f'attachment; filename="mail-{mail.row.id}.eml"',
    }
    return Response(mail.raw, media_type="message/rfc822", headers=headers)


@route("/mailbox/{mail_id:str}/part/{content_id:str}", http_method=READ, guards=[at_this_machine])
async def mail_part(mailer: Product, mail_id: FromPath[str], content_id: FromPath[str]) -> Response[bytes]:
    """A picture inside a mail; any other part is only handed over to be kept.

    Raises:
        UsageError: there is no such mail.
        NotFoundException: it has no such part.
    """
    mail = await mailer.mailbox.get(mail_id)
    part = next((each for each in mail.attachments if content_id and each.content_id == content_id), None)
    if part is None:
        raise NotFoundException
    drawn = part.type in _DRAWN
    headers = {**paper.ALWAYS, **SHUT_IN} | ({} if drawn else {"Content-Disposition": "attachment"})
    return Response(
        part.content, media_type=part.type if drawn else "application/octet-stream", headers=headers
    )


HANDLERS = (mailbox, mail_page, mail_html, mail_source, mail_part)
