"""Wrong settings, campaigns and templates: one sentence with its place, before anything is sent."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing, suppress
from typing import Any

import pytest

from tests import ports
from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import wait_until

NOW = "2027-01-15T08:00:00Z"
AT = "purpose: service\ntrigger: {at: 2027-01-15T10:00}\n"

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "unknown key": ({"tenent": {"name": "x"}}, {}, "settings.yaml:{tenent}: tenent: "),
    "wrong value": ({"relay": {"host": "h", "port": "many"}}, {}, "settings.yaml:{port}: relay.port: "),
    "wrong variable": ({}, {"MAILER_RELAY__PROT": "25"}, "MAILER_RELAY__PROT: relay.prot: "),
    "wrong value of a variable": ({}, {"MAILER_RELAY__TLS": "maybe"}, "MAILER_RELAY__TLS: relay.tls: "),
    "unknown zone": (
        {"tenant": {"timezone": "Europe/Istanbull"}},
        {},
        "settings.yaml:{timezone}: tenant.timezone: ",
    ),
}


@pytest.mark.parametrize(("changes", "env", "says"), SETTINGS.values(), ids=SETTINGS)
def test_settings_that_cannot_be_used(
    shop: OpenShop, changes: dict[str, Any], env: dict[str, str], says: str
) -> None:
    here = shop(database_url="sqlite:///var/mailer.db")  # nothing of it is made yet
    here.set(**changes)
    lines = (here.folder / "settings.yaml").read_text().splitlines()
    places = {
        word: number
        for number, line in enumerate(lines, 1)
        for word in ("tenent", "port", "timezone")
        if f'"{word}"' in line
    }
    answer = here.run(NOW, status=2, env=env)
    assert answer.err.startswith(says.format(**places))
    assert len(answer.err.splitlines()) == 1
    assert not (here.folder / "var").exists()


def test_broken_settings_and_a_file_that_is_not_there(shop: OpenShop) -> None:
    here = shop()
    here.write("settings.yaml", "tenant:\n  name: [Kardelen\n")
    answer = here.run(NOW, status=2)
    assert answer.err.startswith("settings.yaml:")
    assert len(answer.err.splitlines()) == 1
    assert "nowhere.yaml" in here.mailer("runs", "--settings", "nowhere.yaml", status=2).err


def test_a_bad_relay_password_is_named_and_nothing_is_lost(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"user": "shop", "password": "right"})
    here.campaign("letter", AT)
    here.relay(post.port, username="shop", password="wrong")
    here.customers({"id": "1", "email": "one@x.example"}, now="2027-01-01T00:00:00Z")
    answer = here.run(NOW, status=2)
    line = (here.folder / "settings.yaml").read_text().splitlines().index('  "password": "wrong"') + 1
    assert answer.err.startswith(f"settings.yaml:{line}: relay.password: ")
    assert len(answer.err.splitlines()) == 1
    assert "535" in answer.err
    assert "wrong" not in answer.err.replace("wrong user name or password", "")
    assert not post.dots
    here.relay(post.port, username="shop", password="right")
    here.run(NOW)
    assert post.accepted == ["one@x.example"]


FAULTS = {
    "unknown-segment": ("purpose: service\ntrigger: manual\naudience: nobdy\n", ":3: audience"),
    "unknown-segment-inside": (
        "purpose: service\ntrigger: manual\naudience:\n  all:\n    - segment: nobdy\n",
        ":5: audience.all.0.segment",
    ),
    "impossible-cron": ('purpose: service\ntrigger: {cron: "0 10 31 2 *"}\n', ":2: trigger"),
    "unreadable-cron": ('purpose: service\ntrigger:\n  cron: "61 10 * * *"\n', ":3: trigger.cron"),
    "broken-yaml": ("purpose: service\ntrigger: [\n", ":"),
    "broken-yaml-as-well": ("purpose: service\ntrigger: manual\n\tpriority: 3\n", ":3: "),
    "unknown-key": ("purpose: service\ntrigger: manual\npriorty: 3\n", ":3: priorty"),
    "repeated-key": ("purpose: service\npurpose: service\ntrigger: manual\n", ":2: "),
    "no-trigger": ("purpose: service\n", "trigger"),
    "coupon-in-service": (
        "purpose: service\ntrigger: manual\ncoupon: {kind: static, code: X}\n",
        "coupon",
    ),
}

TEMPLATE_FAULTS = {
    "unknown-variable": ("Hello\n{{ customer.nmae.x }}", ":2: "),
    "broken-syntax": ("Hello\n\n{% if %}", ":3: "),
    "several-faults": (
        "{{ customer.nmae }}\n{{ customer.nam }}\n{{ customer.nmea }}",
        " (2 more faults after this one, see mailer check)",
    ),
}


def test_broken_campaigns_are_named_and_stop_no_other(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    here.relay(post.port)
    for name, (text, _says) in FAULTS.items():
        here.campaign(name, text)
    for name, (body, _says) in TEMPLATE_FAULTS.items():
        here.campaign(name, AT, body=body)
    here.write("jobs/no-template.yaml", AT)
    here.campaign("good", AT)
    here.customers({"id": "1", "email": "one@x.example"}, now="2027-01-01T00:00:00Z")
    answer = here.run(NOW)
    lines = answer.err.splitlines()
    for name, (_text, says) in FAULTS.items():
        (line,) = (line for line in lines if f"jobs/{name}.yaml" in line)
        assert says in line
    for name, (_text, says) in TEMPLATE_FAULTS.items():
        (line,) = (line for line in lines if f"{name}/body.txt" in line)
        assert says in line
    assert len([line for line in lines if "no-template" in line]) == 1
    assert len(lines) == len(FAULTS) + len(TEMPLATE_FAULTS) + 1
    assert [(row["campaign"], row["state"]) for row in here.deliveries()] == [("good", "sent")]
    assert post.accepted == ["one@x.example"]
    checked = here.mailer("check", status=1)
    for line in lines:
        fault = line.removesuffix(".").rpartition(" cannot go out: ")[2].partition(" (2 more faults")[0]
        assert fault in checked.err, checked.err
    assert checked.err.count("several-faults/body.txt:") == 3


def test_another_campaign_is_one_file_and_its_templates_and_a_broken_one_stops_nothing(
    shop: OpenShop, relay: StartRelay
) -> None:
    here, post = shop("birthday", "offer"), relay()
    here.relay(post.port)
    here.customers(
        {"id": "1", "email": "one@x.example", "first_name": "Ayşe", "postal_code": "35100", "consent": "yes"},
        {"id": "2", "email": "two@x.example", "postal_code": "34710", "consent": "yes"},
        now="2027-01-01T00:00:00Z",
    )
    here.write(
        "jobs/izmir-evi.yaml",
        "description: The new shop in İzmir.\npurpose: commercial\ntrigger: {at: 2027-01-15T11:00}\n"
        'audience: {area: {postal: ["35*"]}}\nonce: ever\n'
        "coupon: {kind: generated, prefix: IZ, percent: 10, valid: 14d}\n",
    )
    here.write("templates/izmir-evi/subject.txt", "{{ customer.first_name | default('Merhaba') }}, buyurun")
    here.write("templates/izmir-evi/body.html", "<p>Kodunuz {{ coupon.code }}</p>{{ links.unsubscribe }}")
    here.mailer("check")
    here.write("jobs/yarim.yaml", "purpose: commercial\ntrigger: {at: 2027-01-15T11:00}\npriorty: 50\n")
    for told in (here.mailer("check", status=1), here.run(NOW)):
        assert "jobs/yarim.yaml:3: priorty: " in told.err
    assert [(row["campaign"], row["customer"], row["state"]) for row in here.deliveries()] == [
        ("izmir-evi", "1", "sent")
    ]
    [mail] = post.mails()
    assert mail["Subject"] == "Ayşe, buyurun"


WORDS = {
    "unknown campaign": (("campaigns", "run", "nowhere"), "nowhere"),
    "nobody affected": (("incidents", "open", "--title", "x", "--postal", "99999"), ""),
    "unknown option": (("runs", "--colour"), "--colour"),
    "unknown verb": (("rnu",), "rnu"),
    "wrong instant": (("runs", "--now", "yesterday"), "yesterday"),
}


@pytest.mark.parametrize(("words", "says"), WORDS.values(), ids=WORDS)
def test_wrong_words(shop: OpenShop, words: tuple[str, ...], says: str) -> None:
    here = shop("outage")
    answer = here.mailer(*words, status=2)
    assert len(answer.err.splitlines()) == 1
    assert says in answer.err
    assert not answer.out


def test_a_template_that_cannot_go_out_is_named_before_its_campaign_is_due(
    shop: OpenShop, relay: StartRelay
) -> None:
    here = shop(database_url="sqlite:///var/mailer.db")
    here.relay(relay().port)
    manual = "purpose: service\ntrigger: manual\n"
    here.campaign("broken", manual, body="Merhaba {{ nobody.knows }}")
    here.campaign("off", f"{manual}enabled: false\n", body="Merhaba {{ nobody.knows }}")
    here.campaign("sound", manual)

    def tried() -> list[tuple[str]]:
        file = f"file:{here.folder}/var/mailer.db?mode=ro"
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(file, uri=True)) as database:
            return database.execute("select campaign from campaign_version").fetchall()
        return []  # not made yet

    with ports.held() as port:
        here.set(listen=f"127.0.0.1:{port}")
        running = here.start("up")
        wait_until(tried)  # one after the other, by their names
        running.signal(signal.SIGTERM)
        [said] = [line for line in running.end().err.splitlines() if "until this is mended" in line]
    assert said.startswith(
        "The campaign broken cannot go out until this is mended: templates/broken/body.txt:1: 'nobody' is not defined"
    )
    assert tried() == [("sound",)]
