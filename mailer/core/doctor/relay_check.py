"""Whether the relays can be used, and how well the way to them is kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address

from mailer.core.doctor.finding import Area, Finding, Source, Verdict, rfc
from mailer.core.doctor.seen import RelaySeen
from mailer.core.loopback import is_loopback

_SOON = timedelta(days=14)
_TLS = rfc(3207)


def check(relay: RelaySeen, now: datetime) -> list[Finding]:
    """One relay, as it was just now."""
    if relay.trouble:
        return [
            _one(
                "use",
                Verdict.FAULT,
                f"The relay {relay.name} cannot be used: {relay.trouble}.",
                relay,
                _mend(relay),
            )
        ]
    found = [_login(relay)]
    if relay.tls == "none":
        found.append(_plain(relay))
        return found
    found.append(
        _one(
            "tls",
            Verdict.OK,
            f"The way to {relay.name} is encrypted with {relay.version}.",
            relay,
            source=_TLS,
        )
    )
    if not relay.verify:
        what = f"Nobody looks at the certificate of {relay.name}: anybody on the way can read mails and password."
        todo = "Set relay.verify to true; for an authority of your own, name its file in relay.ca_file."
        found.append(_one("certificate", Verdict.WARN, what, relay, todo))
    if relay.ends is not None and relay.ends - now < _SOON:
        what = (
            f"The certificate of {relay.name} ends on {relay.ends.date().isoformat()}; then no mail leaves."
        )
        verdict = Verdict.WARN if relay.ends > now else Verdict.FAULT
        found.append(_one("certificate", verdict, what, relay, "Have whoever runs the relay renew it."))
    elif relay.verify:
        found.append(_one("certificate", Verdict.OK, f"The certificate of {relay.name} is valid.", relay))
    return found


def no_relay() -> list[Finding]:
    """What is said while mails are caught."""
    what = "No relay is set: every mail is caught by the built-in mailbox and nobody gets any."
    return [Finding(Area.RELAY, "relay.use", Verdict.WARN, what, "relay.host", "Set relay.host, or relays.")]


def is_here(host: str) -> bool:
    """Whether a host is this machine; names below `localhost` are by custom (RFC 6761 §6.3)."""
    return is_loopback(host) or host.lower().endswith(".localhost")


def _login(relay: RelaySeen) -> Finding:
    if relay.username:
        return _one("use", Verdict.OK, f"The relay {relay.name} let us log in.", relay)
    if is_here(relay.host):
        return _one(
            "use", Verdict.OK, f"The relay {relay.name} answers; it wants no login of this machine.", relay
        )
    what = f"The relay {relay.name} answers, but no login is set; most relays then take mail for nobody."
    todo = "Set relay.username and relay.password, unless it knows this machine by its address."
    return _one("use", Verdict.WARN, what, relay, todo)


def _plain(relay: RelaySeen) -> Finding:
    if is_here(relay.host):
        return _one(
            "tls",
            Verdict.OK,
            f"{relay.name} is this machine, so nothing need be encrypted on the way.",
            relay,
        )
    what = f"Mails and password go to {relay.name} in the clear."
    grave = Verdict.WARN if _is_near(relay.host) else Verdict.FAULT
    if relay.offers_tls:
        return _one("tls", grave, f"{what} It offers STARTTLS.", relay, "Set relay.tls to starttls.", _TLS)
    todo = "Ask your provider for a port with TLS: often 465 with implicit, 587 with starttls."
    return _one("tls", grave, what, relay, todo, _TLS)


def _is_near(host: str) -> bool:
    """Whether it stands in a network of one's own, as far as the name tells."""
    try:
        return ip_address(host.strip("[]")).is_private
    except ValueError:
        return "." not in host


def _mend(relay: RelaySeen) -> str:
    match relay.phase:
        case "tls":
            return "Have its certificate or its TLS put right, or correct relay.tls, relay.port and relay.ca_file."
        case "auth":
            return "Correct relay.username and relay.password."
        case _:
            return "Correct relay.host and relay.port, or see whether a firewall keeps this machine from it."


def _one(
    check_: str, verdict: Verdict, what: str, relay: RelaySeen, todo: str = "", source: Source | None = None
) -> Finding:
    return Finding(Area.RELAY, f"relay.{check_}", verdict, what, relay.name, todo, (), source)
