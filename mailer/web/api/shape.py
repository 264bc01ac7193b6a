"""How the API is described to programs: schemas of what is asked and answered (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import (
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    RequestBody,
)

from mailer.web.api.problem import TYPE

Plain = dict[str, Any]

#: What an import takes as text.
TEXT: Plain = {"type": ["string", "number", "null"]}
INSTANT: Plain = {
    "type": ["string", "number", "null"],
    "description": "RFC 3339; without an offset, wall time of the tenant.",
}
WORD: Plain = {"type": "string"}

_COMMON = {
    400: "The body is not a JSON object.",
    401: "No token, or none that opens anything.",
    403: "The token lacks the scope.",
    413: "The body is larger than a megabyte.",
    415: "The body is not application/json.",
    422: "It can be read, and a value cannot be taken; `field` names it.",
    429: "The token asks too often; Retry-After says when to come again.",
    503: "The database is away; nothing was written. Retry-After says when to come again.",
}
_WITHOUT_BODY = {400, 413, 415}
_OTHERS = {
    404: "There is no such thing.",
    409: "It does not count, or cannot be done now; the detail says why.",
}


def ref(name: str) -> Plain:
    """A schema of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Mapping[str, Plain], *required: str, more: bool = False) -> Plain:
    """An object with these fields, and no others unless `more`."""
    found: Plain = {"type": "object", "properties": dict(properties), "additionalProperties": more}
    return found | ({"required": list(required)} if required else {})


def described(
    answers: Mapping[int, tuple[str, Plain | None]],
    *,
    asks: Plain | None = None,
    also: Sequence[int] = (),
    keyed: bool = False,
) -> type[Operation]:
    """What Litestar is to write of a handler.

    Args:
        answers: by status, what it means and its schema (none: no body).
        asks: the schema of the request's body.
        also: more statuses of `_OTHERS`.
        keyed: whether it heeds an Idempotency-Key.
    """
    wrong = {
        status: said
        for status, said in {**_COMMON, **{each: _OTHERS[each] for each in also}}.items()
        if asks is not None or status not in _WITHOUT_BODY
    }
    responses: dict[str, OpenAPIResponse] = {
        str(status): OpenAPIResponse(
            description=said,
            content=None if schema is None else {"application/json": OpenAPIMediaType(schema=schema)},  # type: ignore[arg-type] # a schema in plain words
        )
        for status, (said, schema) in answers.items()
    }
    for status, said in sorted(wrong.items()):
        headers = {"Retry-After": OpenAPIHeader(schema={"type": "string"})} if status in (429, 503) else None  # type: ignore[arg-type] # as above
        responses[str(status)] = OpenAPIResponse(
            description=said,
            content={TYPE: OpenAPIMediaType(schema=ref("Problem"))},  # type: ignore[arg-type] # as above
            headers=headers,  # type: ignore[arg-type] # as above
        )

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.description = (self.description or "").partition("\n\nRaises:")[0]
            self.responses = responses  # type: ignore[assignment] # OpenAPI's own name for the mapping
            if asks is not None:
                self.request_body = RequestBody(
                    content={"application/json": OpenAPIMediaType(schema=asks)},  # type: ignore[arg-type] # as above
                    required=True,
                )
            if keyed:
                self.parameters = [*(self.parameters or []), _KEY]

    return Described


_KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    required=False,
    description="Names a write that has no id of its own: sent again, it is done once.",
    schema={"type": "string", "pattern": "^[!-~]{1,100}$"},  # type: ignore[arg-type] # as above
)

_REPORT = record(
    {
        "created": {"type": "integer"},
        "updated": {"type": "integer"},
        "unchanged": {"type": "integer"},
        "rejected": {"type": "array", "items": ref("Fault")},
        "warnings": {"type": "array", "items": ref("Fault")},
    },
    "created", "updated", "unchanged", "rejected", "warnings",
)  # fmt: skip

SCHEMAS: dict[str, Plain] = {
    "Problem": record(
        {"type": WORD, "title": WORD, "status": {"type": "integer"}, "detail": WORD, "field": WORD},
        "type", "title", "status", "detail",
    ),
    "Fault": record({"line": {"type": "integer"}, "field": WORD, "reason": WORD}, "line", "field", "reason"),
    "Report": _REPORT,
    "Customer": record(
        {
            "id": TEXT, "email": TEXT, "first_name": TEXT, "last_name": TEXT, "locale": TEXT, "timezone": TEXT,
            "country": TEXT, "postal_code": TEXT, "created_at": INSTANT,
            "services": {"type": ["array", "string", "number", "null"], "items": TEXT},
            "consent": {"type": ["string", "boolean", "number", "null"], "description": "yes, no, or nothing"},
            "consent_at": INSTANT, "consent_source": TEXT,
        },
        more=True,
    ) | {"description": "The fields of an import; any other is an attribute. What is empty changes nothing."},
    "Dossier": record({"id": WORD, "email": WORD}, "id", "email", more=True),
    "Erased": record(
        {
            "id": WORD, "deliveries": {"type": "integer"}, "cancelled": {"type": "integer"},
            "mails": {"type": "integer", "description": "removed from the built-in mailbox"},
            "others": {"type": "array", "items": WORD, "description": "customers who share the address, barred too"},
            "clicks_wait": {"type": "boolean", "description": "some of theirs are let go when the spool is taken in"},
        },
        "id", "deliveries", "cancelled", "mails", "others", "clicks_wait",
    ),
    "Event": record(
        {"id": TEXT, "customer": TEXT, "name": TEXT, "at": INSTANT,
         "properties": {"type": ["object", "string", "null"]}},
        "name", "at", more=True,
    ) | {"description": "Done once by its id. Any other field is a property."},
    "Taken": record(
        {"id": WORD, "outcome": {"enum": ["created", "updated", "unchanged"]},
         "warnings": {"type": "array", "items": ref("Fault")}},
        "id", "outcome", "warnings",
    ),
    "Coupon": record(
        {
            "code": WORD, "valid": {"type": "boolean"}, "reason": {"type": ["string", "null"]},
            "shared": {"type": "boolean"}, "kind": WORD, "campaign": {"type": ["string", "null"]},
            "customer": {"type": ["string", "null"]}, "state": WORD, "percent": {"type": ["integer", "null"]},
            "amount": {"type": ["string", "null"]}, "currency": {"type": ["string", "null"]},
            "valid_until": {"type": ["string", "null"]},
        },
        "code", "valid", "reason", "shared", "kind", "state",
    ),
    "Redemption": record({"order": TEXT, "net": TEXT, "customer": TEXT, "at": INSTANT}),
    "Redeemed": record({"code": WORD, "again": {"type": "boolean"}}, "code", "again"),
    "Word": record(
        {
            "action": {"enum": ["granted", "revoked"]}, "at": INSTANT, "source": TEXT, "text_version": TEXT,
            "proof": {"type": ["object", "null"]},
        },
        "action",
    ),
    "Standing": record(
        {"customer": WORD, "consent": {"enum": ["yes", "no", "unknown"]}, "at": {"type": ["string", "null"]},
         "new": {"type": "boolean"}},
        "customer", "consent", "at", "new",
    ),
    "Ledger": record(
        {"customer": WORD, "consent": {"enum": ["yes", "no", "unknown"]}, "at": {"type": ["string", "null"]},
         "entries": {"type": "array", "items": {"type": "object"}}},
        "customer", "consent", "at", "entries",
    ),
    "Suppress": record({"address": TEXT, "scope": {"enum": ["all", "commercial"]}}, "address"),
    "Suppressed": record(
        {"address": WORD, "scope": WORD, "new": {"type": "boolean"}}, "address", "scope", "new"
    ),
    "Lifted": record({"address": WORD, "scopes": {"type": "array", "items": WORD}}, "address", "scopes"),
    "Suppressions": record(
        {
            "suppressions": {
                "type": "array",
                "items": record(
                    {"address": WORD, "scope": WORD, "reason": WORD, "source": WORD, "at": WORD},
                    "address", "scope", "reason", "source", "at",
                ),
            },
            "next": {"type": ["string", "null"], "description": "`after` of the next page"},
        },
        "suppressions", "next",
    ),
}  # fmt: skip
