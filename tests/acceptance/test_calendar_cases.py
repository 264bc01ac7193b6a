"""The calendar's cases, played through the commands: the right mail, on the right local day, once."""

from __future__ import annotations

from tests.acceptance.conftest import OpenShop, StartRelay


def sent(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    """(customer, instant) of what was sent."""
    return sorted((row["customer"], row["sent_at"]) for row in rows if row["state"] == "sent")


def test_cases_1_and_2_birthdays_on_leap_days_and_in_the_first_and_the_last_zone(
    shop: OpenShop, relay: StartRelay
) -> None:
    here = shop("birthday")
    here.relay(relay().port)
    common = {"consent": "yes", "locale": "tr"}
    here.customers(
        {"id": "leap", "email": "leap@a.example", "birthday": "1992-02-29"} | common,
        {"id": "first", "email": "first@a.example", "birthday": "--05-10", "timezone": "Pacific/Kiritimati"}
        | common,
        {"id": "last", "email": "last@a.example", "birthday": "--05-10", "timezone": "Pacific/Pago_Pago"}
        | common,
        now="2026-06-01T00:00:00Z",
    )
    for now in (
        "2027-02-28T07:00:00Z",
        "2027-03-01T07:00:00Z",
        "2027-05-09T20:00:00Z",
        "2027-05-10T21:00:00Z",
    ):
        here.run(now)
    here.run("2028-02-29T07:00:00Z")
    rows = here.deliveries()
    assert sent(rows) == [
        ("first", "2027-05-09T20:00:00Z"),
        ("last", "2027-05-10T21:00:00Z"),
        ("leap", "2027-02-28T07:00:00Z"),
        ("leap", "2028-02-29T07:00:00Z"),
    ]
    assert len(rows) == 4


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
