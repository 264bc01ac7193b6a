"""The calendar's cases, played through the commands: the right mail, on the right local day, once."""

from __future__ import annotations

from tests.acceptance.conftest import OpenShop, StartRelay


def sent(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    """(customer, instant) of what was sent."""
    return sorted((row["customer"], row["sent_at"]) for row in rows if row["state"] == "sent")


def test_birthdays_on_leap_days_across_zones_late_dates_and_placeholders(
    shop: OpenShop, relay: StartRelay
) -> None:
    here = shop("birthday")
    here.relay(relay().port)
    common = {"consent": "yes", "locale": "tr"}
    here.customers(
        {"id": "leap", "email": "leap@a.example", "birthday": "1992-02-29", **common},
        {"id": "first", "email": "first@a.example", "birthday": "--05-10", "timezone": "Pacific/Kiritimati"}
        | common,
        {"id": "last", "email": "last@a.example", "birthday": "--05-10", "timezone": "Pacific/Pago_Pago"}
        | common,
        {"id": "epoch", "email": "epoch@a.example", "birthday": "1970-01-01", **common},
        now="2026-06-01T00:00:00Z",
    )
    for now in ("2027-01-01T07:00:00Z", "2027-02-28T07:00:00Z", "2027-03-01T07:00:00Z"):
        here.run(now)
    for now in ("2027-05-09T20:00:00Z", "2027-05-10T21:00:00Z"):
        here.run(now)
    late = {"id": "late", "email": "late@a.example", "birthday": "1985-08-11", **common}
    here.customers(late, now="2027-08-01T12:00:00Z")
    for now in ("2027-08-11T07:00:00Z", "2028-02-29T07:00:00Z"):
        here.run(now)
    here.run("2028-08-11T07:00:00Z")
    rows = here.deliveries()
    assert sent(rows) == [
        ("first", "2027-05-09T20:00:00Z"),
        ("last", "2027-05-10T21:00:00Z"),
        ("late", "2028-08-11T07:00:00Z"),
        ("leap", "2027-02-28T07:00:00Z"),
        ("leap", "2028-02-29T07:00:00Z"),
    ]
    skipped = {
        (row["customer"], row["occurrence"], row["reason"]) for row in rows if row["state"] == "skipped"
    }
    assert skipped == {
        ("epoch", "2027-01-01", "unconfirmed_date"),
        ("late", "2027-08-11", "too_soon"),
    }


def test_case_5_down_for_days_sends_what_is_still_kind_and_names_what_is_not(
    shop: OpenShop, relay: StartRelay
) -> None:
    here = shop("birthday")
    here.relay(relay().port)
    here.customers(
        *(
            {"id": day, "email": f"b{day}@a.example", "birthday": f"1990-{day}", "consent": "yes"}
            for day in ("05-10", "05-08", "05-06")
        ),
        now="2027-01-01T00:00:00Z",
    )
    here.run("2027-05-05T00:00:00Z")
    here.run("2027-05-11T06:00:00Z")
    rows = here.deliveries()
    assert sent(rows) == [("05-08", "2027-05-11T06:00:00Z"), ("05-10", "2027-05-11T06:00:00Z")]
    assert [(row["customer"], row["reason"]) for row in rows if row["state"] != "sent"] == [
        ("05-06", "missed")
    ]
    assert {(run["occurrence"], run["state"]) for run in here.runs()} == {
        ("2027-05-06", "missed"),
        ("2027-05-08", "finished"),
        ("2027-05-10", "finished"),
    }
