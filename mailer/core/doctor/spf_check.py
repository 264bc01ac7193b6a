"""Whether SPF lets mails of ours through."""

from __future__ import annotations

from collections.abc import Sequence

from mailer.core.doctor.dns import Book, Status
from mailer.core.doctor.finding import AGAIN, Area, Finding, Verdict, rfc, txt
from mailer.core.doctor.providers import mechanisms
from mailer.core.doctor.sending import Ip, Sending
from mailer.core.doctor.spf import Mechanism, Record, parse
from mailer.core.doctor.spf_walk import MOST_LOOKUPS, Broken, Unclear, Walk, records

_COUNTING = 40  # looks we follow where a receiver stops at ten: to say how many there are


def check(sending: Sending, book: Book) -> list[Finding]:
    """The SPF record of the return path's domain.

    Raises:
        Wanted: answers are missing.
    """
    domain = sending.return_domain
    where = f"TXT {domain}"
    answer = book.ask(domain, "TXT")
    if not answer.known:
        what = f"The SPF record of {domain} could not be asked for: {answer.status}."
        return [
            _one(
                "record",
                Verdict.UNKNOWN,
                what,
                where,
                AGAIN,
            )
        ]
    found = records(answer)
    if not found:
        what = f"{domain} has no SPF record, so no receiver knows who may send for it."
        if answer.status is Status.NO_NAME:
            what = f"The domain {domain} does not exist, so there is no SPF record either."
        return [_one("record", Verdict.FAULT, what, where, _publish(sending), paste=[_fresh(sending)])]
    if len(found) > 1:
        what = f"{domain} has {len(found)} SPF records; receivers then make use of none."
        todo = "Take them out and publish this one in their place."
        return [_one("record", Verdict.FAULT, what, where, todo, paste=[txt(domain, _merged(found))])]
    try:
        record = parse(found[0])
    except ValueError as fault:
        what = f"The SPF record of {domain} cannot be read: {fault}."
        return [_one("record", Verdict.FAULT, what, where, f"Correct it. It is now: {found[0]}")]
    return [
        _one("record", Verdict.OK, f"{domain} has one SPF record: {found[0]}", where),
        *_lookups(sending, book, where),
        *_rest(record, found[0], domain, where),
        *_addresses(sending, book, found[0], where),
    ]


def _lookups(sending: Sending, book: Book, where: str) -> list[Finding]:
    """Whether a receiver gets through it."""
    walk = Walk(book, sending.from_address, most=_COUNTING)
    try:
        walk.result(sending.return_domain)
        if (
            walk.lookups <= MOST_LOOKUPS
        ):  # then what a receiver sees is what there is; void answers count as well
            Walk(book, sending.from_address).result(sending.return_domain)
    except Unclear as trouble:
        return [
            _one("lookups", Verdict.UNKNOWN, f"A part of the SPF record could not be had: {trouble}.", where)
        ]
    except Broken as fault:
        what = f"Receivers make nothing of the SPF record: {fault}."
        return [
            _one("lookups", Verdict.FAULT, what, where, "Take out or correct that term.", section="4.6.4")
        ]
    if walk.lookups > MOST_LOOKUPS:
        what = (
            f"The SPF record takes {walk.lookups} looks into the DNS and {MOST_LOOKUPS} are allowed, "
            "so receivers refuse it whole."
        )
        todo = "Take out what no longer sends for you, of: " + ", ".join(dict.fromkeys(walk.asked)) + "."
        return [_one("lookups", Verdict.FAULT, what, where, todo, section="4.6.4")]
    what = f"It takes {walk.lookups} of the {MOST_LOOKUPS} looks into the DNS that receivers do."
    return [_one("lookups", Verdict.OK, what, where, section="4.6.4")]


def _rest(record: Record, text: str, domain: str, where: str) -> list[Finding]:
    """What becomes of everybody else."""
    if any(each.name == "ptr" for each in record.mechanisms):
        what = "The SPF record uses ptr, which receivers are told not to look at."
        return [_one("rest", Verdict.WARN, what, where, "Name the addresses with ip4 or ip6.", section="5.5")]
    last = record.all
    if last is None and record.redirect is not None:
        return []
    if last is not None and last.result == "pass":
        what = "The SPF record ends in +all: it lets anybody send for the domain."
        paste = [txt(domain, _ending(text, last))]
        return [_one("rest", Verdict.FAULT, what, where, "Publish it with ~all.", paste=paste, section="5.1")]
    if last is None or last.result == "neutral":
        what = "The SPF record says nothing about those it does not name."
        paste = [txt(domain, _ending(text, last))]
        return [_one("rest", Verdict.WARN, what, where, "Publish it with ~all.", paste=paste, section="5.1")]
    return []


def _ending(text: str, last: Mechanism | None) -> str:
    """The record with ~all in place of what it ends in. `all` may be a part of a name in it, too."""
    words = text.split()
    return " ".join(["~all" if word == last.text else word for word in words] if last else [*words, "~all"])


def _addresses(sending: Sending, book: Book, text: str, where: str) -> list[Finding]:
    """Whether it names whoever sends."""
    if sending.ips:
        return [_address(sending, book, text, ip, where) for ip in sending.ips]
    wanted = mechanisms(sending.relays, sending.return_domain)
    missing = [each for each in wanted if each.partition(":")[0] == "include" and each not in text.lower()]
    if missing:
        what = f"The relay's provider is usually named by {' '.join(missing)}, which the SPF record does not have."
        paste = [txt(sending.return_domain, _with(text, missing))]
        todo = "Publish it with that, unless the provider puts a return path of its own in place of yours."
        return [_one("address", Verdict.WARN, what, where, todo, paste=paste)]
    if wanted and all(each.startswith("include:") for each in wanted):
        return [
            _one(
                "address",
                Verdict.OK,
                f"The SPF record names the relay's provider: {' '.join(wanted)}.",
                where,
            )
        ]
    what = "Whether SPF lets your mails through cannot be seen from here: the relay sends, by addresses of its own."
    todo = "Give its addresses with --ip, or ask your provider which include: belongs in your SPF record."
    return [_one("address", Verdict.UNKNOWN, what, where, todo)]


def _address(sending: Sending, book: Book, text: str, ip: Ip, where: str) -> Finding:
    try:
        result = Walk(book, sending.from_address, ip).result(sending.return_domain)
    except Unclear as trouble:
        return _one(
            "address", Verdict.UNKNOWN, f"Whether SPF lets {ip} send could not be seen: {trouble}.", where
        )
    except Broken as fault:
        what = f"SPF lets nobody send, {ip} neither: {fault}."
        return _one("address", Verdict.FAULT, what, where, "Correct the record.", section="2.6")
    if result == "pass":
        return _one("address", Verdict.OK, f"SPF lets {ip} send.", where)
    what = f"SPF does not let {ip} send: {result}."
    paste = [txt(sending.return_domain, _with(text, [f"ip{ip.version}:{ip}"]))]
    return _one(
        "address",
        Verdict.FAULT,
        what,
        where,
        "Publish this record in place of the one there is.",
        paste=paste,
    )


def _publish(sending: Sending) -> str:
    known = sending.ips or mechanisms(sending.relays, sending.return_domain)
    return (
        "Publish it."
        if known
        else "Publish it, with what your provider asks for in place of include:PROVIDER."
    )


def _fresh(sending: Sending) -> str:
    """A first record."""
    terms = mechanisms(sending.relays, sending.return_domain) + [f"ip{ip.version}:{ip}" for ip in sending.ips]
    return txt(sending.return_domain, " ".join(["v=spf1", *(terms or ["include:PROVIDER"]), "~all"]))


def _with(text: str, terms: Sequence[str]) -> str:
    """The record with more terms, before what ends it."""
    words = text.split()
    ends = [
        at
        for at, word in enumerate(words)
        if word.lower().lstrip("+-~?") == "all" or word.lower().startswith("redirect=")
    ]
    at = min(ends, default=len(words))
    return " ".join([*words[:at], *terms, *words[at:]])


def _merged(texts: Sequence[str]) -> str:
    words = [word for text in texts for word in text.split()[1:]]
    ends = [word for word in words if word.lower().lstrip("+-~?") == "all"]
    return " ".join(
        ["v=spf1", *dict.fromkeys(word for word in words if word not in ends), ends[0] if ends else "~all"]
    )


def _one(
    check: str,
    verdict: Verdict,
    what: str,
    where: str,
    todo: str = "",
    *,
    paste: Sequence[str] = (),
    section: str = "4.5",
) -> Finding:
    return Finding(Area.SPF, f"spf.{check}", verdict, what, where, todo, tuple(paste), rfc(7208, section))
