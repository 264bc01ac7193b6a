"""What Gmail, Yahoo and Outlook ask of those who write to many, held against what was found.

Each rule is answered by checks of ours, kept by mailer itself, or left to people, who alone can know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailer.core.doctor.finding import Area, Finding, Source, Verdict, worst
from mailer.core.doctor.sending import Sending

GMAIL = Source("Google, Email sender guidelines", "https://support.google.com/a/answer/81126")
SUBSCRIPTIONS = Source(
    "Google, Email subscription guidelines", "https://support.google.com/mail/answer/15263077"
)
YAHOO = Source("Yahoo, Sender best practices", "https://senders.yahooinc.com/best-practices/")
OUTLOOK = Source(
    "Microsoft, Outlook's requirements for high-volume senders",
    "https://techcommunity.microsoft.com/blog/microsoftdefenderforoffice365blog/"
    "strengthening-email-ecosystem-outlook%E2%80%99s-new-requirements-for-high%E2%80%90volume-senders/4399730",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a provider's list."""

    area: Area
    name: str
    asks: str
    source: Source
    checks: Sequence[str] = ()  # beginnings of the names of checks that answer it
    ours: str = ""  # how mailer keeps it by itself
    yours: str = ""  # what only people can see to
    commercial: bool = False  # it is about commercial mail


_AUTHENTICATED = ("spf.", "dkim.")
_ONE_CLICK = ("unsubscribe.",)
_FORMAT = "each message is read again after it is made, and refused where it is not as RFC 5322 has it"
_AT_ONCE = "no commercial mail starts once the request was answered"

RULES = (
    Rule(Area.GMAIL, "spf", "SPF and DKIM for the sending domain", GMAIL, _AUTHENTICATED),
    Rule(Area.GMAIL, "dmarc", "a DMARC record, at least p=none", GMAIL, ("dmarc.record",)),
    Rule(Area.GMAIL, "alignment", "the From domain is that of SPF or DKIM", GMAIL, ("dmarc.alignment",)),
    Rule(Area.GMAIL, "reverse", "names of the sending addresses that lead back to them", GMAIL, ("reverse.",)),
    Rule(Area.GMAIL, "tls", "TLS on the way", GMAIL, ("relay.tls",)),
    Rule(
        Area.GMAIL, "spam", "less than 0.1 % of mails reported as spam, never 0.3 %", GMAIL,
        yours="Add your domain to postmaster.google.com and look there each week.",
    ),
    Rule(Area.GMAIL, "format", "well-formed messages", GMAIL, ours=_FORMAT),
    Rule(Area.GMAIL, "own", "no From address at gmail.com", GMAIL, ("sender.domain",)),
    Rule(
        Area.GMAIL, "one_click",
        "one-click unsubscribing, and a link that can be seen", GMAIL, _ONE_CLICK, commercial=True,
    ),
    Rule(Area.GMAIL, "within", "unsubscribed within 48 hours", SUBSCRIPTIONS, ours=_AT_ONCE, commercial=True),
    Rule(
        Area.GMAIL, "apart",
        "other From addresses for commercial mail than for receipts", SUBSCRIPTIONS, ("sender.apart",),
    ),
    Rule(
        Area.GMAIL, "opt_in", "addresses confirmed by whoever they belong to", SUBSCRIPTIONS, commercial=True,
        yours="Import consent as yes only from people who confirmed it, or ask them (docs/consent.md).",
    ),
    Rule(Area.YAHOO, "spf", "SPF and DKIM for the sending domain", YAHOO, _AUTHENTICATED),
    Rule(
        Area.YAHOO, "dmarc",
        "a DMARC record, at least p=none, that mails pass", YAHOO, ("dmarc.record", "dmarc.alignment"),
    ),
    Rule(Area.YAHOO, "reverse", "names of the sending addresses that lead back to them", YAHOO, ("reverse.",)),
    Rule(Area.YAHOO, "format", "messages as RFC 5321 and RFC 5322 have them", YAHOO, ours=_FORMAT),
    Rule(
        Area.YAHOO, "one_click",
        "one-click unsubscribing, and a link that can be seen", YAHOO, _ONE_CLICK, commercial=True,
    ),
    Rule(Area.YAHOO, "within", "unsubscribed within two days", YAHOO, ours=_AT_ONCE, commercial=True),
    Rule(
        Area.YAHOO, "spam", "less than 0.3 % of mails reported as spam", YAHOO,
        yours="Look at the reports of Yahoo's Sender Hub (senders.yahooinc.com).",
    ),
    Rule(Area.YAHOO, "complaints", "complaints taken in and followed", YAHOO, ("returns.complaints",)),
    Rule(Area.YAHOO, "apart", "commercial mail kept apart from service mail", YAHOO, ("sender.apart",)),
    Rule(Area.OUTLOOK, "spf", "SPF passes for the sending domain", OUTLOOK, ("spf.",)),
    Rule(Area.OUTLOOK, "dkim", "DKIM passes", OUTLOOK, ("dkim.",)),
    Rule(
        Area.OUTLOOK, "dmarc",
        "DMARC, at least p=none, with SPF or DKIM for the From domain", OUTLOOK, ("dmarc.record", "dmarc.alignment"),
    ),
    Rule(
        Area.OUTLOOK, "sender",
        "a From address that takes replies", OUTLOOK, ("sender.replies", "sender.domain"),
    ),
    Rule(
        Area.OUTLOOK, "unsubscribe",
        "a way to unsubscribe that works", OUTLOOK, ("unsubscribe.",), commercial=True,
    ),
    Rule(Area.OUTLOOK, "hygiene", "no more mail to addresses that bounce", OUTLOOK, ("returns.",)),
    Rule(
        Area.OUTLOOK, "honest", "subjects and senders that do not mislead, and people who asked for the mail", OUTLOOK,
        yours="Read each campaign as its reader would: mailer preview CAMPAIGN --customer ID.",
    ),
)  # fmt: skip

#: What a policy of `none` or a missing report address says is no fault against these rules.
_ADVICE = frozenset({"dmarc.policy", "dmarc.reports", "dmarc.subdomains"})


def checklist(found: Sequence[Finding], sending: Sending) -> list[Finding]:
    """A line for each rule that concerns these mails."""
    return [_line(rule, found) for rule in RULES if sending.commercial or not rule.commercial]


def _line(rule: Rule, found: Sequence[Finding]) -> Finding:
    name = f"{rule.area.name.lower()}.{rule.name}"
    asks = rule.asks[0].upper() + rule.asks[1:]
    if rule.ours:
        return Finding(rule.area, name, Verdict.OK, f"{asks}: {rule.ours}.", source=rule.source)
    if rule.yours:
        return Finding(
            rule.area, name, Verdict.UNKNOWN, f"{asks}: yours to see to.", todo=rule.yours, source=rule.source
        )
    mine = [each for each in found if each.check.startswith(tuple(rule.checks)) and each.check not in _ADVICE]
    verdict = worst(each.verdict for each in mine)
    open_ = (
        sorted({each.check for each in mine if each.verdict is verdict}) if verdict is not Verdict.OK else []
    )
    what = f"{asks}."
    todo = f"See {', '.join(open_)} above." if open_ else ""
    if not mine:
        todo = "It could not be looked at; see what is said above."
    return Finding(rule.area, name, verdict, what, todo=todo, source=rule.source)
