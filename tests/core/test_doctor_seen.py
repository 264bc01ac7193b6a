from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailer.core.doctor import bulk, machine_check, relay_check
from mailer.core.doctor.finding import Area, Finding, Verdict, worst
from mailer.core.doctor.seen import FileSeen, MachineSeen, RelaySeen, WebSeen
from tests.core.doctoring import SHOP, sending, verdicts

OK, WARN, FAULT, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAULT, Verdict.UNKNOWN
NOW = datetime(2027, 1, 15, tzinfo=UTC)

RELAY = RelaySeen(
    "smtp.shop.example:587",
    "smtp.shop.example",
    "starttls",
    username=True,
    version="TLSv1.3",
    ends=NOW + timedelta(60),
)
GOOD = {"relay.use": OK, "relay.tls": OK, "relay.certificate": OK}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, GOOD),
        ({"username": False}, GOOD | {"relay.use": WARN}),
        ({"verify": False, "ends": None}, GOOD | {"relay.certificate": WARN}),
        ({"ends": NOW + timedelta(3)}, GOOD | {"relay.certificate": WARN}),
        ({"ends": NOW - timedelta(3)}, GOOD | {"relay.certificate": FAULT}),
        ({"tls": "none", "offers_tls": True}, {"relay.use": OK, "relay.tls": FAULT}),
        ({"tls": "none"}, {"relay.use": OK, "relay.tls": FAULT}),
        ({"tls": "none", "host": "10.1.2.3"}, {"relay.use": OK, "relay.tls": WARN}),
        ({"tls": "none", "host": "postfix", "offers_tls": True}, {"relay.use": OK, "relay.tls": WARN}),
        ({"tls": "none", "host": "1.1.1.1"}, {"relay.use": OK, "relay.tls": FAULT}),
        ({"tls": "none", "host": "127.0.0.1", "username": False}, {"relay.use": OK, "relay.tls": OK}),
        ({"tls": "none", "host": "localhost"}, {"relay.use": OK, "relay.tls": OK}),
        ({"trouble": "it refused", "phase": "auth"}, {"relay.use": FAULT}),
        ({"trouble": "the certificate is not valid", "phase": "tls"}, {"relay.use": FAULT}),
        ({"trouble": "nothing listens there", "phase": "connect"}, {"relay.use": FAULT}),
    ],
)
def test_a_relay(changes: dict[str, Any], expected: dict[str, Verdict]) -> None:
    assert verdicts(relay_check.check(replace(RELAY, **changes), NOW)) == expected


MACHINE = MachineSeen(
    "/var/mailer",
    free=50_000_000_000,
    database="/var/mailer/mailer.db",
    schema="r0001",
    known_schema="r0001",
    secrets=[FileSeen("/var/mailer/secret.key", "The secret key", 0o600)],
    zones=598,
    zone_data="tzdata 2026.2",
)
WELL = dict.fromkeys(
    ("machine.state", "machine.disk", "machine.database", "machine.files", "machine.zones"), OK
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, WELL),
        ({"free": 1_000_000_000}, WELL | {"machine.disk": WARN}),
        ({"free": 1_000_000}, WELL | {"machine.disk": FAULT}),
        ({"database_trouble": "it is away"}, WELL | {"machine.database": FAULT}),
        ({"schema": None}, WELL | {"machine.database": WARN}),
        ({"schema": "r0000"}, WELL | {"machine.database": FAULT}),
        ({"schema": "r0009"}, WELL | {"machine.database": FAULT}),
        ({"secret_key": ""}, WELL | {"machine.secret": OK}),
        ({"secret_key": "is short"}, WELL | {"machine.secret": FAULT}),
        ({"secrets": [FileSeen("k", "The key", 0o640)]}, WELL | {"machine.files": WARN}),
        ({"secrets": [FileSeen("k", "The key", 0o644)]}, WELL | {"machine.files": WARN}),
        ({"zones": 12}, WELL | {"machine.zones": FAULT}),
    ],
)
def test_a_machine(changes: dict[str, Any], expected: dict[str, Verdict]) -> None:
    assert verdicts(machine_check.check(replace(MACHINE, **changes))) == expected


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("nobody knows db.example", "The database cannot be used: nobody knows db.example."),
        ("The database shop cannot be used: it is away.", "The database shop cannot be used: it is away."),
    ],
)
def test_a_database_that_is_away_is_said_once(trouble: str, said: str) -> None:
    found = machine_check.check(replace(MACHINE, database_trouble=trouble))
    assert [each.what for each in found if each.check == "machine.database"] == [said]


def test_a_folder_that_cannot_be_written_has_no_space() -> None:
    found = verdicts(machine_check.check(replace(MACHINE, state_trouble="Permission denied", free=None)))
    assert found["machine.state"] is FAULT
    assert "machine.disk" not in found


@pytest.mark.parametrize(
    ("secret", "weak"),
    [
        ("changeme", True),
        ("secret123", True),
        ("a" * 60, True),
        ("k3Jf9-x2Lq", True),
        ("VtGmXl5rUT3Yd0E2nVQ0_OeLOrcSzLrWQkVx3pMDn4A", False),
    ],
)
def test_a_secret_that_can_be_guessed(secret: str, weak: bool) -> None:
    assert bool(machine_check.weakness(secret)) is weak


@pytest.mark.parametrize(
    ("ahead", "expected"), [(None, {}), (-5.0, {"machine.clock": OK}), (300.0, {"machine.clock": WARN})]
)
def test_a_clock(ahead: float | None, expected: dict[str, Verdict]) -> None:
    assert verdicts(machine_check.clock(WebSeen(200, ahead=ahead))) == expected


# The providers' rules ----------------------------------------------------------------------------------


def finding(check: str, verdict: Verdict) -> Finding:
    return Finding(Area.SPF, check, verdict, "")


@pytest.mark.parametrize(
    ("rule", "found", "expected"),
    [
        ("gmail.spf", {"spf.record": OK, "spf.address": OK, "dkim.record": OK}, OK),
        ("gmail.spf", {"spf.record": OK, "dkim.bits": WARN}, WARN),
        ("gmail.spf", {"spf.record": FAULT, "dkim.record": UNKNOWN}, FAULT),
        ("gmail.spf", {}, UNKNOWN),
        ("gmail.dmarc", {"dmarc.record": OK, "dmarc.policy": WARN, "dmarc.reports": WARN}, OK),
        ("gmail.reverse", {"reverse.ptr": UNKNOWN}, UNKNOWN),
        ("gmail.spam", {}, UNKNOWN),
        ("gmail.format", {}, OK),
        ("yahoo.complaints", {"returns.complaints": WARN}, WARN),
        ("outlook.dmarc", {"dmarc.record": OK, "dmarc.alignment": FAULT}, FAULT),
        ("outlook.hygiene", {"returns.mx": OK, "returns.read": OK}, OK),
    ],
)
def test_a_rule_is_held_against_what_was_found(
    rule: str, found: dict[str, Verdict], expected: Verdict
) -> None:
    lines = bulk.checklist([finding(check, verdict) for check, verdict in found.items()], SHOP)
    assert verdicts(lines)[rule] is expected


def test_every_rule_has_its_source_and_one_way_to_be_answered() -> None:
    for rule in bulk.RULES:
        assert rule.source.url.startswith("https://")
        assert [bool(rule.checks), bool(rule.ours), bool(rule.yours)].count(True) == 1, rule.name
    assert len({(rule.area, rule.name) for rule in bulk.RULES}) == len(bulk.RULES)
    assert {rule.area for rule in bulk.RULES} == {area for area in Area if area.is_checklist}


def test_rules_about_commercial_mail_concern_nobody_else() -> None:
    whole, service = (bulk.checklist([], sending(commercial=each)) for each in (True, False))
    assert len(service) < len(whole)
    assert not [each for each in service if "unsubscrib" in each.what.lower()]


def test_what_cannot_be_seen_weighs_more_than_what_should_be_looked_at() -> None:
    assert worst([OK, WARN, UNKNOWN]) is UNKNOWN
    assert worst([FAULT, UNKNOWN]) is FAULT
    assert worst([]) is UNKNOWN
