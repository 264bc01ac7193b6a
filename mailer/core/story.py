"""One customer's story, told in sentences from what is kept of them, oldest first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from mailer.core.consent import TOPIC, Action, Via
from mailer.core.delivery import CLAIMABLE, Skip, State
from mailer.core.event import By, EventKind
from mailer.core.event_row import ANSWERED
from mailer.core.explain import why
from mailer.core.links import SCOPE
from mailer.core.registry import LAPSED

Row = Mapping[str, Any]

#: States that only a last event or the planner tells of; who was sent a mail is told by `sent_at`.
_ENDS = (State.SKIPPED, State.FAILED, State.EXPIRED, State.CANCELLED, State.IN_DOUBT)

#: What comes after the rest where the clock stood still: an attempt is put off before the next one is accepted.
_RANK = {
    "sent": 1, "coupon": 2, EventKind.OPENED: 3, EventKind.CLICKED: 3, EventKind.REDEEMED: 3, EventKind.BOUNCED: 3,
    EventKind.COMPLAINED: 3, EventKind.UNSUBSCRIBED: 3,
}  # fmt: skip

#: Words of ours in an event's detail, for people.
_OURS = {"held": "we did not begin it: a halt, a pause, or this sender was late"}

_WHO = {By.HUMAN: "a person", By.MACHINE: "a machine, not a person"}


def timeline(dossier: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What happened, as `{"at", "what", "campaign", "delivery", "sentence"}`, in the order it did."""
    mails = {row["id"]: row for row in dossier["deliveries"]}
    lines = [
        *_joined(dossier),
        *_words(dossier["consent_entries"]),
        *_mails(mails.values(), dossier["delivery_events"], no_address=dossier.get("email") == ""),
        *_events(mails, dossier["delivery_events"]),
        *_answers(dossier["events"]),
        *_coupons(mails, dossier["coupons"]),
        *_incidents(dossier["incidents"]),
        *_bars(dossier["suppressions"]),
    ]
    return sorted(lines, key=lambda line: (line["at"], _RANK.get(line["what"], 0)))


def _line(
    at: datetime, what: str, sentence: str, *, campaign: str | None = None, delivery: int | None = None
) -> dict[str, Any]:
    return {"at": at, "what": what, "campaign": campaign, "delivery": delivery, "sentence": sentence}


def _joined(dossier: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield _line(dossier["stored_at"], "stored", "The shop told us of this customer.")


def _words(entries: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in entries:
        agreed = row["action"] == Action.GRANTED
        who = {
            Via.IMPORT: "The shop says that they",
            Via.PERSON: "Somebody of the shop wrote down that they",
        }.get(row["via"], "They")
        said = _word(row, agreed=agreed)
        version = f", text {row['text_version']}" if row["text_version"] else ""
        yield _line(
            row["at"],
            f"consent {row['action']}",
            f"{who} {said} ({row['source']}{version}).",
        )


def _word(entry: Row, *, agreed: bool) -> str:
    purpose = entry["purpose"]
    if entry["source"] == LAPSED:
        return "lost their consent to commercial mail"
    if purpose == SCOPE:
        what = (
            "their clicks"
            if (entry["proof"] or {}).get("counted") == "clicks"
            else "what they open and click"
        )
        return f"agreed that we count {what}" if agreed else "asked us not to count what they open and click"
    said = "agreed to" if agreed else "wanted no more"
    return (
        f"{said} mail on the topic {purpose.removeprefix(TOPIC)}"
        if _is_topic(purpose)
        else f"{said} {purpose} mail"
    )


def _is_topic(scope: str) -> bool:
    return scope.startswith(TOPIC)


def _name(mail: Row) -> str:
    kind = f", {mail['kind']} notice" if mail["kind"] else ""
    return f"{mail['campaign']} of {mail['occurrence']}{kind}"


def _mails(mails: Iterable[Row], events: Iterable[Row], *, no_address: bool) -> Iterator[dict[str, Any]]:
    """What the rows of the ledger say themselves."""
    told = {(row["delivery_id"], row["kind"]) for row in events}
    for mail in mails:
        of = {"campaign": mail["campaign"], "delivery": mail["id"]}
        state, reason = State(mail["state"]), mail["reason"]
        if mail["sent_at"] is not None:
            again = f" at attempt {mail['attempts']}" if mail["attempts"] > 1 else ""
            reply = f": {mail['reply']}" if state is State.SENT and mail["reply"] else ""
            yield _line(
                mail["sent_at"], "sent", f"{_name(mail)} was accepted by the relay{again}{reply}.", **of
            )
        if state in CLAIMABLE or state is State.SENDING:
            yield _line(mail["not_before"], state, f"{_name(mail)} {why(state, reason)}.", **of)
        elif state in _ENDS and (mail["id"], state) not in told and reason != "bounced":
            end = "was not sent: there is no address" if no_address and reason == Skip.NOT_ELIGIBLE else None
            end = end or _end(state, reason, mail.get("won"))
            yield _line(mail["updated_at"], state, f"{_name(mail)} {end}.", **of)


def _end(state: str, reason: str | None, won: str | None = None) -> str:
    said = won or why(state, reason)
    if state == State.SKIPPED:
        return f"was not sent: {said}" if reason else said
    return f"could not be delivered: {said}" if state == State.FAILED and reason else said


def _said(detail: Row, *names: str) -> str:
    """What the other side said, in brackets."""
    found = next((str(detail[name]) for name in names if detail.get(name)), "")
    return f" ({_OURS.get(found, found)})" if found else ""


#: How an event is told after the mail's name, and what of its detail is put in brackets.
_TOLD: Mapping[str, tuple[str, tuple[str, ...]]] = {
    EventKind.DEFERRED: ("could not be taken yet and is tried again", ("reply", "detail")),
    EventKind.IN_DOUBT: ("left us, and the relay's answer was lost", ("cause",)),
    EventKind.CANCELLED: ("was called off before it left", ()),
    EventKind.EXPIRED: ("became too late to be useful", ()),
    EventKind.RETRIED: ("was queued again by hand", ()),
    EventKind.DELAYED: ("has not been delivered yet, says the receiving side", ("diagnostic", "status")),
    EventKind.BOUNCED: ("came back", ("diagnostic", "status")),
    EventKind.COMPLAINED: ("was called unwanted by its reader", ("source",)),
    EventKind.UNSUBSCRIBED: ("made them unsubscribe", ("how",)),
}


def _told(kind: str, detail: Row, won: str | None = None) -> str:
    """What an event says of its mail, whose name comes before."""
    match kind:
        case EventKind.FAILED | EventKind.SKIPPED:
            named = won if detail.get("reason") == Skip.CAPPED else None
            return _end(kind, detail.get("reason"), named) + _said(detail, "reply", "detail")
        case EventKind.SETTLED:
            how = "counts as sent" if detail.get("as") == "sent" else "goes out again"
            return f"was in doubt and {how}"
        case EventKind.OPENED | EventKind.CLICKED:
            who = _WHO.get(detail.get("by", ""), "somebody, person or machine")
            did = "was opened by" if kind == EventKind.OPENED else "had a link followed by"
            return f"{did} {who}{_said(detail, 'url')}"
        case EventKind.REDEEMED:
            order = f" for the order {detail['order']}" if detail.get("order") else ""
            return f"had its code used{order}{_said(detail, 'code')}"
    sentence, names = _TOLD.get(kind, (kind.replace("_", " "), ()))
    return sentence + _said(detail, *names)


def _events(mails: Mapping[int, Row], events: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in events:
        mail = mails[row["delivery_id"]]
        sentence = f"{_name(mail)} {_told(row['kind'], row['detail'] or {}, mail.get('won'))}."
        yield _line(row["at"], row["kind"], sentence, campaign=mail["campaign"], delivery=mail["id"])


def _answers(events: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in events:
        score = (row["properties"] or {}).get("score")
        if row["name"] == ANSWERED and score is not None:
            yield _line(row["at"], "answered", f"They answered the survey with {score}.")


def _coupons(mails: Mapping[int, Row], coupons: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in coupons:
        if row["issued_at"] is None or row["code"] is None:
            continue
        until = f", good until {row['valid_until']}" if row["valid_until"] else ""
        mail = mails.get(row["delivery_id"])
        yield _line(
            row["issued_at"], "coupon", f"They were given the code {row['code']}{until}.",
            campaign=mail["campaign"] if mail else row["campaign"], delivery=row["delivery_id"],
        )  # fmt: skip


def _incidents(incidents: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in incidents:
        now = {
            "unreachable": ", and cannot be reached by mail",
            "left": ", and is no longer",
            "duplicate": ", and is told under another record with this address",
        }.get(row["state"], "")
        sentence = f"Is affected by incident {row['incident']}, {row['title']}{now}"
        yield _line(row["joined_at"], "incident", f"{sentence}.")


def _bars(suppressions: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in suppressions:
        scope = row["scope"]
        what = {
            "all": "No mail at all goes to this address any more",
            SCOPE: "What is opened and clicked at this address is not counted",
        }.get(scope, f"No {scope} mail goes to this address any more")
        if _is_topic(scope):
            what = f"No mail on the topic {scope.removeprefix(TOPIC)} goes to this address any more"
        reason, source = row["reason"], row["source"]
        because = source if source.startswith(reason) else f"{reason} ({source})"
        yield _line(row["at"], "suppressed", f"{what}: {because}.")
