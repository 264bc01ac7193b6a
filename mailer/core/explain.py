"""States and reasons in sentences, for people who ask "did it go out, and if not, why not?"."""

from __future__ import annotations

from mailer.core.delivery import Failure, Hold, Skip, State

_STATES = {
    State.QUEUED: "waits for its time and a sender",
    State.SENDING: "is being handed to the relay",
    State.SENT: "accepted by the relay",
    State.DEFERRED: "the relay could not take it yet; it is tried again",
    State.FAILED: "could not be delivered",
    State.IN_DOUBT: "left us, but the relay's answer was lost; settle it by hand",
    State.SKIPPED: "was left out",
    State.CANCELLED: "was called off before it left",
    State.EXPIRED: "became too late to be useful",
}

_REASONS = {
    Skip.NO_CONSENT: "has not agreed to commercial mail",
    Skip.SUPPRESSED: "the address is suppressed: it is dead, complained, or was blocked by hand",
    Skip.UNSUBSCRIBED: "unsubscribed",
    Skip.CAPPED: "another mail had priority that day or week",
    Skip.HOLDOUT: "is in the share left out for comparison",
    Skip.DUPLICATE: "an older record with the same address was written to",
    Skip.MISSED: "was found too late to be caught up",
    Skip.TOO_SOON: "too soon after the last one, or after the date was entered",
    Skip.NOT_ELIGIBLE: "has no address, or is no longer in the audience",
    Skip.GOAL_MET: "has already done what the mail asks for",
    Skip.POOL_EMPTY: "the coupon pool was empty",
    Skip.BUDGET: "the coupon budget was used up",
    Skip.UNCONFIRMED_DATE: "the date looks like a system's placeholder",
    Skip.PAUSED: "the campaign was paused",
    Hold.AFFECTED: "waits until the incident that affects the customer is over",
    Failure.REFUSED: "the relay refused it for good",
    Failure.NOT_REPRESENTABLE: "the relay cannot carry this address",
    Failure.RENDER: "the template could not be filled in",
    Failure.HEADER: "its data would have changed a header",
    Failure.TOO_LARGE: "the message is too large",
    Failure.BOUNCED: "it came back",
}

_WORDS: dict[str, str] = {str(reason): said for reason, said in _REASONS.items()}


def why(state: str, reason: str | None) -> str:
    """A delivery's state, and its reason where it has one, in words."""
    said = _WORDS.get(reason) if reason else None
    return said or _STATES[State(state)]
