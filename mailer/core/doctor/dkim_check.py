"""Whether the published keys are those that sign."""

from __future__ import annotations

from collections.abc import Sequence

from mailer.core.doctor import keys
from mailer.core.doctor.dns import Answer, Book, Status
from mailer.core.doctor.finding import AGAIN, Area, Finding, Source, Verdict, rfc, txt
from mailer.core.doctor.sending import PublicKey, Sending

LEAST_BITS, GOOD_BITS = 1024, 2048
_RECORD = rfc(6376, "3.6.1")


def check(sending: Sending, book: Book) -> list[Finding]:
    """Every key that signs.

    Raises:
        Wanted: answers are missing.
    """
    found: list[Finding] = []
    if sending.dkim_domain is not None:
        for key in sending.keys:
            found += _judge(book, sending.dkim_domain, key.selector, key)
    for selector in sending.selectors:
        found += _judge(book, sending.from_domain, selector, None)
    if found:
        return found
    what = "Mails leave here unsigned; whether the relay signs them cannot be seen from here."
    todo = (
        f"Ask your provider to sign with d={sending.from_domain} and name its selector with --selector, or let mailer "
        "sign (docs/dkim.md)."
    )
    return [_one("record", Verdict.UNKNOWN, what, "dkim", todo)]


def published(domain: str, key: PublicKey) -> tuple[str, ...]:
    """The record that a key of ours needs; none where its file cannot be read."""
    if not key.public:
        return ()
    return (txt(f"{key.selector}._domainkey.{domain}", _text(key)),)


def _text(key: PublicKey) -> str:
    return f"v=DKIM1; k={key.kind}; p={key.public}"


def _judge(book: Book, domain: str, selector: str, ours: PublicKey | None) -> list[Finding]:
    name = f"{selector}._domainkey.{domain}"
    where = f"TXT {name}"
    answer = book.ask(name, "TXT")
    paste = published(domain, ours) if ours is not None else ()
    if ours is not None and ours.trouble:
        return [
            _one(
                "key",
                Verdict.FAULT,
                f"The key that signs cannot be used: {ours.trouble}.",
                ours.file,
                "See docs/dkim.md.",
            )
        ]
    if not answer.known:
        what = f"The DKIM record {name} could not be asked for: {answer.status}."
        return [
            _one(
                "record",
                Verdict.UNKNOWN,
                what,
                where,
                AGAIN,
            )
        ]
    if not answer.values:
        led = f" (it is a CNAME to {answer.canonical}, where there is none)" if answer.canonical else ""
        what = f"There is no DKIM record {name}{led}, so no receiver believes the signature."
        todo = "Publish it." if paste else "Ask your provider for the record that belongs there."
        return [_one("record", Verdict.FAULT, what, where, todo, paste)]
    if len(answer.values) > 1:
        what = f"There are {len(answer.values)} records at {name}; which one receivers take is chance."
        source = rfc(6376, "3.6.2.2")
        return [
            _one(
                "record", Verdict.FAULT, what, where, "Leave only the one that belongs there.", paste, source
            )
        ]
    try:
        record = keys.parse(answer.values[0])
    except ValueError as fault:
        what = f"The DKIM record {name} cannot be used: {fault}."
        return [_one("record", Verdict.FAULT, what, where, "Publish it anew.", paste)]
    return _readable(record, answer, name, ours, paste)


def _readable(
    record: keys.KeyRecord, answer: Answer, name: str, ours: PublicKey | None, paste: Sequence[str]
) -> list[Finding]:
    where = f"TXT {name}"
    faults = _faults(record, name, ours, paste)
    if faults:
        return faults
    led = f", by a CNAME to {answer.canonical}" if answer.status is Status.FOUND and answer.canonical else ""
    whose = "is that of the key that signs" if ours is not None else "can be used"
    found = [_one("record", Verdict.OK, f"The DKIM record {name} {whose}{led}.", where)]
    if "y" in record.flags:
        what = f"The DKIM record {name} says t=y: receivers may treat signed mails like unsigned ones."
        found.append(_one("testing", Verdict.WARN, what, where, "Publish it without t=y.", paste))
    if record.kind == "rsa" and record.bits < GOOD_BITS:
        what = f"The DKIM key at {name} has {record.bits} bits; {GOOD_BITS} are the measure today."
        found.append(
            _one("bits", Verdict.WARN, what, where, f"Make one of {GOOD_BITS} bits.", source=rfc(8301, "3.2"))
        )
    return found


def _faults(record: keys.KeyRecord, name: str, ours: PublicKey | None, paste: Sequence[str]) -> list[Finding]:
    where = f"TXT {name}"
    if not record.public:
        what = (
            f"The DKIM record {name} says that the key was taken back (p= is empty); every signature fails."
        )
        todo = "Publish the key, or sign with another selector."
        return [_one("revoked", Verdict.FAULT, what, where, todo, paste)]
    if record.kind not in ("rsa", "ed25519"):
        what = f"The DKIM record {name} says k={record.kind}, which no receiver knows."
        return [_one("record", Verdict.FAULT, what, where, "Publish it anew.", paste)]
    if record.hashes and "sha256" not in record.hashes:
        what = f"The DKIM record {name} allows {':'.join(record.hashes)} only, and signatures use sha256."
        return [_one("record", Verdict.FAULT, what, where, "Publish it without h=.", paste)]
    if not {"*", "email"} & set(record.services):
        what = f"The DKIM record {name} is not meant for mail (s={':'.join(record.services)})."
        return [_one("record", Verdict.FAULT, what, where, "Publish it without s=.", paste)]
    if ours is not None and (record.kind, record.public) != (ours.kind, keys.parse(_text(ours)).public):
        what = f"The key published at {name} is not that of {ours.file}; every signature fails."
        todo = "Publish this record in its place, or put the private key that belongs to it into the file."
        return [_one("match", Verdict.FAULT, what, where, todo, paste)]
    if record.kind == "rsa" and record.bits < LEAST_BITS:
        what = f"The DKIM key at {name} has {record.bits} bits; receivers do not believe fewer than {LEAST_BITS}."
        return [
            _one(
                "bits", Verdict.FAULT, what, where, f"Make one of {GOOD_BITS} bits.", source=rfc(8301, "3.2")
            )
        ]
    return []


def _one(
    check: str,
    verdict: Verdict,
    what: str,
    where: str,
    todo: str = "",
    paste: Sequence[str] = (),
    source: Source = _RECORD,
) -> Finding:
    return Finding(Area.DKIM, f"dkim.{check}", verdict, what, where, todo, tuple(paste), source)
