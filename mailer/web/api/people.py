"""Customers and events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from litestar import Response, post, put
from litestar.params import FromPath

from mailer.core.access import Scope
from mailer.core.importing import ImportReport, RowFault
from mailer.core.merge import Fate, Noted
from mailer.web.api.asking import MOST_ITEMS, body, idempotency_key, in_path, listed
from mailer.web.api.problem import Problem, answer
from mailer.web.api.shape import described, record, ref
from mailer.web.public import Asked, Product

_CREATED, _OK = 201, 200


def _many(name: str, schema: str) -> dict[str, Any]:
    # What an item is, is not demanded here: one that cannot be taken is named in the report, and refuses no other.
    said = {"description": f"Each a {schema}; one that cannot be taken is named in `rejected`."}
    return record({name: {"type": "array", "maxItems": MOST_ITEMS, "items": {}, **said}}, name)


@put(
    "/api/customers/{customer_id:str}",
    opt={"scope": Scope.CUSTOMERS_WRITE},
    summary="Create a customer or bring one up to date",
    operation_class=described(
        {200: ("They are up to date.", ref("Taken")), 201: ("They are new.", ref("Taken"))},
        asks=ref("Customer"),
    ),
)
async def put_customer(request: Asked, mailer: Product, customer_id: FromPath[str]) -> Response[bytes]:
    """Take one customer in. Consent given here is the shop's word: it lifts no unsubscribe and starts no welcome.

    Raises:
        Problem: a value cannot be taken.
    """
    ident = in_path(customer_id, "id")
    taken = await mailer.intake.customer(ident, await body(request))
    if isinstance(taken, RowFault):
        raise Problem.of(taken)
    fate, warnings = taken
    return _taken(ident, fate, warnings)


@post(
    "/api/batch/customers",
    status_code=200,
    opt={"scope": Scope.CUSTOMERS_WRITE},
    summary="Create customers or bring them up to date",
    operation_class=described(
        {200: ("The good ones went in, the others are named.", ref("Report"))},
        asks=_many("customers", "Customer"),
    ),
)
async def put_customers(request: Asked, mailer: Product) -> Response[bytes]:
    """Take up to a thousand customers in, in one transaction; `line` is the place in the list, from 1."""
    return _report(await mailer.intake.customers(await listed(request, "customers")))


@post(
    "/api/events",
    opt={"scope": Scope.EVENTS_WRITE},
    summary="Tell of an event",
    operation_class=described(
        {200: ("It was known.", ref("Taken")), 201: ("It is new.", ref("Taken"))},
        asks=ref("Event"),
        keyed=True,
    ),
)
async def post_event(request: Asked, mailer: Product) -> Response[bytes]:
    """Take one event in, once by its id; an Idempotency-Key stands in for an id.

    Raises:
        Problem: a value cannot be taken.
    """
    key = idempotency_key(request)
    taken = await mailer.intake.event(await body(request), key)
    if isinstance(taken, RowFault):
        raise Problem.of(taken)
    ident, fate = taken
    if isinstance(fate, Noted):
        return _taken(ident, fate.fate, [fate.warning])
    return _taken(ident, fate, [])


@post(
    "/api/batch/events",
    status_code=200,
    opt={"scope": Scope.EVENTS_WRITE},
    summary="Tell of events",
    operation_class=described(
        {200: ("The good ones went in, the others are named.", ref("Report"))},
        asks=_many("events", "Event"),
        keyed=True,
    ),
)
async def post_events(request: Asked, mailer: Product) -> Response[bytes]:
    """Take up to a thousand events in, in one transaction; `line` is the place in the list, from 1."""
    key = idempotency_key(request)
    return _report(await mailer.intake.events(await listed(request, "events"), key))


def _taken(ident: str, fate: Fate, warnings: Iterable[RowFault]) -> Response[bytes]:
    facts = {"id": ident, "outcome": fate, "warnings": [each.as_json() for each in warnings]}
    return answer(facts, _CREATED if fate is Fate.CREATED else _OK)


def _report(report: ImportReport) -> Response[bytes]:
    return answer(report.as_json() | {"warnings": [each.as_json() for each in report.warnings]})


HANDLERS = (put_customer, put_customers, post_event, post_events)
