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
from mailer.core.story_words import Voice

Row = Mapping[str, Any]

#: States that only a last event or the planner tells of; who was sent a mail is told by `sent_at`.
_ENDS = (State.SKIPPED, State.FAILED, State.EXPIRED, State.CANCELLED, State.IN_DOUBT)

#: What comes after the rest where the clock stood still: an attempt is put off before the next one is accepted.
_RANK = {
    "sent": 1, "coupon": 2, EventKind.OPENED: 3, EventKind.CLICKED: 3, EventKind.REDEEMED: 3, EventKind.BOUNCED: 3,
    EventKind.COMPLAINED: 3, EventKind.UNSUBSCRIBED: 3,
}  # fmt: skip

#: Words of ours in an event's detail, for people.
_OURS = frozenset({"held"})


def timeline(dossier: Mapping[str, Any], language: str = "en") -> list[dict[str, Any]]:
    """What happened, as `{"at", "what", "campaign", "delivery", "sentence"}`, in the order it did."""
    return _Story(Voice(language)).lines(dossier)


def _line(
    at: datetime, what: str, sentence: str, *, campaign: str | None = None, delivery: int | None = None
) -> dict[str, Any]:
    return {"at": at, "what": what, "campaign": campaign, "delivery": delivery, "sentence": sentence}


#: What of an event's detail is put in brackets after it.
_DETAIL: Mapping[str, tuple[str, ...]] = {
    EventKind.DEFERRED: ("reply", "detail"),
    EventKind.IN_DOUBT: ("cause",),
    EventKind.CANCELLED: (),
    EventKind.EXPIRED: (),
    EventKind.RETRIED: (),
    EventKind.DELAYED: ("diagnostic", "status"),
    EventKind.BOUNCED: ("diagnostic", "status"),
    EventKind.COMPLAINED: ("source",),
    EventKind.UNSUBSCRIBED: ("how",),
}


class _Story:
    """Tells it in one language."""

    def __init__(self, say: Voice) -> None:
        self._say = say

    def lines(self, dossier: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All of it, in its order."""
        mails = {row["id"]: row for row in dossier["deliveries"]}
        lines = [
            _line(dossier["stored_at"], "stored", self._say("stored")),
            *self._words(dossier["consent_entries"]),
            *self._mails(mails.values(), dossier["delivery_events"], no_address=dossier.get("email") == ""),
            *self._events(mails, dossier["delivery_events"]),
            *self._answers(dossier["events"]),
            *self._coupons(mails, dossier["coupons"]),
            *self._incidents(dossier["incidents"]),
            *self._bars(dossier["suppressions"]),
        ]
        return sorted(lines, key=lambda line: (line["at"], _RANK.get(line["what"], 0)))

    def _words(self, entries: Iterable[Row]) -> Iterator[dict[str, Any]]:
        say = self._say
        for row in entries:
            told = {Via.IMPORT: "word_import", Via.PERSON: "word_person"}.get(row["via"], "word")
            version = say("version", version=row["text_version"]) if row["text_version"] else ""
            sentence = say(told, did=self._did(row), source=row["source"], version=version)
            yield _line(row["at"], f"consent {row['action']}", sentence)

    def _did(self, entry: Row) -> str:
        say, purpose, action = self._say, entry["purpose"], entry["action"]
        if entry["source"] == LAPSED:
            return say("lapsed")
        if purpose == SCOPE:
            if action != Action.GRANTED:
                return say("not_counted")
            return say("counted_clicks" if (entry["proof"] or {}).get("counted") == "clicks" else "counted")
        agreed = "granted" if action == Action.GRANTED else "revoked"
        if _is_topic(purpose):
            return say(f"topic_{agreed}", topic=purpose.removeprefix(TOPIC))
        return say(agreed, purpose=say.word("purpose", purpose))

    def _name(self, mail: Row) -> str:
        say = self._say
        kind = say("kind", kind=say.word("kind", mail["kind"])) if mail["kind"] else ""
        return say("name", campaign=mail["campaign"], occurrence=mail["occurrence"], kind=kind)

    def _mails(
        self, mails: Iterable[Row], events: Iterable[Row], *, no_address: bool
    ) -> Iterator[dict[str, Any]]:
        """What the rows of the ledger say themselves."""
        say = self._say
        told = {(row["delivery_id"], row["kind"]) for row in events}
        for mail in mails:
            of = {"campaign": mail["campaign"], "delivery": mail["id"]}
            state, reason, name = State(mail["state"]), mail["reason"], self._name(mail)
            if mail["sent_at"] is not None:
                again = say("again", attempt=mail["attempts"]) if mail["attempts"] > 1 else ""
                reply = f": {mail['reply']}" if state is State.SENT and mail["reply"] else ""
                sentence = say("accepted", name=name, again=again, reply=reply)
                yield _line(mail["sent_at"], "sent", sentence, **of)
            if state in CLAIMABLE or state is State.SENDING:
                sentence = say("stands", name=name, why=why(state, reason, say.language))
                yield _line(mail["not_before"], state, sentence, **of)
            elif state in _ENDS and (mail["id"], state) not in told and reason != "bounced":
                nowhere = no_address and reason == Skip.NOT_ELIGIBLE
                end = self._end(state, reason, say("no_address") if nowhere else mail.get("won"))
                yield _line(mail["updated_at"], state, say("told", name=name, what=end, more=""), **of)

    def _end(self, state: str, reason: str | None, instead: str | None = None) -> str:
        said = instead or why(state, reason, self._say.language)
        if state == State.SKIPPED:
            return self._say("left_out", why=said) if reason else said
        return self._say("failed", why=said) if state == State.FAILED and reason else said

    def _said(self, detail: Row, *names: str) -> str:
        """What the other side said, in brackets."""
        found = next((str(detail[name]) for name in names if detail.get(name)), "")
        return f" ({self._say(found) if found in _OURS else found})" if found else ""

    def _told(self, kind: str, detail: Row, won: str | None = None) -> tuple[str, str]:
        """What an event says of its mail, and what the other side said of it."""
        say = self._say
        match kind:
            case EventKind.FAILED | EventKind.SKIPPED:
                named = won if detail.get("reason") == Skip.CAPPED else None
                return self._end(kind, detail.get("reason"), named), self._said(detail, "reply", "detail")
            case EventKind.SETTLED:
                return say("settled_sent" if detail.get("as") == "sent" else "settled_resend"), ""
            case EventKind.OPENED | EventKind.CLICKED:
                by = detail.get("by", "")
                who = by if by in (By.HUMAN, By.MACHINE) else By.UNKNOWN
                return say(f"{kind}_{who}"), self._said(detail, "url")
            case EventKind.REDEEMED:
                order = detail.get("order")
                what = say("redeemed_for", order=order) if order else say("redeemed")
                return what, self._said(detail, "code")
        if kind in _DETAIL:
            return say(kind), self._said(detail, *_DETAIL[kind])
        return kind.replace("_", " "), ""

    def _events(self, mails: Mapping[int, Row], events: Iterable[Row]) -> Iterator[dict[str, Any]]:
        for row in events:
            mail = mails[row["delivery_id"]]
            what, more = self._told(row["kind"], row["detail"] or {}, mail.get("won"))
            sentence = self._say("told", name=self._name(mail), what=what, more=more)
            yield _line(row["at"], row["kind"], sentence, campaign=mail["campaign"], delivery=mail["id"])

    def _answers(self, events: Iterable[Row]) -> Iterator[dict[str, Any]]:
        for row in events:
            score = (row["properties"] or {}).get("score")
            if row["name"] == ANSWERED and score is not None:
                yield _line(row["at"], "answered", self._say("answered", score=score))

    def _coupons(self, mails: Mapping[int, Row], coupons: Iterable[Row]) -> Iterator[dict[str, Any]]:
        say = self._say
        for row in coupons:
            if row["issued_at"] is None or row["code"] is None:
                continue
            until = say("until", day=say.day(row["valid_until"])) if row["valid_until"] else ""
            mail = mails.get(row["delivery_id"])
            yield _line(
                row["issued_at"], "coupon", say("coupon", code=row["code"], until=until),
                campaign=mail["campaign"] if mail else row["campaign"], delivery=row["delivery_id"],
            )  # fmt: skip

    def _incidents(self, incidents: Iterable[Row]) -> Iterator[dict[str, Any]]:
        say = self._say
        for row in incidents:
            standing = row["state"]
            now = say(f"now_{standing}") if standing in ("unreachable", "left", "duplicate") else ""
            sentence = say("affected", incident=row["incident"], title=row["title"], now=now)
            yield _line(row["joined_at"], "incident", sentence)

    def _bars(self, suppressions: Iterable[Row]) -> Iterator[dict[str, Any]]:
        say = self._say
        for row in suppressions:
            scope = row["scope"]
            if scope in ("all", SCOPE):
                what = say(f"bar_{scope}")
            elif _is_topic(scope):
                what = say("bar_topic", topic=scope.removeprefix(TOPIC))
            else:
                what = say("bar", scope=say.word("purpose", scope))
            reason, source = row["reason"], row["source"]
            shown = say.word("reason", reason)
            because = source if source.startswith(reason) else f"{shown} ({source})"
            yield _line(row["at"], "suppressed", say("barred", what=what, because=because))


def _is_topic(scope: str) -> bool:
    return scope.startswith(TOPIC)
