"""Who may be written to: consent with its proof, and the suppression list."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter

from mailer.core.access import Scope
from mailer.core.address import read_address
from mailer.core.cell import CellFault, line_of
from mailer.core.importing import RowFault
from mailer.core.plain import plain
from mailer.web.api.asking import body, by, idempotency_key, in_path
from mailer.web.api.problem import Problem, answer, no_customer
from mailer.web.api.shape import described, ref
from mailer.web.public import Asked, Product

_SCOPES = ("all", "commercial")
_MOST = 1_000


@post(
    "/api/customers/{customer_id:str}/consent",
    opt={"scope": Scope.CONSENT_WRITE},
    summary="Tell of consent given or withdrawn",
    operation_class=described(
        {200: ("It was known.", ref("Standing")), 201: ("It is in the ledger.", ref("Standing"))},
        asks=ref("Word"),
        also=(404, 409),
        keyed=True,
    ),
)
async def post_consent(request: Asked, mailer: Product, customer_id: FromPath[str]) -> Response[bytes]:
    """Add to the consent ledger. A no bars the address at once; a yes lifts nothing and starts no welcome.

    Raises:
        Problem: there is no such customer, or their own no stands against it.
    """
    ident, key = in_path(customer_id, "id"), idempotency_key(request)
    written = await mailer.intake.consent(ident, await body(request), key)
    if isinstance(written, RowFault):
        raise Problem.of(written)
    if written is None:
        raise no_customer()
    if written.barred:
        raise Problem(
            409, "They said no themselves; only their confirmation, the event consent.confirmed, lifts that."
        )
    standing = written.standing
    facts = {"customer": ident, "consent": standing.consent, "at": plain(standing.at), "new": written.new}
    return answer(facts, 201 if written.new else 200)


@get(
    "/api/customers/{customer_id:str}/consent",
    opt={"scope": Scope.CONSENT_READ},
    summary="Read a customer's consent",
    operation_class=described({200: ("What stands, and the ledger.", ref("Ledger"))}, also=(404,)),
)
async def get_consent(mailer: Product, customer_id: FromPath[str]) -> Response[bytes]:
    """Say what stands, and every entry of the ledger with its proof.

    Raises:
        Problem: there is no such customer.
    """
    ident = in_path(customer_id, "id")
    found = await mailer.customers.show(ident)
    if found is None:
        raise no_customer()
    entries = await mailer.customers.consent_entries(ident)
    facts = {"customer": ident, "consent": found["consent"], "at": found["consent_at"], "entries": entries}
    return answer(plain(facts))


@get(
    "/api/suppressions",
    opt={"scope": Scope.SUPPRESSIONS_READ, "query": ("after", "limit")},
    summary="Read the suppression list",
    operation_class=described({200: ("A page of it, by address.", ref("Suppressions"))}),
)
async def get_suppressions(
    mailer: Product,
    after: FromQuery[str] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=_MOST)] = 100,
) -> Response[bytes]:
    """List suppressed addresses; `next` of one page is `after` of the following.

    Raises:
        Problem: `after` is none of ours.
    """
    rows = await mailer.suppression_pages.page(_place(after), limit)
    last = [rows[-1]["address"], rows[-1]["scope"]] if len(rows) == limit else None
    following = base64.urlsafe_b64encode(json.dumps(last).encode()).decode() if last else None
    return answer(plain({"suppressions": rows, "next": following}))


@post(
    "/api/suppressions",
    opt={"scope": Scope.SUPPRESSIONS_WRITE},
    summary="Suppress an address",
    operation_class=described(
        {200: ("It was so already.", ref("Suppressed")), 201: ("From now on.", ref("Suppressed"))},
        asks=ref("Suppress"),
    ),
)
async def add_suppression(request: Asked, mailer: Product) -> Response[bytes]:
    """Write to an address no more: nothing at all, or no commercial mail."""
    address, scope = _address(await body(request), "all")
    new = await mailer.suppressions.add(address, scope or "all", "manual", by(request), mailer.clock())
    return answer({"address": address, "scope": scope, "new": new}, 201 if new else 200)


@post(
    "/api/suppressions/lifted",
    status_code=200,
    opt={"scope": Scope.SUPPRESSIONS_WRITE},
    summary="Lift the suppression of an address",
    operation_class=described(
        {200: ("The scopes it was lifted from.", ref("Lifted"))}, asks=ref("Suppress"), also=(404,)
    ),
)
async def lift_suppression(request: Asked, mailer: Product) -> Response[bytes]:
    """Lift a suppression, of one scope or of both. An unsubscribe stays: only a confirmation lifts it.

    Raises:
        Problem: there is nothing to lift.
    """
    address, scope = _address(await body(request), None)
    lifted = await mailer.suppressions.remove(address, scope)
    if not lifted:
        raise Problem(
            404,
            "There is no suppression to lift here; an unsubscribe is lifted by a confirmation.",
            field="address",
        )
    return answer({"address": address, "scopes": lifted})


def _address(given: dict[str, Any], default: str | None) -> tuple[str, str | None]:
    where = "address"
    try:
        address = read_address(line_of(given.get("address")))
        where = "scope"
        scope = given.get("scope", default)
        if "scope" in given and scope not in _SCOPES:
            raise CellFault(f"This must be {' or '.join(_SCOPES)}.")
        for where in given:
            if where not in ("address", "scope"):
                raise CellFault("There is no such field here.")
    except ValueError as fault:
        raise Problem(422, str(fault), field=where[:100]) from None
    return address, scope


def _place(after: str) -> tuple[str, str]:
    if not after:
        return ("", "")
    try:
        found = json.loads(base64.urlsafe_b64decode(after.encode("ascii")))
    except (ValueError, binascii.Error, RecursionError):
        found = None
    match found:
        case [str(address), str(scope)] if "\0" not in address + scope and (address + scope).isprintable():
            return address, scope
    raise Problem(422, "This is not what a page before gave as `next`.", field="after")


HANDLERS = (post_consent, get_consent, get_suppressions, add_suppression, lift_suppression)
