"""Signing messages (RFC 6376, Ed25519 by RFC 8463), so that receivers know the domain stands behind them.

Both canonicalisations are relaxed: what relays do to blanks and folds breaks no signature. There is no time in it: a
message made again for another attempt has the same signature. `From` is signed once more than it stands there, so that
nobody can add a second one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailer.core.message import Message

#: Receivers need not check longer keys (RFC 8301 §3.2), and should not believe shorter ones.
RSA_BITS = range(2048, 4097)
#: What is signed where it is there, in this order.
SIGNED = (
    "from", "to", "subject", "date", "message-id", "reply-to", "in-reply-to", "references", "mime-version",
    "content-type", "content-transfer-encoding", "list-id", "list-unsubscribe", "list-unsubscribe-post", "feedback-id",
)  # fmt: skip
_LINE = 72


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the selector its public half is found under."""

    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """The `a=` of its signatures."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, said: bytes) -> bytes:
        """The signature of some canonical text."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(said, PKCS1v15(), SHA256())
        return self.key.sign(hashlib.sha256(said).digest())  # RFC 8463 §3: of the hash, not the text


def read_key(pem: bytes, selector: str, *, rsa: bool) -> SigningKey:
    """The private key in a PEM file.

    Raises:
        ValueError: what is wrong with it, as the end of a sentence that begins with the file.
    """
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise ValueError("is locked by a pass phrase; make one without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)") from None
    if rsa and isinstance(key, RSAPrivateKey):
        if key.key_size not in RSA_BITS:
            wanted = f"between {RSA_BITS.start} and {RSA_BITS.stop - 1}"
            raise ValueError(f"holds an RSA key of {key.key_size} bits; receivers want {wanted}")
        return SigningKey(selector, key)
    if not rsa and isinstance(key, Ed25519PrivateKey):
        return SigningKey(selector, key)
    raise ValueError(f"holds a private key of another kind than {'RSA' if rsa else 'Ed25519'}")


class Signer:
    """Puts a domain's signatures on messages."""

    def __init__(self, domain: str, keys: Sequence[SigningKey]) -> None:
        self._domain = domain
        self._keys = tuple(keys)

    def sign(self, message: Message) -> Message:
        """The message with a signature of each key before everything else; what follows it is not touched."""
        head, _, body = message.data.partition(b"\r\n\r\n")
        fields = canonical_fields(head)
        signed = tuple(name for name in SIGNED if name in fields)
        said = b"".join([fields[name] for name in signed])
        digest = base64.b64encode(hashlib.sha256(canonical_body(body)).digest()).decode("ascii")
        signatures = []
        for key in self._keys:
            unsigned = (
                _opening(key.algorithm, self._domain, key.selector, signed) + f"\r\n bh={digest};\r\n b="
            )
            value = canonical_fields(unsigned.encode("ascii"))["dkim-signature"].removesuffix(b"\r\n")
            made = base64.b64encode(key.sign(said + value)).decode("ascii")
            lines = [made[at : at + _LINE] for at in range(0, len(made), _LINE)]
            signatures.append(unsigned + "\r\n ".join(lines) + "\r\n")
        data = "".join(signatures).encode("ascii") + message.data
        return Message(
            message.mail_from, message.rcpt_to, data, message.message_id,
            smtputf8=message.smtputf8, whole_lines=message.whole_lines,
        )  # fmt: skip


@lru_cache(maxsize=64)
def _opening(algorithm: str, domain: str, selector: str, signed: tuple[str, ...]) -> str:
    lines = [
        f"DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;",
        f" d={domain}; s={selector};",
        " h=from",
    ]
    for name in signed:
        if len(lines[-1]) + len(name) > _LINE:
            lines[-1] += ":"
            lines.append(f" {name}")
        else:
            lines[-1] += f":{name}"
    return "\r\n".join(lines) + ";"


def canonical_fields(head: bytes) -> dict[str, bytes]:
    """Each field of a header by its name in small letters, written as RFC 6376 §3.4.2 has it; of several the last."""
    fields: dict[str, bytes] = {}
    for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        fields[name.decode("ascii", "replace")] = name + b":" + _single(value).strip(b" ") + b"\r\n"
    return fields


def canonical_body(body: bytes) -> bytes:
    """A body as RFC 6376 §3.4.4 has it: blanks in a row are one, lines end in none, the body not in empty lines."""
    body = _single(body)
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    while body.endswith(b"\r\n\r\n"):
        body = body[: -len(b"\r\n")]
    return b"" if body == b"\r\n" else body


def _single(text: bytes) -> bytes:
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    while (shorter := text.replace(b"  ", b" ")) != text:
        text = shorter
    return text
