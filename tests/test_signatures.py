"""The keys that sign mails, as the settings name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailer.app.signatures import signers
from mailer.core.message import Message
from mailer.errors import SettingsError
from mailer.render.dkim import Signer
from mailer.settings import Settings, load

PEM = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signed_by(signer: Signer) -> bytes:
    message = Message("a@k.example", "b@x.example", b"From: a\r\n\r\nx\r\n", "<1@k>")
    return signer.sign(message).data.replace(b"\r\n", b"")


def written(tmp_path: Path, key: str = "", service_from: str = "", **names: str) -> Settings:
    names = {"ed25519_selector": "e", "ed25519_key_file": "e.pem"} | names
    said = ", ".join(f"{name}: {value}" for name, value in names.items() if value)
    text = f"dkim:\n  {{domain: kardelen.example, {said}}}\n"
    text += f"tenant: {{service_from: {service_from}}}\n" if service_from else ""
    (tmp_path / "settings.yaml").write_text(text, "utf-8")
    (tmp_path / "e.pem").write_bytes(key.encode() or PEM)
    return load(tmp_path / "settings.yaml", environment={})


def test_a_key_of_the_settings_signs(tmp_path: Path) -> None:
    found = signers(written(tmp_path))
    assert set(found) == {"merhaba@kardelen.example"}
    assert b"; d=kardelen.example; s=e;" in signed_by(found["merhaba@kardelen.example"])


@pytest.mark.parametrize(
    ("service", "own", "signs"),
    [
        ("bilgi@haber.kardelen.example", "", b"kardelen.example"),
        ("bilgi@haber.kardelen.example", "haber.kardelen.example", b"haber.kardelen.example"),
        ("bilgi@kardelen-servis.example", "kardelen-servis.example", b"kardelen-servis.example"),
    ],
)
def test_service_mail_is_signed_for_its_own_sender(
    tmp_path: Path, service: str, own: str, signs: bytes
) -> None:
    found = signers(written(tmp_path, service_from=service, service_domain=own))
    assert b"; d=" + signs + b"; s=e;" in signed_by(found[service])
    assert b"; d=kardelen.example; s=e;" in signed_by(found["merhaba@kardelen.example"])


@pytest.mark.parametrize(
    ("key", "names", "sentence"),
    [
        ("", {"ed25519_key_file": "gone.pem"}, "dkim.ed25519_key_file: {0}/gone.pem cannot be read: No such file"),
        ("", {"ed25519_key_file": "."}, "cannot be read: Is a directory"),
        ("", {"ed25519_key_file": "/dev/zero"}, "/dev/zero cannot be read: it is a pipe or a device, not a file"),
        ("SECRET", {}, "dkim.ed25519_key_file: {0}/e.pem holds no private key"),
        ("", {"selector": "r", "key_file": "e.pem"}, "dkim.key_file: {0}/e.pem holds a private key of another kind"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_sign_is_one_sentence(
    tmp_path: Path, key: str, names: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        signers(written(tmp_path, key, **names))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/settings.yaml:2: dkim.")
    assert sentence.format(tmp_path) in said
    assert "\n" not in said
    assert "SECRET" not in said
