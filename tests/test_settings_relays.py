"""Relays and pacing in the settings: one relay or several, and what is said of a contradiction."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mailer.core.pacing import Limit
from tests.test_settings import SECRET, read, said

TWO = "relays:\n  - {host: a.example, connections: 4, weight: 3}\n  - host: b.example\n    rate: 5\n"


def test_one_relay_or_several_or_the_mailbox(tmp_path: Path) -> None:
    assert read(tmp_path).ways == ()
    assert read(tmp_path).connections == 10
    one = read(tmp_path, "relay: {host: a.example, connections: 7}")
    assert ([str(each) for each in one.ways], one.connections) == (["a.example:25"], 7)
    two = read(tmp_path, TWO)
    assert [(str(each), each.share, each.rate) for each in two.ways] == [
        ("a.example:25", 3, None),
        ("b.example:25", 1, 5),
    ]
    assert two.connections == 4 + 1


def test_files_of_authorities_lie_beside_the_settings(tmp_path: Path) -> None:
    assert read(tmp_path, "relay: {host: a, ca_file: ca.pem}").relay.ca_file == f"{tmp_path}/ca.pem"
    assert read(tmp_path, "relays: [{host: a, ca_file: /srv/ca.pem}]").relays[0].ca_file == "/srv/ca.pem"


def test_variables_reach_into_the_list_and_may_give_all_of_it(tmp_path: Path) -> None:
    two = read(tmp_path, TWO, RELAYS__1__USERNAME="me", RELAYS__1__PASSWORD=SECRET, RELAYS__0__PORT="587")
    assert [each.key for each in two.ways] == ["a.example:587", "me@b.example:25"]
    assert two.places["relays.1.password"] == "MAILER_RELAYS__1__PASSWORD"
    assert "hunter2" not in f"{two!r} {two.model_dump_json()}"
    given = read(tmp_path, "", RELAYS='[{"host": "c.example", "weight": null}]')
    assert [str(each) for each in given.ways] == ["c.example:25"]
    paced = read(tmp_path, "", PACING__DOMAINS='{"gmail.com": {"rate": 20}}', PACING__WARM_UP__FIRST_DAY="50",
                 PACING__WARM_UP__START="2026-11-01")  # fmt: skip
    assert paced.pacing.limit("a@gmail.com") == ("gmail.com", Limit(20))
    assert paced.pacing.warm_up is not None
    assert paced.pacing.warm_up.allowance(date(2026, 11, 2)) == 75


def test_pacing_as_people_write_it(tmp_path: Path) -> None:
    text = (
        "pacing:\n  domains:\n    gmail.com: {rate: 20, connections: 3}\n    '*': {rate: 5}\n"
        "  warm_up: {start: 2026-11-01, first_day: 500, growth: 1.5}\n"
    )
    found = read(tmp_path, text).pacing
    assert found.limit("a@x.example") == ("x.example", Limit(5))
    assert found.warm_up is not None
    assert (found.warm_up.start, found.warm_up.first_day) == (date(2026, 11, 1), 500)


@pytest.mark.parametrize(
    ("text", "variables", "sentence"),
    [
        pytest.param("relay: {host: a}\n" + TWO, {}, "settings.yaml: relay and relays are both set", id="both"),
        pytest.param(TWO, {"RELAY__RATE": "5"}, "settings.yaml: relay and relays are both set", id="both, by variable"),
        pytest.param("relays: [{host: a}, {host: a}]", {}, "settings.yaml: relays: a:25 is there twice", id="twice"),
        pytest.param("relays: [{port: 25}]", {}, "settings.yaml:1: relays.0.host: is missing", id="no host"),
        pytest.param("relays:\n  - host: a\n  - host: b\n    weight: 0", {}, "settings.yaml:4: relays.1.weight:",
                     id="weight"),
        pytest.param("relay: {host: a, weight: 2}", {}, "settings.yaml:1: relay.weight: unknown key", id="of one"),
        pytest.param("relays: [{host: a, tls: none, ca_file: x}]", {}, "settings.yaml:1: relays.0: without TLS",
                     id="authorities for nothing"),
        pytest.param("relays: {host: a}", {}, "settings.yaml:1: relays: write a list", id="no list"),
        pytest.param(TWO, {"RELAYS__7__PORT": "1"}, "MAILER_RELAYS__7__PORT is not a setting: relays has no number 7",
                     id="no such number"),
        pytest.param(TWO, {"RELAYS__X": "1"}, "MAILER_RELAYS__X is not a setting: relays has no number x", id="a word"),
        pytest.param(TWO, {"RELAYS__1__PORT": "many"}, "MAILER_RELAYS__1__PORT: relays.1.port:", id="its value"),
        pytest.param("pacing: {domains: {gmail: {}}}", {}, "settings.yaml:1: pacing.domains: 'gmail' is no domain",
                     id="no domain"),
        pytest.param("pacing: {domains: {gmail.com: {rat: 1}}}", {}, "settings.yaml:1: pacing.domains.gmail.com.rat:",
                     id="unknown key of a domain"),
        pytest.param("pacing: {warm_up: {first_day: 5}}", {}, "settings.yaml:1: pacing.warm_up.start:", id="no start"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_by_name(
    tmp_path: Path, text: str, variables: dict[str, str], sentence: str
) -> None:
    assert said(tmp_path, text, **variables).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        pytest.param(f"relays: [{{host: a, password: {SECRET}}}]", {}, id="half a login"),
        pytest.param(f"relays: [{{host: a, username: b, pasword: {SECRET}}}]", {}, id="misspelt"),
        pytest.param(
            "", {"RELAYS": f'[{{"host": "a", "password": "{SECRET}"}}]'}, id="half a login, by variable"
        ),
        pytest.param("", {"RELAYS": f'[{{"password": "{SECRET}"'}, id="not JSON"),
        pytest.param("", {"RELAYS": SECRET}, id="no list"),
        pytest.param("relays: [{host: a}]", {"RELAYS__0__PASSWORD": SECRET}, id="variable"),
        pytest.param("relays: [{host: a}]", {"RELAYS__1__PASSWORD": SECRET}, id="no such number"),
        pytest.param("relays: [{host: a}]", {"RELAYS__0": SECRET}, id="variable too high"),
    ],
)
def test_no_sentence_shows_a_secret(tmp_path: Path, text: str, variables: dict[str, str]) -> None:
    assert "hunter2" not in said(tmp_path, text, **variables)
