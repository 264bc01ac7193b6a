"""What a customer may ask of the shop: all that is kept of them, and to be forgotten."""

from __future__ import annotations

from dataclasses import asdict

from litestar import Response, delete, get
from litestar.params import FromPath

from mailer.core.access import Scope
from mailer.core.plain import plain
from mailer.errors import UsageError
from mailer.web.api.asking import in_path
from mailer.web.api.problem import Problem, answer, no_customer
from mailer.web.api.shape import described, ref
from mailer.web.public import Product

#: Seconds a request waits for planning or an import to end.
_PATIENCE = 5.0


@get(
    "/api/customers/{customer_id:str}/export",
    opt={"scope": Scope.CUSTOMERS_READ},
    summary="Read all that is kept of a customer",
    operation_class=described({200: ("Everything, by kind.", ref("Dossier"))}, also=(404,)),
)
async def export_customer(mailer: Product, customer_id: FromPath[str]) -> Response[bytes]:
    """Give out the customer's row and lists of all else: deliveries, events, consent entries, codes given, and so on.

    Raises:
        Problem: there is no such customer.
    """
    ident = in_path(customer_id, "id")
    try:
        found = await mailer.persons.export(ident)
    except UsageError:
        raise no_customer() from None
    return answer(plain(found))


@delete(
    "/api/customers/{customer_id:str}",
    status_code=200,
    opt={"scope": Scope.CUSTOMERS_ERASE},
    summary="Forget a customer for good",
    operation_class=described({200: ("They are erased, and stay barred.", ref("Erased"))}, also=(404, 409)),
)
async def erase_customer(mailer: Product, customer_id: FromPath[str]) -> Response[bytes]:
    """Remove everything that says who they were. Counts stay, and a salted hash, by which nobody writes to them again.

    Raises:
        Problem: there is no such customer, or it cannot be done now: a mail to them is under way, or planning is.
    """
    ident = in_path(customer_id, "id")
    if await mailer.customers.key(ident) is None:
        raise no_customer()
    try:
        gone = await mailer.forget(ident, _PATIENCE)
    except UsageError as problem:
        raise Problem(409, str(problem)) from None
    return answer(plain({"id": ident, **asdict(gone)}))


HANDLERS = (export_customer, erase_customer)
