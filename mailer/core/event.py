"""What can happen to a delivery, each a word that is never changed afterwards. The list is closed."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """The kinds of facts kept of a delivery (`delivery_event.kind`). Who says so stands beside each.

    That it was sent is no such fact: the delivery itself keeps when, by which attempt and what the relay said, and
    for most deliveries nothing more ever happens.
    """

    DEFERRED = "deferred"  # the relay: not yet
    FAILED = "failed"  # the relay, or we could not make the message
    IN_DOUBT = "in_doubt"  # nobody: the relay's answer was lost
    SKIPPED = "skipped"  # policy, at hand-off
    CANCELLED = "cancelled"  # a person, or an incident that ended
    EXPIRED = "expired"  # the clock
    SETTLED = "settled"  # a person, of one in doubt
    RETRIED = "retried"  # a person, of one that failed
    REDEEMED = "redeemed"  # the shop, of the mail's coupon
    OPENED = "opened"  # the tracking picture; its detail says by whom
    CLICKED = "clicked"  # a tracked link; its detail says by whom
    DELAYED = "delayed"  # the receiving side: not delivered yet (RFC 3464)
    BOUNCED = "bounced"  # the receiving side (RFC 3464)
    COMPLAINED = "complained"  # the mailbox provider (RFC 5965)
    UNSUBSCRIBED = "unsubscribed"  # the customer (RFC 8058)


class By(StrEnum):
    """Who opened or clicked, as `{"by": …}` in the detail of such an event."""

    HUMAN = "human"
    MACHINE = "machine"  # a scanner, a prefetch, a mail provider's proxy
    UNKNOWN = "unknown"  # a program that says too little of itself
