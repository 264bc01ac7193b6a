"""settings.yaml and MAILER_* variables: what they become, and what is said of a mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailer.errors import SettingsError
from mailer.settings import Settings, child_environment, cores, load
from mailer.store.dialect import driver_url


def read(tmp_path: Path, text: str = "", /, **variables: str) -> Settings:
    file = tmp_path / "settings.yaml"
    file.write_text(text, "utf-8")
    return load(file, environment={f"MAILER_{name}": value for name, value in variables.items()})


def said(tmp_path: Path, text: str = "", /, **variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text, **variables)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence.replace(f"{tmp_path}/", "")


def test_nothing_written_is_a_whole_installation(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.database_url.get_secret_value() == f"sqlite:///{tmp_path}/var/mailer.db"
    assert found.state == tmp_path / "var"
    assert (found.jobs_dir, found.templates_dir) == (tmp_path / "jobs", tmp_path / "templates")
    assert found.relay.host is None
    assert found.tenant.zone.key == "Europe/Istanbul"


def test_no_file_is_needed_unless_it_was_named(tmp_path: Path) -> None:
    assert load(tmp_path / "settings.yaml", environment={}).public_url == "http://127.0.0.1:8080"
    with pytest.raises(SettingsError, match="there is no such file"):
        load(tmp_path / "settings.yaml", must_exist=True, environment={})


@pytest.mark.parametrize(
    ("url", "full", "state"),
    [
        ("sqlite:///data/shop.db", "sqlite:///{0}/data/shop.db", "{0}/data"),
        ("sqlite:////srv/shop.db", "sqlite:////srv/shop.db", "/srv"),
        ("postgresql://me@db/shop", "postgresql://me@db/shop", "{0}/var"),
    ],
)
def test_paths_count_from_the_settings_file(tmp_path: Path, url: str, full: str, state: str) -> None:
    found = read(tmp_path, f"database_url: {url}\njobs_dir: ../jobs\ntemplates_dir: /srv/templates\n")
    assert found.database_url.get_secret_value() == full.format(tmp_path)
    assert found.state == Path(state.format(tmp_path))
    assert found.jobs_dir.resolve() == tmp_path.parent / "jobs"
    assert found.templates_dir == Path("/srv/templates")
    assert read(tmp_path, f"database_url: {url}\nstate_dir: here").state == tmp_path / "here"


def test_a_folder_may_be_called_as_it_likes(tmp_path: Path) -> None:
    folder = tmp_path / "ş %41?#&"
    folder.mkdir()
    found = read(folder, "database_url: sqlite:///var/m%20x.db")
    assert driver_url(found.database_url.get_secret_value()).database == str(folder / "var" / "m x.db")
    assert found.state == folder / "var"


def test_a_key_left_blank_is_its_default(tmp_path: Path) -> None:
    found = read(tmp_path, "secret_key:\nrelay:\n  host:\n  password:\npolicy:\n")
    assert (found.secret_key, found.relay.host, found.policy.quiet_hours) == (None, None, "21:00-09:00")


@pytest.mark.parametrize(
    ("variables", "path", "value"),
    [
        ({"RELAY__PORT": "2525"}, "relay.port", 2525),
        ({"RELAY__HOST": "mx.example", "RELAY__TLS": "none"}, "relay.tls", "none"),
        ({"TENANT__LOCALE": "tr_TR"}, "tenant.locale", "tr-TR"),
        ({"TENANT__FROM": "A <a@b.example>"}, "tenant.from_", "A <a@b.example>"),
        ({"POLICY__CAP__DAY": "2"}, "policy.cap.day", 2),
        ({"TRACKING__OPENS": "true"}, "tracking.opens", True),
        ({"STAFF": "a@b.example, c@d.example ,"}, "staff", ("a@b.example", "c@d.example")),
        ({"STAFF": '["a@b.example", "c@d.example"]'}, "staff", ("a@b.example", "c@d.example")),
        ({"RELAY__CONNECTIONS": ""}, "relay.connections", 10),
        ({"TEST_ANYTHING": "1"}, "relay.connections", 5),
    ],
    ids=lambda each: "+".join(each) if isinstance(each, dict) else "",
)
def test_a_variable_overrides_the_file(
    tmp_path: Path, variables: dict[str, str], path: str, value: Any
) -> None:
    found: Any = read(tmp_path, "relay: {port: 26, connections: 5}", **variables)
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("text", "variables", "sentence"),
    [
        pytest.param("relais: {}", {}, "settings.yaml:1: relais: unknown key; take it out or correct its spelling",
                     id="unknown key"),
        pytest.param("relay:\n  host: a\n  prot: 25", {}, "settings.yaml:3: relay.prot: unknown key", id="below"),
        pytest.param("tenant: {from_: a@b.example}", {}, "settings.yaml:1: tenant.from_: unknown key", id="alias"),
        pytest.param("places: {}", {}, "settings.yaml:1: places: unknown key", id="ours"),
        pytest.param("file: x", {}, "settings.yaml:1: file: unknown key", id="ours too"),
        pytest.param("relay:\n  port: 70000", {}, "settings.yaml:2: relay.port: ", id="port"),
        pytest.param("relay:\n  tls: ssl", {}, "settings.yaml:2: relay.tls: write 'none', 'starttls'",
                     id="a word that is not one"),
        pytest.param("relay:\n  host: a\n  username: me", {},
                     "settings.yaml:1: relay: username and password go together", id="half a login"),
        pytest.param("relay: {username: me, password: x}", {}, "settings.yaml:1: relay: a user name needs a host",
                     id="a login for nobody"),
        pytest.param("tenant:\n  timezone: Istanbul", {},
                     "settings.yaml:2: tenant.timezone: 'Istanbul' is not a time zone", id="zone"),
        pytest.param("tenant: {service_from: nobody}", {}, "settings.yaml:1: tenant.service_from: 'nobody' is not a ",
                     id="no sender of service mail"),
        pytest.param("tenant:\n  from: nobody", {}, "settings.yaml:2: tenant.from: 'nobody' is not a sender",
                     id="sender"),
        pytest.param('tenant:\n  from: "A\\r\\nBcc: x <a@b.example>"', {}, "settings.yaml:2: tenant.from: ",
                     id="a sender with a line break"),
        pytest.param("policy:\n  quiet_hours: 9-21", {}, "settings.yaml:2: policy.quiet_hours: '9-21' is not quiet",
                     id="quiet hours"),
        pytest.param("tenant: {country: Turkey}", {},
                     "settings.yaml:1: tenant.country: write the two capitals of a country, such as TR", id="country"),
        pytest.param("policy:\n  cap: {day: 4, week: 3}", {},
                     "settings.yaml:2: policy.cap: 4 a day are more than 3 a week, so that no day ever has as many; "
                     "write a week of 4 or more, or a day of 3 or less", id="caps that contradict each other"),
        pytest.param("policy:\n  cap: {day: 4}", {}, "settings.yaml:2: policy.cap: 4 a day are more than 3 a week",
                     id="a cap that contradicts the one of a week nobody wrote"),
        pytest.param("", {"POLICY__CAP__DAY": "4"}, "MAILER_POLICY__CAP__DAY: policy.cap: 4 a day are more than 3",
                     id="a cap that contradicts the other, by a variable"),
        pytest.param("tenant: {locale: Türkçe}", {}, "settings.yaml:1: tenant.locale: write a language, such as tr",
                     id="locale"),
        pytest.param("tenant: {locale: zz_zz_zz}", {}, "settings.yaml:1: tenant.locale: write a language, such as tr",
                     id="a locale of two regions"),
        pytest.param("tenant: {locale: ''}", {}, "settings.yaml:1: tenant.locale: write a language, such as tr",
                     id="no locale"),
        pytest.param("tenant: {from: 'A <a@b.example>, c@d.example'}", {}, "settings.yaml:1: tenant.from: 'A <a@b",
                     id="two senders"),
        pytest.param("staff: [me]", {}, "settings.yaml:1: staff.0: 'me' is not an address", id="staff"),
        pytest.param("staff: 7", {}, "settings.yaml:1: staff: write a list", id="no list"),
        pytest.param("sender: {claim_size: 0}", {}, "settings.yaml:1: sender.claim_size: write a number that is 1 or",
                     id="a bound"),
        pytest.param("tenant: {website: www.kardelen.example}", {},
                     "settings.yaml:1: tenant.website: write an address such as https://www.kardelen.example, with",
                     id="a website without https"),
        pytest.param("tenant: {website: 'http://kardelen.example'}", {}, "settings.yaml:1: tenant.website: write an",
                     id="a website in the open"),
        pytest.param("tenant: {website: 'https://a.example/?b=c'}", {}, "settings.yaml:1: tenant.website: write an",
                     id="a website with more behind it"),
        pytest.param("tenant: {website: 'https://me:pw@a.example'}", {}, "settings.yaml:1: tenant.website: write an",
                     id="a website with a user"),
        pytest.param("listen: 8080x", {}, "settings.yaml:1: listen: write an address and a port", id="no port"),
        pytest.param("", {"RELAY__PORT": "many"}, "MAILER_RELAY__PORT: relay.port: write a whole number", id="number"),
        pytest.param("public_url: shop.example", {}, "settings.yaml:1: public_url: must begin with http", id="url"),
        pytest.param("listen: 127.0.0.1:99999", {}, "settings.yaml:1: listen: '127.0.0.1:99999' has no port",
                     id="listen"),
        pytest.param("a: 1\nb: 2", {}, "settings.yaml:1: a: unknown key; take it out or correct its spelling "
                     "(1 more fault after this one, see mailer check)", id="several"),
        pytest.param("public_url: https://", {}, "settings.yaml:1: public_url: write a scheme and a", id="no name"),
        pytest.param("public_url: 'https://a.example/?b=c'", {},
                     "settings.yaml:1: public_url: write a scheme and a name", id="more behind it"),
        pytest.param("relay:\n  host: smtp.example:587", {},
                     "settings.yaml:2: relay.host: write the name of the machine alone", id="a host with a port"),
        pytest.param("relay:\n  host: smtp://me:hunter2@a.example", {}, "settings.yaml:2: relay.host: write the name",
                     id="a host that is a url"),
        pytest.param("relay: {host: a, rate: .inf}", {}, "settings.yaml:1: relay.rate: write a number", id="no number"),
        pytest.param('tenant: {name: "a\\nb"}', {}, "settings.yaml:1: tenant.name: write one line", id="two lines"),
        pytest.param("jobs_dir: 5", {}, "settings.yaml:1: jobs_dir: write a path", id="no path"),
        pytest.param("metrics: {token: short}", {}, "settings.yaml:1: metrics.token: write at least 16 letters",
                     id="a short token"),
        pytest.param("pacing:\n  warm_up: {start: 2026-13-01, first_day: 5}", {},
                     "settings.yaml:2: pacing.warm_up.start: write a day, such as 2026-11-01", id="no such day"),
        pytest.param("previous_secret_keys: ['']", {}, "settings.yaml:1: previous_secret_keys.0: an empty key is no",
                     id="an empty key"),
        pytest.param("relay:\n  password: !abc def", {}, "settings.yaml:2: text that begins with ! belongs in quotes",
                     id="a password that YAML takes for a tag"),
        pytest.param("relay:\n  password: &abc", {},
                     "settings.yaml:2: cannot be read as YAML: text that begins with & belongs", id="an anchor"),
        pytest.param("relay: [", {}, "settings.yaml:1: cannot be read as YAML", id="not YAML"),
        pytest.param("", {"RELAY__PROT": "25"}, "MAILER_RELAY__PROT: relay.prot: unknown key", id="variable"),
        pytest.param("", {"RELAIS": "x"}, "MAILER_RELAIS: relais: unknown key", id="variable at the top"),
        pytest.param("relay: {port: 25}", {"RELAY__PORT": "many"}, "MAILER_RELAY__PORT: relay.port: ", id="its value"),
        pytest.param("", {"RELAY__USERNAME": "me"}, "MAILER_RELAY__USERNAME: relay: username and password go",
                     id="what variables make together"),
        pytest.param("relay: {port: 25}", {"RELAY__PORT__X": "1"},
                     "MAILER_RELAY__PORT__X is not a setting: port has no keys below it", id="below a value"),
        pytest.param("", {"FILE": "x"}, "MAILER_FILE is not a setting", id="ours by variable"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_with_its_place(
    tmp_path: Path, text: str, variables: dict[str, str], sentence: str
) -> None:
    assert said(tmp_path, text, **variables).startswith(sentence)


def test_every_mistake_is_kept(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(
        "relais: {}\nlisten: 8080x\nlisten: 1\nfile: x\nrelay: {port: many}\n"
    )
    variables = {"MAILER_RELAIS2": "x", "MAILER_FILE": "x", "MAILER_RELAY__USERNAME__FILE": "x"}
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "settings.yaml", environment=variables)
    told = [str(each).removeprefix(f"{tmp_path}/").partition(": ")[0] for each in caught.value.faults]
    assert told == [
        "MAILER_FILE is not a setting; take it out of the environment",
        "MAILER_RELAY__USERNAME__FILE", "MAILER_RELAIS2",
        *(f"settings.yaml:{line}" for line in (1, 2, 3, 4, 5)),
    ]  # fmt: skip


def test_a_link_that_leads_nowhere_is_not_the_same_as_no_file(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(SettingsError, match="there is no such file"):
        load(tmp_path / "settings.yaml", environment={})


@pytest.mark.parametrize("empty", ["''", "'  '", ""])
def test_an_empty_key_signs_nothing(tmp_path: Path, empty: str) -> None:
    assert read(tmp_path, f"secret_key: {empty}\n").secret_key is None
    assert read(tmp_path, "secret_key: mine", SECRET_KEY="\n").secret_key is None


def test_what_people_write_around_a_name(tmp_path: Path) -> None:
    assert read(tmp_path, "relay: {host: '[::1]'}").relay.host == "::1"
    assert read(tmp_path, "public_url: HTTPS://mail.example/a/").public_url == "https://mail.example/a"


@pytest.mark.parametrize(
    ("tenant", "shop"),
    [
        ("{}", "https://kardelen.example"),
        ("{from: 'Lale <a@Haber.Lale.example>'}", "https://haber.lale.example"),
        ("{from: 'Lale <a@çiçek.example>'}", "https://xn--iek-1lab.example"),
        ("{from: 'Lale <a@b.example>', website:}", "https://b.example"),
        ("{website: 'https://www.lale.example/'}", "https://www.lale.example"),
        ("{website: 'HTTPS://lale.example/magaza/'}", "https://lale.example/magaza"),
        ("{website: 'https://çiçek.example:8443'}", "https://xn--iek-1lab.example:8443"),
    ],
)
def test_where_the_shop_is_on_the_web(tmp_path: Path, tenant: str, shop: str) -> None:
    assert read(tmp_path, f"tenant: {tenant}").tenant.shop == shop


SECRET = "s3cret-hunter2-and-eighteen-more"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        pytest.param(f"relay: {{host: a, password: {SECRET}}}", {}, id="half a login"),
        pytest.param(f"relay: {{host: a, username: b, password: [{SECRET}]}}", {}, id="a list"),
        pytest.param(f"relay: {{host: a, username: b, password: {{{SECRET}: 1}}}}", {}, id="a mapping"),
        pytest.param(f"relay: {{pasword: {SECRET}}}", {}, id="misspelt"),
        pytest.param(f"secret_key: [{SECRET}]", {}, id="the key"),
        pytest.param(f"secret_key: {SECRET}\nsecret_key: {SECRET}", {}, id="twice"),
        pytest.param(f"database_url: [{SECRET}]", {}, id="the database"),
        pytest.param("", {"RELAY__PASSWORD": SECRET}, id="variable"),
        pytest.param("", {"RELAY__PASSWORT": SECRET}, id="variable misspelt"),
        pytest.param("", {"RELAY": SECRET}, id="variable too high"),
    ],
)
def test_no_sentence_shows_a_secret(tmp_path: Path, text: str, variables: dict[str, str]) -> None:
    assert "hunter2" not in said(tmp_path, text, **variables)


def a_secret(tmp_path: Path, text: str | bytes = f"{SECRET}\n") -> str:
    (tmp_path / "secret").write_bytes(text.encode() if isinstance(text, str) else text)
    return "secret"


def test_secrets_may_lie_in_files(tmp_path: Path) -> None:
    file = a_secret(tmp_path)
    (tmp_path / "url").write_text("postgresql://me@db/shop")
    (tmp_path / "past").write_text("first\r\nsecond\r\n")
    found = read(
        tmp_path,
        "relays: [{host: a, username: b, password: other}]",
        RELAYS__0__PASSWORD_FILE=str(tmp_path / file),
        SECRET_KEY_FILE=file,
        PREVIOUS_SECRET_KEYS_FILE="past",
        DATABASE_URL_FILE="url",
        WEBHOOKS__MAILGUN__SIGNING_KEY="",
        WEBHOOKS__MAILGUN__SIGNING_KEY_FILE=file,
        RELAY__PASSWORD_FILE="",
    )
    assert found.webhooks.mailgun is not None
    secrets = (
        found.secret_key, found.relays[0].password, found.webhooks.mailgun.signing_key
    )  # fmt: skip
    assert [each and each.get_secret_value() for each in secrets] == [SECRET] * 3
    assert [each.get_secret_value() for each in found.previous_secret_keys] == ["first", "second"]
    assert found.database_url.get_secret_value() == "postgresql://me@db/shop"
    assert found.places["relays.0.password"] == "MAILER_RELAYS__0__PASSWORD_FILE"


@pytest.mark.parametrize(
    ("content", "variables", "sentence"),
    [
        (None, {"SECRET_KEY_FILE": "nowhere"}, "MAILER_SECRET_KEY_FILE: nowhere cannot be read: No such file"),
        (None, {"SECRET_KEY_FILE": "."}, "MAILER_SECRET_KEY_FILE: {0} cannot be read: Is a directory"),
        (None, {"SECRET_KEY_FILE": "/dev/zero"}, "MAILER_SECRET_KEY_FILE: /dev/zero cannot be read: it is a pipe"),
        (" \n", {"SECRET_KEY_FILE": "secret"}, "MAILER_SECRET_KEY_FILE: secret holds nothing; write the secret"),
        (b"hunter2\xff", {"SECRET_KEY_FILE": "secret"}, "MAILER_SECRET_KEY_FILE: secret is not UTF-8 text"),
        ("hunter2", {"METRICS__TOKEN_FILE": "secret"},
         "MAILER_METRICS__TOKEN_FILE: metrics.token: write at least 16 letters"),
        ("hunter2", {"SECRET_KEY_FILE": "secret", "SECRET_KEY": "hunter2"},
         "MAILER_SECRET_KEY_FILE and MAILER_SECRET_KEY are both set; keep one of them"),
        ("hunter2", {"LISTEN_FILE": "secret"}, "MAILER_LISTEN_FILE: listen_file: unknown key"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_secret_is_named(
    tmp_path: Path, content: str | bytes | None, variables: dict[str, str], sentence: str
) -> None:
    if content is not None:
        a_secret(tmp_path, content)
    found = said(tmp_path, "", **variables)
    assert found.startswith(sentence.format(tmp_path))
    assert "hunter2" not in found


def test_no_setting_shows_a_secret_when_printed(tmp_path: Path) -> None:
    text = (
        f"secret_key: {SECRET}\ndatabase_url: postgresql://me:{SECRET}@db/shop\n"
        f"relay: {{host: a, username: b, password: {SECRET}}}"
    )
    found = read(tmp_path, text)
    assert found.relay.password is not None
    assert found.relay.password.get_secret_value() == SECRET
    assert "hunter2" not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"


def test_places_tell_where_a_setting_came_from(tmp_path: Path) -> None:
    found = read(tmp_path, "relay:\n  host: a\n  username: b\n  password: c", RELAY__PASSWORD="d")
    assert found.places["relay.username"] == f"{tmp_path}/settings.yaml:3"
    assert found.places["relay.password"] == "MAILER_RELAY__PASSWORD"


def test_children_get_our_environment_and_what_we_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    assert {"KEPT": "1", "MAILER_RELAY__PORT": "9"}.items() <= child_environment(
        {"MAILER_RELAY__PORT": "9"}
    ).items()
    assert cores() >= 1


KEY = "domain: kardelen.example, selector: s, key_file: keys/s.pem"


def test_keys_lie_beside_the_settings(tmp_path: Path) -> None:
    assert read(tmp_path).dkim.domain is None
    found = read(tmp_path, f"dkim: {{{KEY}, ed25519_selector: e, ed25519_key_file: /srv/e.pem}}").dkim
    assert (found.key_file, found.ed25519_key_file) == (f"{tmp_path}/keys/s.pem", "/srv/e.pem")
    alone = read(
        tmp_path, "dkim: {domain: KARDELEN.example}", DKIM__SELECTOR="s", DKIM__KEY_FILE="k.pem"
    ).dkim
    assert (alone.domain, alone.key_file) == ("kardelen.example", f"{tmp_path}/k.pem")


@pytest.mark.parametrize("sender", ["a@kardelen.example", "a@mail.kardelen.example", "a@KARDELEN.EXAMPLE"])
def test_the_senders_own_domain_signs(tmp_path: Path, sender: str) -> None:
    assert read(tmp_path, f"tenant: {{from: Kardelen <{sender}>}}\ndkim: {{{KEY}}}").dkim.selector == "s"
    below = f"tenant: {{from: {sender}}}\ndkim: {{{KEY.replace('kardelen', 'x.mail.kardelen')}}}"
    assert read(tmp_path, below).dkim.selector == "s"


@pytest.mark.parametrize(
    ("given", "address", "service", "signs"),
    [
        ("", "merhaba@kardelen.example", "merhaba@kardelen.example", "kardelen.example"),
        ("service_from: a@kardelen.example", "merhaba@kardelen.example", "a@kardelen.example", "kardelen.example"),
        ("service_from: K <a@x.kardelen.example>", "merhaba@kardelen.example", "a@x.kardelen.example",
         "kardelen.example"),
        ("from: b@y.kardelen.example, service_from: a@x.kardelen.example", "b@y.kardelen.example",
         "a@x.kardelen.example", "kardelen.example"),
    ],
)  # fmt: skip
def test_service_mail_may_have_a_sender_of_its_own(
    tmp_path: Path, given: str, address: str, service: str, signs: str
) -> None:
    found = read(tmp_path, f"tenant: {{{given}}}\ndkim: {{{KEY}}}")
    assert (found.tenant.address, found.tenant.service_address) == (address, service)
    assert found.dkim.for_service == signs


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dkim: {domain: kardelen.example}", "settings.yaml:1: dkim: a domain and a key go together"),
        ("dkim: {selector: s, key_file: k}", "a domain and a key go together"),
        ("dkim: {domain: a.example, selector: s}", "selector and key_file go together"),
        ("dkim: {domain: a.example, ed25519_key_file: s}", "ed25519_selector and ed25519_key_file go together"),
        (f"dkim: {{{KEY}, ed25519_selector: s, ed25519_key_file: e}}", "give each key its own"),
        (f"dkim: {{{KEY.replace('selector: s', 'selector: a b')}}}", "settings.yaml:1: dkim.selector"),
        (f"dkim: {{{KEY.replace('kardelen.example', 'example')}}}", "'example' is not a domain"),
        (f"dkim: {{{KEY.replace('kardelen', 'ardelen')}}}", "tenant.from is merhaba@kardelen.example"),
        (f"tenant: {{from: a@lale.example}}\ndkim: {{{KEY}}}", "kardelen.example and tenant.from is a@lale"),
        (f"tenant: {{service_from: a@lale.example}}\ndkim: {{{KEY}}}",
         "signed by kardelen.example and tenant.service_from is a@lale.example"),
        (f"tenant: {{service_from: a@lale.example}}\ndkim: {{{KEY}, service_domain: gul.example}}",
         "signed by gul.example and tenant.service_from is a@lale.example"),
        (f"dkim: {{{KEY}, service_domain: lale.example}}", "service mail comes from tenant.from"),
        ("dkim: {service_domain: a.example}", "service_domain goes with a domain and a key"),
    ],
)  # fmt: skip
def test_signatures_nobody_would_believe_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in said(tmp_path, text)
