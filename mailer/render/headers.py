"""The header gate: what may stand in a header field, and how it is written there.

Three lines of defence, since one first name is enough for an attack (CVE-2024-6923): data with controls or
encoded words is refused; what is left is written by the few functions here, which never copy a line end; and
`verify` parses the result with the standard library and compares every field. That takes longer than all the rest
of a message, so a field whose every letter comes from a short list of harmless ones is `proven`: there is only one
way to read it, and a header of such fields is not read back.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from email import policy
from email.errors import MultipartInvariantViolationDefect
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.parser import HeaderParser
from functools import lru_cache
from typing import Any, NamedTuple

import idna

from mailer.errors import HeaderRefused, NotRepresentable

#: RFC 5322 §2.1.1, without CRLF; also the longest subject, in characters.
LINE_LIMIT = 998
_ENCODED_LINE = 76  # RFC 2047 §2
_LOCAL_LIMIT, _ADDRESS_LIMIT, _DOMAIN_LIMIT = 64, 254, 253  # octets, RFC 5321 §4.5.3.1

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_ENCODED_WORD = re.compile(r"=\?.*\?=")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_HARMLESS_ATOMS = re.compile(r"[A-Za-z0-9' -]+")
_HARMLESS_QUOTED = re.compile(r"[A-Za-z0-9' .,&()+/_-]+")
_HARMLESS_ADDRESS = re.compile(
    r"(?=.{1,64}@)(?=.{3,254}\Z)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*"
)
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]+")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_LINK = re.compile(r"(?:https?://|mailto:)[!-;=?-~]+")
_ID = re.compile(r"<[!-;=?-~]{1,400}@[!-;=?-~]{1,400}>")
_PLAIN_WORD = 70
_PLAIN_NAME = 60
_FOLDED = re.compile(r"\r\n(?=[ \t])")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")


class Field(NamedTuple):
    """A header field: how it is written, folded by CRLF, and what it says; addresses say (name, address)."""

    name: str
    written: str
    says: str | tuple[str, str]
    proven: bool = False  # it can be read in one way only, whoever reads it


def check(text: str, what: str, limit: int = LINE_LIMIT) -> str:
    """Refuse data that could end a field or be decoded into one; returns it with blanks collapsed.

    Raises:
        HeaderRefused: controls (C0, C1, line and paragraph separators), encoded words, or too long.
    """
    if len(text) > limit or "=?" in text or not text.isprintable():
        found = _CONTROLS.search(text)
        if found:
            raise HeaderRefused(f"{what} holds the control character U+{ord(found[0]):04X}")
        if _ENCODED_WORD.search(text):
            raise HeaderRefused(f"{what} holds an encoded word (=?…?=)")
        if len(text) > limit:
            raise HeaderRefused(f"{what} has {len(text):,} characters; {limit} is the most")
    if "  " in text or text[:1] == " " or text[-1:] == " ":
        return " ".join(word for word in text.split(" ") if word)
    return text


def address(text: str, what: str, *, smtputf8: bool) -> str:
    """An addr-spec as it travels: the local part as given, the domain in A-labels (RFC 5890).

    Raises:
        HeaderRefused: it is not one plain address (quoted local parts are not used), or holds controls.
        NotRepresentable: the local part is not ASCII and the relay takes ASCII only, or the domain has no
            A-label form.
    """
    if _HARMLESS_ADDRESS.fullmatch(text):
        return text
    check(text, what)
    if _BIDI.search(text) or _INVISIBLE.search(text):
        raise HeaderRefused(f"{what} holds invisible or direction-changing characters")
    local, at, domain = text.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or ".." in local or local[0] == "." or local[-1] == ".":
        raise HeaderRefused(f"{what} is not a plain address of the form name@domain")
    if not local.isascii() and not smtputf8:
        raise NotRepresentable(f"{what} needs SMTPUTF8, which the relay does not offer")
    try:
        ascii_domain = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise NotRepresentable(f"{what} has a domain that cannot be written in ASCII") from None
    if not re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*", ascii_domain):
        raise HeaderRefused(f"{what} is not a plain address of the form name@domain")
    whole = f"{local}@{ascii_domain}"
    too_long = len(local.encode()) > _LOCAL_LIMIT or len(ascii_domain) > _DOMAIN_LIMIT
    if too_long or len(whole.encode()) > _ADDRESS_LIMIT:
        raise HeaderRefused(f"{what} is longer than an address may be")
    return whole


def mailbox(field: str, name: str, addr_spec: str) -> Field:
    """`From` or `To`: one person, the name encoded where it has to be (RFC 2047 §5)."""
    name = check(name, f"the name in {field}")
    if _BIDI.search(name):
        raise HeaderRefused(f"the name in {field} holds direction-changing characters")
    proven = _HARMLESS_ADDRESS.fullmatch(addr_spec) is not None and "=?" not in name
    if not name:
        return Field(field, f"{field}: {addr_spec}", ("", addr_spec), proven)
    if not name.isascii() or len(name) > _PLAIN_NAME or "=?" in name:
        words = _encoded(name, len(field) + 2)
    elif _ATOMS.fullmatch(name):
        words = name.split(" ")
        proven = proven and _HARMLESS_ATOMS.fullmatch(name) is not None
    else:
        words = ['"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"']
        proven = proven and _HARMLESS_QUOTED.fullmatch(name) is not None
    return Field(field, _folded(field, [*words, f"<{addr_spec}>"]), (name, addr_spec), proven)


@lru_cache(maxsize=1024)  # all mails of a run may say the same
def unstructured(field: str, text: str) -> Field:
    """Free text such as a subject, in any language."""
    text = check(text, f"the {field.lower()}")
    words = text.split(" ")
    if not text.isascii() or "=?" in text or max(map(len, words)) > _PLAIN_WORD:
        words = _encoded(text, len(field) + 2)
    return Field(field, _folded(field, words), text, "=?" not in text)


def message_ids(field: str, ids: Sequence[str]) -> Field:
    """One or more `<left@right>`, never broken (RFC 5322 §3.6.4)."""
    for each in ids:
        if not _ID.fullmatch(each):
            raise HeaderRefused(f"{field} holds {each[:80]!r}, which is no message id")
    return Field(field, _folded(field, ids), " ".join(ids), proven=True)


def addresses_in_brackets(field: str, links: Sequence[str]) -> Field:
    """`<https://…>, <mailto:…>` (RFC 2369 §2): literal, however long, folded after a comma only.

    RFC 8058 one-click needs the very characters; an encoded word or a fold inside would break it.
    """
    for link in links:
        if not _LINK.fullmatch(link):
            raise HeaderRefused(f"{field} needs an http, https or mailto address in ASCII")
    parts = [f"<{link}>" for link in links]
    written = f"{field}: " + ",\r\n ".join(parts)
    if len(written) > LINE_LIMIT and any(len(line) > LINE_LIMIT for line in written.split("\r\n")):
        raise HeaderRefused(f"an address in {field} is longer than a line may be")
    return Field(field, written, ", ".join(parts), proven=True)


def list_id(text: str) -> Field:
    """`label.domain` or `Name <label.domain>` (RFC 2919)."""
    name, _, label = text.rpartition("<")
    label = label.rstrip(">").strip()
    if not re.fullmatch(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+", label) or len(label) > 255:  # noqa: PLR2004 - RFC 2919 §3
        raise HeaderRefused(f"{text[:80]!r} is no list id; it looks like a host name")
    if not name.strip():
        return Field("List-Id", f"List-Id: <{label}>", f"<{label}>")
    written = mailbox("List-Id", name.strip(), label).written
    return Field("List-Id", written, _FOLDED.sub("", written).partition(": ")[2])


def plain(field: str, text: str) -> Field:
    """A field whose value is ours: printable ASCII, folded at blanks."""
    if not _NAME.fullmatch(field):
        raise HeaderRefused(f"{field[:80]!r} is no field name")
    check(text, field)
    if not re.fullmatch(r"[!-~]+(?: [!-~]+)*", text):
        raise HeaderRefused(f"{field} takes printable ASCII only")
    return Field(field, _folded(field, text.split(" ")), text)


def _folded(field: str, words: Iterable[str]) -> str:
    """`field: words`, a new line before a word that would pass the limit of a line with encoded words."""
    words = list(words)
    whole = f"{field}: {' '.join(words)}"
    if len(whole) <= _ENCODED_LINE:
        return whole
    lines = [f"{field}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _ENCODED_LINE and (
            len(lines) > 1 or len(lines[0]) > len(field) + 1
        ):
            lines.append("")
        lines[-1] += f" {word}"
    if any(len(line) > LINE_LIMIT for line in lines):
        raise HeaderRefused(f"{field} holds a word longer than a line may be")
    return "\r\n".join(lines)


def _encoded(text: str, used: int) -> list[str]:
    """The text as encoded words, each a line's length at most, no character split (RFC 2047 §5)."""
    octets = text.encode()
    quoted = "".join([_Q[octet] for octet in octets])
    room = _ENCODED_LINE - used - len("=?utf-8?q??=")
    later = _ENCODED_LINE - 1 - len("=?utf-8?q??=")
    # A little longer than base64, and still read by people and filters.
    if len(quoted) <= len(octets) * 2:
        return [f"=?utf-8?q?{part}?=" for part in _cut(quoted, room, later)]
    words: list[str] = []
    payload = b""
    for letter in map(str.encode, text):
        if payload and (len(payload) + len(letter) + 2) // 3 * 4 > room:
            words.append(_word(payload))
            payload, room = b"", later
        payload += letter
    return [*words, _word(payload)]


_Q = [
    "_" if octet == ord(" ") else chr(octet) if octet in _Q_SAFE else f"={octet:02X}" for octet in range(256)
]
_WITHIN = frozenset("89AB")  # what the octets of a letter but its first begin with, written out (RFC 3629 §3)
_LETTER_LIMIT = 12  # written out: four octets


def _cut(quoted: str, room: int, later: int) -> Iterator[str]:
    """In parts of at most `room`, then `later`, octets; no letter is cut, and each part has one at least."""
    begin = 0
    room = max(room, _LETTER_LIMIT)
    while len(quoted) - begin > room:
        end = begin + room
        if quoted[end - 1] == "=":
            end -= 1
        elif quoted[end - 2] == "=":
            end -= 2
        while quoted[end] == "=" and quoted[end + 1] in _WITHIN:
            end -= 3
        yield quoted[begin:end]
        begin, room = end, later
    yield quoted[begin:]


def _word(payload: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(payload).decode()}?="


_PARSER = HeaderParser(policy=policy.SMTPUTF8)


def verify(head: str, fields: Sequence[Field]) -> None:
    """Parse the head of a message as a receiver would, and compare it with what was meant, field by field.

    Raises:
        HeaderRefused: another set of fields, or a field that says something else.
    """
    parsed = _PARSER.parsestr(head)
    found = list(parsed.raw_items())
    # CPython 3.11.2 finds this defect in every multipart head that is read without its body.
    defects = [each for each in parsed.defects if not isinstance(each, MultipartInvariantViolationDefect)]
    if [name for name, _ in found] != [field.name for field in fields] or defects:
        raise HeaderRefused("the header would not read as it was meant")
    for field, (name, raw) in zip(fields, found, strict=True):
        if isinstance(field.says, tuple):
            same = _reads_as(parsed[name], _FOLDED.sub("", str(raw)), field.says)
        elif name == "Subject":
            same = str(parsed[name]) == field.says
        else:
            same = _FOLDED.sub("", str(raw)) == field.says
        if not same:
            raise HeaderRefused(f"{name} would not read as it was meant")


def _reads_as(value: Any, raw: str, meant: tuple[str, str]) -> bool:
    """Whether an address field holds this one person and nobody else."""
    if not isinstance(value, AddressHeader) or [each.addr_spec for each in value.addresses] != [meant[1]]:
        return False
    name = value.addresses[0].display_name
    if (
        "=?" in raw
    ):  # the new parser of some versions keeps the blank between two encoded words (RFC 2047 §6.2)
        name = str(make_header(decode_header(raw.rpartition(" <")[0])))
    return bool(name == meant[0])
