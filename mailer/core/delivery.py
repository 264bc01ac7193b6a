"""One customer in one run: its states, why it was not sent, and what the relay said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a delivery stands. Who moves it there is said beside each."""

    QUEUED = "queued"  # the planner; waits for its run's release and for not_before
    SENDING = "sending"  # a sender, durably, before the first byte of DATA can leave
    SENT = "sent"  # the relay answered 2yz to the final dot: accepted, no more
    DEFERRED = "deferred"  # 4yz, connection or TLS trouble; claimable again at next_attempt
    FAILED = "failed"  # 5yz, or a message that cannot be made
    IN_DOUBT = "in_doubt"  # the dot left us and no answer came, or a sender died in sending
    SKIPPED = "skipped"  # policy; the reason says which
    CANCELLED = "cancelled"  # a person, or an incident that ended first
    EXPIRED = "expired"  # too late to be useful


#: States a sender may claim a delivery from.
CLAIMABLE = (State.QUEUED, State.DEFERRED)

#: States that hold the once-key; the others give it back (a partial unique index keeps this true).
HOLDING = (State.QUEUED, State.SENDING, State.DEFERRED, State.SENT, State.IN_DOUBT)

#: States that end a commercial delivery. For service mail `in_doubt` is resent, so it does not end one.
TERMINAL = (State.SENT, State.FAILED, State.SKIPPED, State.CANCELLED, State.EXPIRED, State.IN_DOUBT)


class Skip(StrEnum):
    """Why policy left a customer out. The list is closed."""

    NO_CONSENT = "no_consent"
    SUPPRESSED = "suppressed"
    UNSUBSCRIBED = "unsubscribed"
    CAPPED = "capped"
    HOLDOUT = "holdout"
    DUPLICATE = "duplicate"
    MISSED = "missed"
    TOO_SOON = "too_soon"
    NOT_ELIGIBLE = "not_eligible"
    GOAL_MET = "goal_met"
    POOL_EMPTY = "pool_empty"
    BUDGET = "budget"
    UNCONFIRMED_DATE = "unconfirmed_date"
    PAUSED = "paused"


class Hold(StrEnum):
    """Why a delivery that is due waits all the same. No skip: it goes out afterwards, unless it expires first."""

    AFFECTED = "affected"  # an incident affects its customer this moment


class Failure(StrEnum):
    """Why a delivery failed for good."""

    REFUSED = "refused"
    NOT_REPRESENTABLE = "not_representable"
    RENDER = "render"
    HEADER = "header"
    TOO_LARGE = "too_large"
    BOUNCED = "bounced"


class Phase(StrEnum):
    """How far the conversation with the relay got (RFC 5321 §3)."""

    CONNECT = "connect"
    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # DATA sent, 354 not seen: the relay has nothing
    BODY = "body"  # 354 seen, the final dot not written: the relay must discard (RFC 5321 §4.1.1.4)
    DOT = "dot"  # the final dot was written: only a reply tells


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: three digits, the enhanced code if given (RFC 3463), one line of text."""

    code: int
    text: str = ""
    enhanced: str = ""

    def __str__(self) -> str:
        if self.enhanced and self.text:
            return f"{self.code} {self.enhanced} {self.text}"
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


@dataclass(frozen=True, slots=True)
class Accepted:
    """2yz to the final dot."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class TryLater:
    """A definite no that may pass: 4yz, or the link failed before the final dot was written."""

    phase: Phase
    reply: Reply | None = None
    detail: str = ""

    @property
    def kept_out(self) -> str:
        """What it is about the relay, where this came before any message: whoever got as far as TLS has answered."""
        answered = self.reply is not None or self.phase in (Phase.TLS, Phase.AUTH)
        does = "cannot be used now" if answered else "does not answer"
        return f"{does} ({self.detail or self.reply})"


@dataclass(frozen=True, slots=True)
class Refused:
    """A definite no that will not pass: 5yz."""

    phase: Phase
    reply: Reply


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The final dot left us and no answer came (RFC 1047)."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Marked `sending` and not begun after all: the relay has not heard of it, and no attempt is counted."""

    tried: bool = False  # whether an earlier attempt was made


Outcome = Accepted | TryLater | Refused | InDoubt


@dataclass(frozen=True, slots=True)
class Tally:
    """A run's deliveries, counted by state."""

    audience: int = 0
    queued: int = 0
    sending: int = 0
    sent: int = 0
    deferred: int = 0
    failed: int = 0
    in_doubt: int = 0
    skipped: int = 0
    cancelled: int = 0
    expired: int = 0
