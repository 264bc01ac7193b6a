"""The authorities that vouch for relays, as the settings name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailer.app.relays import check_authorities
from mailer.errors import SettingsError
from mailer.settings import load

TLS = Path(__file__).parent / "tls"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("relay: {host: a, ca_file: gone.pem}", "settings.yaml:1: relay.ca_file: {0}/gone.pem cannot be read: No such"),
        ("relays:\n  - {host: a}\n  - {host: b, ca_file: settings.yaml}",
         "settings.yaml:3: relays.1.ca_file: {0}/settings.yaml cannot be read: it holds no certificate"),
        ("relay: {host: a, ca_file: /dev/null}",
         "settings.yaml:1: relay.ca_file: /dev/null cannot be read: it is a pipe"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_before_a_mail_waits_for_it(
    tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        check_authorities(load(file, environment={}))
    assert str(caught.value).startswith(f"{tmp_path}/{sentence.format(tmp_path)}")


def test_what_can_be_read_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"relay: {{host: a, ca_file: {TLS}/ca.pem}}")
    check_authorities(load(file, environment={}))
    check_authorities(load(tmp_path / "none.yaml", environment={}))
