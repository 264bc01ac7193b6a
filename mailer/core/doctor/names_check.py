"""Names that have to lead somewhere: of the sending addresses, of the return path, of the sender."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from mailer.core.doctor.dns import Answer, Book, Question, Status
from mailer.core.doctor.finding import AGAIN, Area, Finding, Source, Verdict, rfc
from mailer.core.doctor.sending import Ip, Sending

_MOST = 10  # names that one record may lead to: nobody follows more
#: Domains of mailboxes: whoever writes from them by another relay fails their DMARC policy.
_FREE = frozenset(
    {
        "gmail.com",
        "googlemail.com",
        "yahoo.com",
        "ymail.com",
        "aol.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "icloud.com",
    }
)


def reverse(sending: Sending, book: Book) -> list[Finding]:
    """Whether each address that sends has a name, and the name the address (RFC 1912 §2.1).

    Raises:
        Wanted: answers are missing.
    """
    if not sending.ips:
        what = "The relay sends, so its provider sets the reverse DNS; the addresses are not known here."
        todo = (
            "Ask your provider which addresses your mails leave from and whether each has a PTR record whose name "
            "leads back to it; then check them with --ip."
        )
        return [_reverse("ptr", Verdict.UNKNOWN, what, "", todo)]
    pointers = book.all([Question.of(ip.reverse_pointer, "PTR") for ip in sending.ips])
    names = [name for each in pointers for name in each.values[:_MOST]]
    book.all([Question.of(name, kind) for name in names for kind in ("A", "AAAA")])  # wanted together
    return [_reversed(sending, book, ip, each) for ip, each in zip(sending.ips, pointers, strict=True)]


def _reversed(sending: Sending, book: Book, ip: Ip, answer: Answer) -> Finding:
    where, kind = f"PTR {ip.reverse_pointer}", "A" if ip.version == 4 else "AAAA"  # noqa: PLR2004 - IPv4
    if not answer.known:
        return _reverse(
            "ptr",
            Verdict.UNKNOWN,
            f"The name of {ip} could not be asked for: {answer.status}.",
            where,
            AGAIN,
        )
    hint = f"mail.{sending.from_domain}"
    if not answer.values:
        what = f"{ip} has no name (PTR); Gmail and Yahoo refuse mail from such addresses."
        todo = f"Have whoever gave you the address set its PTR record, for instance to {hint}, and publish that name."
        paste = (f"{ip.reverse_pointer}. IN PTR {hint}.", f"{hint}. IN {kind} {ip}")
        return _reverse("ptr", Verdict.FAULT, what, where, todo, paste)
    for name in answer.values[:_MOST]:
        values = book.ask(name, kind).values
        if any(ip_address(each) == ip for each in values):
            what = f"{ip} is {name}, and {name} is {ip}."
            return _reverse("ptr", Verdict.OK, what, where)
    name = answer.values[0]
    if not book.ask(name, kind).known:
        what = f"{ip} is {name}; whether that name leads back could not be asked for."
        return _reverse("ptr", Verdict.UNKNOWN, what, where, AGAIN)
    what = f"{ip} is {name}, but {name} is not {ip}, so receivers do not believe the name."
    return _reverse("ptr", Verdict.FAULT, what, f"{kind} {name}", "Publish it.", (f"{name}. IN {kind} {ip}",))


def returns(sending: Sending, book: Book) -> list[Finding]:
    """Whether mail that cannot be delivered comes back, and somebody reads it.

    Raises:
        Wanted: answers are missing.
    """
    found = way_back(sending, book)
    if not sending.own_returns:
        what = f"Bounces go to the sender, {sending.from_address}, where mailer does not see them."
        todo = "Set bounces.address and a way back (docs/bounces.md), so that dead addresses are no longer written to."
        found.append(Finding(Area.RETURNS, "returns.read", Verdict.WARN, what, "bounces.address", todo))
    elif not sending.takes_returns:
        what = "Bounces have an address of their own, but nothing takes them in."
        todo = "Set bounces.listen, bounces.maildir, bounces.imap or the webhook of your provider (docs/bounces.md)."
        found.append(Finding(Area.RETURNS, "returns.read", Verdict.FAULT, what, "bounces", todo))
    else:
        found.append(Finding(Area.RETURNS, "returns.read", Verdict.OK, "Bounces are taken in.", "bounces"))
    if not sending.takes_complaints:
        what = "No complaints are taken in, so who marks your mails as spam goes on getting them."
        todo = "Set bounces.complaints and register that address with the feedback loops (docs/deliverability.md)."
        found.append(
            Finding(Area.RETURNS, "returns.complaints", Verdict.WARN, what, "bounces.complaints", todo)
        )
    return found


def way_back(sending: Sending, book: Book) -> list[Finding]:
    """Whether the return path's domain takes mail.

    Raises:
        Wanted: answers are missing.
    """
    return _mail_for(book, sending.return_domain, Area.RETURNS, "returns.mx", "Bounces")


def sender(sending: Sending, book: Book) -> list[Finding]:
    """The address that readers see.

    Raises:
        Wanted: answers are missing.
    """
    found = [*domain(sending, book), _apart(sending)]
    if sending.commercial and not sending.postal_address:
        what = "No postal address stands at the foot of commercial mails; many countries ask for one."
        found.append(
            Finding(Area.SENDER, "sender.address", Verdict.WARN, what, "tenant.postal_address", "Set it.")
        )
    return found


def domain(sending: Sending, book: Book) -> list[Finding]:
    """Whether the From domain is the sender's own, and takes replies.

    Raises:
        Wanted: answers are missing.
    """
    name, setting = sending.from_domain, sending.from_setting
    if name in _FREE:
        what = f"{name} is a domain of mailboxes; receivers refuse mail in its name from anywhere else."
        todo = f"Set {setting} to an address of a domain of your own."
        return [Finding(Area.SENDER, "sender.domain", Verdict.FAULT, what, setting, todo)]
    what = f"Mails come from a domain of yours: {name}."
    return [
        *_mail_for(book, name, Area.SENDER, "sender.replies", "Replies"),
        Finding(Area.SENDER, "sender.domain", Verdict.OK, what, setting),
    ]


def _apart(sending: Sending) -> Finding:
    """Whether complaints about offers leave notices alone."""
    where, other = "tenant.service_from", sending.apart
    if not (sending.commercial and sending.service):
        what = f"Mails of one purpose only come from {sending.from_address}."
        return Finding(Area.SENDER, "sender.apart", Verdict.OK, what, sending.from_setting)
    if other is not None and other.from_domain != sending.from_domain:
        what = f"Commercial mail comes from {sending.from_domain}, service mail from {other.from_domain}."
        return Finding(Area.SENDER, "sender.apart", Verdict.OK, what, where)
    what = (
        f"Commercial and service mail both come from {sending.from_domain}; complaints about one slow both."
    )
    todo = f"Set {where} to an address of a domain of its own, such as service.{sending.from_domain}."
    return Finding(Area.SENDER, "sender.apart", Verdict.WARN, what, where, todo)


def _mail_for(book: Book, domain: str, area: Area, check: str, what_comes: str) -> list[Finding]:
    where, null = f"MX {domain}", rfc(7505)

    def one(
        verdict: Verdict, what: str, todo: str = "", paste: Sequence[str] = (), source: Source | None = None
    ) -> list[Finding]:
        return [Finding(area, check, verdict, what, where, todo, tuple(paste), source or rfc(5321, "5.1"))]

    answer = book.ask(domain, "MX")
    record = [f"{domain}. IN MX 10 mail.{domain}."]
    if not answer.known:
        return one(
            Verdict.UNKNOWN, f"Where mail for {domain} goes could not be asked for: {answer.status}.", AGAIN
        )
    hosts = [each.partition(" ")[2] for each in answer.values]
    if hosts == [""]:
        what = f"{domain} says that it takes no mail (its MX is a dot). {what_comes} cannot come in."
        return one(Verdict.FAULT, what, "Publish a record that leads to your mail server.", record, null)
    lead = hosts[:_MOST] or [domain]
    answers = book.all([Question.of(host, kind) for host in lead for kind in ("A", "AAAA")])
    if not any(each.values for each in answers):
        if any(not each.known for each in answers):
            return one(
                Verdict.UNKNOWN, f"The servers that take mail for {domain} could not be asked for.", AGAIN
            )
        if answer.status is Status.NO_NAME:
            return one(
                Verdict.FAULT,
                f"The domain {domain} does not exist. {what_comes} cannot come in.",
                "Publish it.",
                record,
            )
        gone = (
            f"its MX {' and '.join(hosts)} has no address"
            if hosts
            else "it has neither an MX record nor an address"
        )
        todo = "Publish a record that leads to your mail server."
        return one(
            Verdict.FAULT, f"{domain} takes no mail: {gone}. {what_comes} cannot come in.", todo, record
        )
    if not hosts:
        what = f"{domain} has no MX record; mail for it goes to its own address, which may not expect any."
        return one(Verdict.WARN, what, "Publish a record that leads to your mail server.", record)
    return one(Verdict.OK, f"{what_comes} to {domain} go to {', '.join(hosts)}.")


def _reverse(
    check: str, verdict: Verdict, what: str, where: str, todo: str = "", paste: Sequence[str] = ()
) -> Finding:
    return Finding(
        Area.REVERSE, f"reverse.{check}", verdict, what, where, todo, tuple(paste), rfc(1912, "2.1")
    )
