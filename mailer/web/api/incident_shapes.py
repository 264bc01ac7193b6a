"""How incidents are described to programs (OpenAPI 3.1)."""

from __future__ import annotations

from mailer.core.incident import IncidentState
from mailer.core.incident_asked import MOST_WORDS
from mailer.web.api.shape import TEXT, WORD, Plain, record

_WHEN: Plain = {
    "type": ["string", "null"],
    "description": "RFC 3339, without an offset wall time of the tenant; or so long from now, such as 2h.",
}
_AT: Plain = {"type": ["string", "null"]}
_WORDS: Plain = {"type": ["array", "null"], "maxItems": MOST_WORDS, "items": TEXT}
_TEXTS: Plain = {
    "type": ["object", "null"], "additionalProperties": TEXT, "description": "In other languages: en, de-AT, …",
}  # fmt: skip
_FLAG: Plain = {"type": ["boolean", "null"]}
_COUNT: Plain = {"type": "integer"}
_AREA: Plain = {"type": ["object", "null"], "description": "GeoJSON of polygons (RFC 7946)."}

_SAID = {
    "title": TEXT, "titles": _TEXTS, "message": TEXT, "messages": _TEXTS,
    "state": {"enum": [*IncidentState, None]}, "eta": _WHEN, "next_update": _WHEN, "services": _WORDS,
    "postal": _WORDS, "area": _AREA, "starts_at": _WHEN, "ends_at": _WHEN,
    "lead": {"type": ["string", "null"], "description": "Planned work: announced so long before; 48h unless said."},
    "urgent": _FLAG,
}  # fmt: skip
_APPROVAL: Plain = {
    "enum": ["needed", None], "description": "needed: it is a draft, and goes out when another token publishes it.",
}  # fmt: skip
_REACH = record(
    {"count": _COUNT, "unreachable": _COUNT, "unmappable": _COUNT}, "count", "unreachable", "unmappable"
)
_BRIEF = {
    "id": _COUNT, "title": WORD, "state": WORD, "opened_at": WORD, "update": _COUNT, "reached": _COUNT,
    "unreachable": _COUNT, "starts_at": _AT, "ends_at": _AT, "next_update": _AT, "overdue": {"type": "boolean"},
}  # fmt: skip

SCHEMAS: dict[str, Plain] = {
    "Opening": record(
        {**_SAID, "lists": _WORDS, "exclusions": _WORDS, "draft": _FLAG}, "title",
    ) | {"description": "A new incident. `lists` and `exclusions` are names of lists that were loaded."},
    "Update": record(
        {**_SAID, "add_postal": _WORDS, "remove_postal": _WORDS, "add_lists": _WORDS, "add_exclusions": _WORDS}
    ) | {"description": "What changes. `services`, `postal` and `area` take the place of what stood."},
    "Closing": record({"message": TEXT, "messages": _TEXTS}),
    "Done": record(
        {
            "id": _COUNT, "update": _COUNT, "new": {"type": "boolean", "description": "false: it was done before"},
            "published": {"type": "boolean"}, "approval": _APPROVAL,
            "reach": _REACH | {"type": ["object", "null"]},
            "warnings": {"type": "array", "items": WORD},
        },
        "id", "update", "new", "published", "approval", "reach", "warnings",
    ),
    "Preview": record(
        {
            "count": _COUNT, "told": _COUNT, "left_out": {"type": "object", "additionalProperties": _COUNT},
            "unreachable": _COUNT, "unmappable": _COUNT, "samples": {"type": "array", "items": WORD},
            "not_told": {
                "type": "array", "items": record({"customer": WORD, "reason": WORD}, "customer", "reason"),
            },
            "warnings": {"type": "array", "items": WORD},
        },
        "count", "told", "left_out", "unreachable", "unmappable", "samples", "not_told", "warnings",
    ),
    "Incidents": record(
        {
            "incidents": {
                "type": "array", "items": record({**_BRIEF, "draft": {"type": "boolean"}}, *_BRIEF, "draft"),
            },
            "next": {"type": ["integer", "null"], "description": "`after` of the next page"},
        },
        "incidents", "next",
    ),
    "Incident": record(
        {
            **_BRIEF, "published_at": _AT, "published_by": {"type": ["string", "null"]}, "planned": {"type": "boolean"},
            "area": {"type": "object"}, "updates": {"type": "array", "items": {"type": "object"}},
            "notices": {"type": "object"}, "approval": _APPROVAL, "contacts": {"type": ["object", "null"]},
        },
        *_BRIEF, "published_at", "published_by", "planned", "area", "updates", "notices", "approval", "contacts",
        more=True,
    ),
}  # fmt: skip
