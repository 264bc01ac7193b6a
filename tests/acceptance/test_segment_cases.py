"""Segments through the commands: who stands out, who is still with us, and who has just entered."""

from __future__ import annotations

import json
from typing import Any

from tests.acceptance.conftest import OpenShop

SEGMENTS = {
    "spent_1000": {"spend": {"net": "1000..", "currency": "TRY", "settled": "14d"}},
    "champions": {"all": [{"rfm": {"r": "4..", "f": "4..", "m": "4.."}}]},
    "offer_ok": {
        "all": [{"consent": "commercial"}, {"engaged": {"by": ["click", "order"], "in": "180d"}}],
        "not": [{"segment": "costly"}, {"sent": {"campaign": "offer", "in": "7d"}}],
    },
    "costly": {"list": "costly"},
}


def people(*who: str) -> list[dict[str, Any]]:
    return [{"id": name, "email": f"{name}@a.example", "consent": "yes"} for name in who]


def order(who: str, ref: str, at: str, net: int | None, name: str = "order.placed") -> dict[str, Any]:
    properties: dict[str, Any] = {"order": ref, "currency": "TRY"} | ({} if net is None else {"net": net})
    return {
        "id": f"{name}-{ref}",
        "customer": who,
        "name": name,
        "at": f"2027-{at}:00Z",
        "properties": properties,
    }


def test_segments_are_counted_previewed_and_explained(shop: OpenShop) -> None:
    here = shop()
    here.write("jobs/_segments.yaml", json.dumps(SEGMENTS))
    names = [f"c{number}" for number in range(1, 6)]
    here.customers(*people(*names, "quiet"), now="2027-03-01T08:00:00Z")
    orders = [
        order(name, f"{name}-{turn}", f"02-{20 + place}T09:00", 100 * place)
        for place, name in enumerate(names, 1)
        for turn in range(place)
    ]
    here.events(*orders, order("quiet", "old", "01-01T09:00", 10), now="2027-03-01T08:00:00Z")
    later = "2027-08-01T09:00:00Z"

    def asked(*words: str, now: str = later) -> list[dict[str, Any]]:
        return here.mailer("segments", *words, "--json", now=now).rows

    # Six have ordered within the year: fifths of six are 1 1 2 3 4 5.
    assert asked("count", "champions") == [{"name": "champions", "count": 2}]
    (preview,) = asked("preview", "offer_ok")
    assert (preview["count"], sorted(preview["samples"])) == (5, names)
    assert preview["missing_lists"] == ["costly"]
    assert [each["count"] for each in preview["excluded"]] == [0, 0]
    (told,) = asked("explain", "champions", "c4")
    assert told["holds"] is True
    assert [part["found"] for part in told["parts"]] == ["r 4, f 4, m 4"]
    text = here.mailer("segments", "explain", "offer_ok", "quiet", now=later).out
    assert "engaged by click or order in the last 180d (no click, no order)" in text
    # A year later there is nobody to compare.
    rows = {row["name"]: row["count"] for row in asked("list", now="2028-03-01T09:00:00Z")}
    assert rows == {"champions": 0, "costly": 0, "offer_ok": 0, "spent_1000": 2}
