"""Coupons: whether a code counts, and that it was used."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from mailer.app.gateway import Refused
from mailer.core.access import Scope
from mailer.core.coupon import MOST_CODE
from mailer.core.importing import RowFault
from mailer.core.plain import plain
from mailer.core.redemption import Redemption
from mailer.web.api.asking import body, in_path
from mailer.web.api.problem import Problem, answer
from mailer.web.api.shape import described, ref
from mailer.web.public import Asked, Product

_SHOWN = ("code", "kind", "campaign", "customer", "state", "percent", "amount", "currency", "valid_until")


@get(
    "/api/coupons/{code:str}",
    opt={"scope": Scope.COUPONS_READ, "query": ("customer",)},
    summary="Ask whether a code counts",
    operation_class=described({200: ("The code as it stands.", ref("Coupon"))}, also=(404,)),
)
async def get_coupon(mailer: Product, code: FromPath[str], customer: FromQuery[str] = "") -> Response[bytes]:
    """Say whether a code would count now, for `customer` where one is named; nothing changes.

    Raises:
        Problem: there is no such code.
    """
    said = _said(mailer.intake.redemption(in_path(code, "code", MOST_CODE), {"customer": customer}))
    found = await mailer.code(said)
    if found is None:
        raise _unknown()
    facts = {name: plain(found.facts[name]) for name in _SHOWN}
    return answer(facts | {"valid": found.problem is None, "reason": found.problem, "shared": found.shared})


@post(
    "/api/coupons/{code:str}/redemptions",
    opt={"scope": Scope.COUPONS_WRITE},
    summary="Tell that a code was used",
    operation_class=described(
        {200: ("It was known.", ref("Redeemed")), 201: ("It is written down.", ref("Redeemed"))},
        asks=ref("Redemption"),
        also=(404, 409),
    ),
)
async def redeem(request: Asked, mailer: Product, code: FromPath[str]) -> Response[bytes]:
    """Write a use down, once for each code, or for each order where the code is everybody's.

    Raises:
        Problem: there is no such code, or it does not count.
    """
    said = _said(mailer.intake.redemption(in_path(code, "code", MOST_CODE), await body(request)))
    try:
        again = await mailer.redeem(said)
    except LookupError:
        raise _unknown() from None
    except Refused as problem:
        raise Problem(409, str(problem)) from None
    if isinstance(again, RowFault):
        raise Problem.of(again)
    return answer({"code": said.code, "again": again}, 200 if again else 201)


def _said(read: Redemption | RowFault) -> Redemption:
    if isinstance(read, RowFault):
        raise Problem.of(read)
    return read


def _unknown() -> Problem:
    return Problem(404, "There is no such code.", field="code")


HANDLERS = (get_coupon, redeem)
