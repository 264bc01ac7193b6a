"""Whether DMARC is published, and whether mails of ours would pass it."""

from __future__ import annotations

from collections.abc import Sequence

from mailer.core.doctor.dmarc import Policy, aligned, is_dmarc, parse, records, walk
from mailer.core.doctor.dns import Book, is_below
from mailer.core.doctor.finding import AGAIN, Area, Finding, Source, Verdict, rfc, txt
from mailer.core.doctor.sending import Sending

_ALL = 100


def check(sending: Sending, book: Book) -> list[Finding]:
    """The From domain's policy, and whether SPF and DKIM speak for the same domain.

    Raises:
        Wanted: answers are missing.
    """
    domain = sending.from_domain
    where = f"TXT _dmarc.{domain}"
    published, organisation, trouble = walk(book, domain)
    several = records(book.ask(f"_dmarc.{domain}", "TXT"))
    if len(several) > 1:
        what = f"There are {len(several)} DMARC records at _dmarc.{domain}; receivers then use none."
        return [_one("record", Verdict.FAULT, what, where, "Leave one of them.", source=rfc(7489, "6.6.3"))]
    if published is None and trouble is not None:
        what = f"The DMARC record of {domain} could not be asked for: {trouble}."
        return [_one("record", Verdict.UNKNOWN, what, where, AGAIN)]
    if published is None:
        what = f"{domain} has no DMARC record; Gmail, Yahoo and Outlook refuse bulk mail without one."
        paste = [txt(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:dmarc-reports@{domain}")]
        todo = "Publish it, with an address that somebody reads, and a stricter policy once the reports are clean."
        return [_one("record", Verdict.FAULT, what, where, todo, paste)]
    where = f"TXT _dmarc.{published.name}"
    try:
        policy = parse(published.text)
    except ValueError as fault:
        what = f"The DMARC record at _dmarc.{published.name} cannot be used: {fault}."
        return [_one("record", Verdict.FAULT, what, where, f"Correct it. It is now: {published.text}")]
    own = published.name == domain
    return [
        _one(
            "record",
            Verdict.OK,
            f"{domain} has a DMARC record{'' if own else f', that of {published.name}'}: {published.text}",
            where,
        ),
        *_policy(policy, published.name, where, own=own),
        *_reports(book, policy, published.name, published.text, where),
        *_alignment(sending, policy, organisation, where),
    ]


def _policy(policy: Policy, name: str, where: str, *, own: bool) -> list[Finding]:
    tag, counts = ("p", policy.p) if own else ("sp", policy.sp)
    found: list[Finding] = []
    if policy.bare:
        what = f"The DMARC record at _dmarc.{name} has no p=, which older receivers do not take for a record."
        found.append(_one("policy", Verdict.FAULT, what, where, "Add p=none right behind v=DMARC1."))
    elif counts == "none":
        what = f"The policy is {tag}=none: it is the least that large mailbox providers ask for, and stops no forger."
        todo = (
            f"Once the reports show nothing but your own mail, publish {tag}=quarantine, later {tag}=reject."
        )
        found.append(_one("policy", Verdict.WARN, what, where, todo))
    else:
        fate = "rejected" if counts == "reject" else "put among the spam"
        what = f"Forged mails are to be {fate} ({tag}={counts})."
        found.append(_one("policy", Verdict.OK, what, where))
    if own and policy.p != "none" and policy.sp == "none":
        what = "sp=none lets anybody write in the name of the domains below yours."
        found.append(
            _one("subdomains", Verdict.WARN, what, where, f"Take sp=none out, or make it sp={policy.p}.")
        )
    if policy.percent < _ALL or policy.testing:
        said = "t=y" if policy.testing else f"pct={policy.percent}"
        what = f"{said} keeps the policy from counting for every mail."
        found.append(
            _one("policy", Verdict.WARN, what, where, f"Take {said} out when the reports are clean.")
        )
    return found


def _reports(book: Book, policy: Policy, name: str, text: str, where: str) -> list[Finding]:
    """Whether anybody hears who sends in our name."""
    if not policy.reports:
        what = "Nobody gets reports about who sends in the name of the domain (rua=)."
        paste = [txt(f"_dmarc.{name}", f"{text.rstrip('; ')}; rua=mailto:dmarc-reports@{name}")]
        return [
            _one(
                "reports", Verdict.WARN, what, where, "Publish it with an address that somebody reads.", paste
            )
        ]
    found: list[Finding] = []
    for target in policy.reports:
        scheme, _, address = target.partition(":")
        host = address.partition("!")[0].rpartition("@")[2].lower()
        if scheme.lower() != "mailto" or not host:
            what = f"rua={target} is no address for reports."
            found.append(_one("reports", Verdict.WARN, what, where, "Write it as rua=mailto:NAME@DOMAIN."))
        elif not is_below(host, name) and not is_below(name, host):
            found += _allowed(book, name, host)
    return found


def _allowed(book: Book, name: str, host: str) -> list[Finding]:
    """Whether another domain has agreed to get the reports (RFC 7489 §7.1)."""
    record = f"{name}._report._dmarc.{host}"
    answer = book.ask(record, "TXT")
    if not answer.known or any(is_dmarc(each) for each in answer.values):
        return []
    what = f"Reports are to go to {host}, which has not said that it wants them; so nobody sends any."
    todo = f"Have {host} publish this, or name an address of your own domain."
    paste = [txt(record, "v=DMARC1")]
    return [_one("reports", Verdict.WARN, what, f"TXT {record}", todo, paste, rfc(7489, "7.1"))]


def _alignment(sending: Sending, policy: Policy, organisation: str, where: str) -> list[Finding]:
    """Whether SPF or DKIM passes for the domain that readers see."""
    mine = sending.from_domain
    ways = [("SPF", "aspf", sending.return_domain, policy.strict_spf, "bounces.address")]
    if sending.dkim_domain is not None:
        ways.append(("DKIM", "adkim", sending.dkim_domain, policy.strict_dkim, "dkim.domain"))
    elif sending.selectors:
        ways.append(("DKIM", "adkim", mine, policy.strict_dkim, "the relay's signature"))
    good: list[str] = []
    bad: list[tuple[str, str]] = []
    for name, tag, theirs, strict, setting in ways:
        how = "strict" if strict else "relaxed"
        match aligned(theirs, mine, organisation, strict=strict):
            case "yes":
                good.append(f"{name} ({theirs}, {how})")
            case "perhaps":
                why = f"{theirs} and {mine} lie side by side, and no DMARC record lies above both ({setting})"
                bad.append((name, why))
            case "no":
                mend = f"; or take {tag}=s out" if strict and is_below(theirs, mine) else ""
                bad.append((name, f"{theirs} is not taken for {mine} ({setting}, {how}{mend})"))
    source = rfc(7489, "3.1")
    if not good:
        what = (
            "Neither SPF nor DKIM speaks for the From domain: " + "; ".join(why for _name, why in bad) + "."
        )
        if len(ways) == 1:
            what = f"SPF does not speak for the From domain: {bad[0][1]}. Whether the relay signs for it is not known."
            todo = f"Ask your provider to sign with d={mine} and name the selector with --selector, or let mailer sign."
            return [_one("alignment", Verdict.UNKNOWN, what, where, todo, source=source)]
        todo = f"Use a return path below {mine}, and sign with d={mine}."
        return [_one("alignment", Verdict.FAULT, what, where, todo, source=source)]
    found = [
        _one(
            "alignment",
            Verdict.OK,
            f"The From domain {mine} is that of {' and '.join(good)}.",
            where,
            source=source,
        )
    ]
    for name, why in bad:
        what = f"{name} does not speak for it: {why}."
        todo = f"Use a domain below {mine}: Outlook prefers both to pass."
        found.append(_one("alignment.both", Verdict.WARN, what, where, todo, source=source))
    return found


def _one(
    check: str,
    verdict: Verdict,
    what: str,
    where: str,
    todo: str = "",
    paste: Sequence[str] = (),
    source: Source | None = None,
) -> Finding:
    return Finding(
        Area.DMARC, f"dmarc.{check}", verdict, what, where, todo, tuple(paste), source or rfc(7489, "6.3")
    )
