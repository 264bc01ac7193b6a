"""The keys that sign mails, as the settings name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailer.app.signatures import signer
from mailer.core.message import Message
from mailer.errors import SettingsError
from mailer.settings import Settings, load

PEM = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def written(tmp_path: Path, key: str = "", **names: str) -> Settings:
    names = {"ed25519_selector": "e", "ed25519_key_file": "e.pem"} | names
    said = ", ".join(f"{name}: {value}" for name, value in names.items() if value)
    (tmp_path / "settings.yaml").write_text(f"dkim:\n  {{domain: kardelen.example, {said}}}\n", "utf-8")
    (tmp_path / "e.pem").write_bytes(key.encode() or PEM)
    return load(tmp_path / "settings.yaml", environment={})


def test_a_key_of_the_settings_signs(tmp_path: Path) -> None:
    signed = signer(written(tmp_path)).sign(
        Message("a@k.example", "b@x.example", b"From: a\r\n\r\nx\r\n", "<1@k>")
    )
    assert b"; d=kardelen.example; s=e;" in signed.data.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("key", "names", "sentence"),
    [
        ("", {"ed25519_key_file": "gone.pem"}, "dkim.ed25519_key_file: {0}/gone.pem cannot be read: No such file"),
        ("", {"ed25519_key_file": "."}, "cannot be read: Is a directory"),
        ("SECRET", {}, "dkim.ed25519_key_file: {0}/e.pem holds no private key"),
        ("", {"selector": "r", "key_file": "e.pem"}, "dkim.key_file: {0}/e.pem holds a private key of another kind"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_sign_is_one_sentence(
    tmp_path: Path, key: str, names: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        signer(written(tmp_path, key, **names))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/settings.yaml:2: dkim.")
    assert sentence.format(tmp_path) in said
    assert "\n" not in said
    assert "SECRET" not in said
