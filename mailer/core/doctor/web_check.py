"""Whether one click unsubscribes (RFC 8058): the public address, as mail programs will reach it."""

from __future__ import annotations

from html import escape
from ipaddress import ip_address

from mailer.core.doctor.dns import Book, Question, Status
from mailer.core.doctor.finding import Area, Finding, Verdict, rfc
from mailer.core.doctor.relay_check import is_here
from mailer.core.doctor.seen import WebSeen
from mailer.core.doctor.sending import Sending

_OK, _NOT_THERE, _MOVED, _BROKEN = 200, 404, range(300, 400), range(500, 600)
_ONE_CLICK = rfc(8058, "3.1")
_WHERE = "public_url"


def address(sending: Sending, book: Book) -> list[Finding]:
    """What the address itself says.

    Raises:
        Wanted: answers are missing.
    """
    url, host = sending.public_url, sending.public_host
    grave = Verdict.WARN if sending.catches_mail else Verdict.FAULT
    todo = "Set public_url to the https address that customers reach the web under (docs/deploying.md)."
    found: list[Finding] = []
    if not _public(host):
        what = f"Links in mails begin with {url}, which nobody else can reach: no customer can unsubscribe."
        return [_one("address", grave, what, todo)]
    if not url.startswith("https://"):
        what = f"Links in mails begin with {url}; one-click unsubscribing has to be https."
        found.append(_one("https", grave, what, todo))
    else:
        what = f"Commercial mails carry List-Unsubscribe with an https address at {host}, and the one-click header."
        found.append(_one("https", Verdict.OK, what))
    return found + _named(host, book, grave)


def _named(host: str, book: Book, grave: Verdict) -> list[Finding]:
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        what = "Links in mails begin with an address in numbers, which looks like a trap to receivers."
        return [_one("address", Verdict.WARN, what, "Give public_url a name of your domain.")]
    answers = book.all([Question.of(host, "A"), Question.of(host, "AAAA")])
    found = [value for each in answers for value in each.values]
    if not found and any(not each.known for each in answers):
        return [
            _one("address", Verdict.UNKNOWN, f"Where {host} is could not be asked for: {answers[0].status}.")
        ]
    if not found:
        gone = "does not exist" if answers[0].status is Status.NO_NAME else "has no address"
        todo = "Publish this, with the address of your web server."
        return [
            _one(
                "address", grave, f"The name in public_url, {host}, {gone}.", todo, (f"{host}. IN A ADDRESS",)
            )
        ]
    if not any(_public(each) for each in found):
        what = f"{host} is {found[0]}, which nobody outside your network can reach."
        return [_one("address", grave, what, "Publish the address of a web server that everybody reaches.")]
    return []


def answer(sending: Sending, seen: WebSeen) -> list[Finding]:
    """What came back from `/health` below the address."""
    host = sending.public_host
    if not _public(host) and sending.catches_mail:
        return []
    grave = Verdict.WARN if is_here(host) else Verdict.FAULT
    if seen.trouble:
        what = f"{sending.public_url} does not answer: {seen.trouble}."
        todo = (
            "Start mailer up or mailer web there, or correct public_url; only then can anybody unsubscribe."
        )
        return [_one("answers", grave, what, todo)]
    if seen.status in _MOVED:
        what = f"{sending.public_url} redirects; mail programs do not follow when they unsubscribe with one click."
        return [_one("answers", grave, what, "Set public_url to the address it redirects to.")]
    if seen.status == _OK and seen.body.strip() == "ok":
        return [_one("answers", Verdict.OK, f"{sending.public_url} answers.")]
    if seen.status in _BROKEN:
        what = f"{sending.public_url} answers {seen.status}: mailer does not run behind it, or its database is away."
        return [_one("answers", grave, what, "Start mailer up or mailer web there.")]
    what = f"{sending.public_url}/health is answered with {seen.status} by something that is not mailer."
    todo = "Have the web server pass on the paths of docs/deploying.md, /u/ before all."
    return [_one("answers", grave, what, todo)]


def posted(sending: Sending, seen: WebSeen) -> list[Finding]:
    """What came back from the request of a mail program, with a link that nobody has (RFC 8058 §3.2)."""
    if seen.status == _NOT_THERE and escape(sending.tenant) in seen.body:
        return [
            _one(
                "one_click",
                Verdict.OK,
                "The request by which mail programs unsubscribe gets through to mailer.",
            )
        ]
    said = seen.trouble or f"it is answered with {seen.status} by something else"
    what = f"The request by which mail programs unsubscribe (POST to /u/) does not get through to mailer: {said}."
    grave = Verdict.WARN if is_here(sending.public_host) else Verdict.FAULT
    todo = (
        "Have the web server pass on POST to /u/ without a login and without a redirect (docs/deploying.md)."
    )
    return [_one("one_click", grave, what, todo)]


def signed(sending: Sending, book: Book) -> list[Finding]:  # noqa: ARG001 - needs no answer, and is asked like the others
    """Whether the header can be believed: the signature has to cover it."""
    if sending.dkim_domain is not None:
        what = "Our signature covers List-Unsubscribe and List-Unsubscribe-Post."
        return [
            Finding(Area.UNSUBSCRIBE, "unsubscribe.signed", Verdict.OK, what, "dkim", source=rfc(8058, "4"))
        ]
    what = "Whether the relay's signature covers List-Unsubscribe and List-Unsubscribe-Post cannot be seen from here."
    todo = "Ask your provider, or let mailer sign (docs/dkim.md)."
    return [
        Finding(
            Area.UNSUBSCRIBE, "unsubscribe.signed", Verdict.UNKNOWN, what, "dkim", todo, source=rfc(8058, "4")
        )
    ]


def _public(host: str) -> bool:
    """Whether somebody else may reach it."""
    if not host or is_here(host):
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host


def _one(check: str, verdict: Verdict, what: str, todo: str = "", paste: tuple[str, ...] = ()) -> Finding:
    return Finding(Area.UNSUBSCRIBE, f"unsubscribe.{check}", verdict, what, _WHERE, todo, paste, _ONE_CLICK)
