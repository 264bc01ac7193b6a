"""Customers: found by their id or address, and one of them with all that happened."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Response, route
from litestar.params import FromQuery, QueryParameter
from litestar.response import Redirect

from mailer.core.consent import TOPIC
from mailer.errors import UsageError
from mailer.web import paper
from mailer.web.desk.reader import Reader, id_of
from mailer.web.desk.runs import caught
from mailer.web.guard import at_this_machine
from mailer.web.public import READ, Asked, Product

PAGE_LENGTH = 100  # lines of a story


@route("/customers", http_method=READ, guards=[at_this_machine])
async def search(request: Asked, mailer: Product, q: FromQuery[str] = "") -> Response[Any]:
    """Whoever has this id or this address. One alone is shown at once."""
    wanted = q.strip()
    text = id_of(wanted)
    found = await mailer.customers.find(text) if text else []
    if len(found) == 1:
        there = "/customer?" + urlencode({"id": found[0]["id"]})
        return Redirect(there, status_code=303, headers={**paper.ALWAYS, "Cache-Control": "no-store"})
    return Reader.of(request, mailer).page("customers", {"q": wanted, "found": found})


@route("/customer", http_method=READ, guards=[at_this_machine])
async def customer(
    request: Asked,
    mailer: Product,
    page: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 1,
) -> Response[str]:
    """One customer: who they are, what they agreed to, and every send and every skip, explained."""
    reader = Reader.of(request, mailer)
    wanted = id_of(request.query_params.get("id") or "")
    try:
        found = await mailer.customer_story(wanted, reader.language) if wanted else None
    except UsageError:
        found = None
    if found is None:
        return reader.nothing("customer")
    dated = {each["attribute"] for each in found["dates"]}
    lines = found["timeline"][::-1]
    begin = (page - 1) * PAGE_LENGTH
    mails = {row["id"]: row for row in found["deliveries"]}
    shown = lines[begin : begin + PAGE_LENGTH]
    return reader.page(
        "customer",
        {
            "who": found,
            "attributes": [
                (name, _shown(value)) for name, value in found["attributes"].items() if name not in dated
            ],
            "lines": shown,
            "mails": mails,
            "caught": await caught(mailer, mails.values()),
            "page": page,
            "more": begin + PAGE_LENGTH < len(lines),
            "topic": lambda scope: scope.removeprefix(TOPIC) if scope.startswith(TOPIC) else "",
        },
    )


def _shown(value: object) -> str:
    """An attribute's value."""
    match value:
        case str():
            return value
        case list():
            return ", ".join(map(_shown, value))
    return json.dumps(value, ensure_ascii=False)


HANDLERS = (search, customer)
