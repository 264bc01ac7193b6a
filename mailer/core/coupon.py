"""Coupons: what a campaign promises, and the codes that keep the promise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mailer.core.calendar import LATEST, instant
from mailer.core.duration import Duration, DurationField
from mailer.errors import UsageError

#: Letters and digits nobody takes for one another on paper or over the phone (no I, L, O, 0, 1).
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"

#: 31^10 ≈ 8·10^14: guessing one of a million live codes takes about a billion tries.
CODE_LENGTH = 10

E4 = 10_000  # money is kept in ten-thousandths of the currency's unit


class CouponState(StrEnum):
    """Where a code stands."""

    AVAILABLE = "available"  # in its pool
    RESERVED = "reserved"  # written with its delivery
    ISSUED = "issued"  # the relay accepted the mail that carries it
    RELEASED = "released"  # the delivery ended without leaving; kept for the same once-key
    QUARANTINED = "quarantined"  # the delivery is in doubt: somebody may hold the code
    REDEEMED = "redeemed"


#: States that use up a campaign's budget: the code is with a customer, may be, or is about to be.
COUNTED = (CouponState.RESERVED, CouponState.ISSUED, CouponState.QUARANTINED, CouponState.REDEEMED)

MOST_CODE = 100  # characters of a code
MOST_NAME = 100  # characters of a pool's name


class _Coupon(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    amount: Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=4)] | None = None
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    valid: DurationField | None = None
    budget: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_worth(self) -> _Coupon:
        if self.percent is not None and self.amount is not None:
            raise ValueError("a coupon is worth a percent or an amount, not both; leave one out")
        return self

    @property
    def amount_e4(self) -> int | None:
        """The amount in ten-thousandths of the currency's unit."""
        return None if self.amount is None else int(self.amount * E4)

    @property
    def scarce(self) -> bool:
        """Whether there may be too few for all."""
        return self.budget is not None


class GeneratedCoupon(_Coupon):
    """A code of our own making for each delivery."""

    kind: Literal["generated"]
    prefix: Annotated[str, Field(pattern="^[A-Z0-9]{1,12}$")]


class PoolCoupon(_Coupon):
    """A code taken from an uploaded pool."""

    kind: Literal["pool"]
    pool: Annotated[str, Field(min_length=1, max_length=MOST_NAME)]

    @property
    def scarce(self) -> bool:
        """Always: a pool holds what was loaded."""
        return True


class StaticCoupon(_Coupon):
    """One code for everybody."""

    kind: Literal["static"]
    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class ReminderCoupon(BaseModel):
    """The coupon a customer has of another campaign, shown once more; nothing new is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["reminder"]
    of: Annotated[str, Field(min_length=1, max_length=63)]

    @property
    def scarce(self) -> bool:
        """Never: each customer is shown their own."""
        return False


CouponSpec = Annotated[
    GeneratedCoupon | PoolCoupon | StaticCoupon | ReminderCoupon, Field(discriminator="kind")
]


#: How many codes there are with one prefix.
CODES = len(ALPHABET) ** CODE_LENGTH


def make_code(prefix: str, choose: Callable[[int], int]) -> str:
    """`PREFIX-` and ten letters. `choose(n)` gives an unguessable number below n, each as likely."""
    number, letters = choose(CODES), ""
    for _ in range(CODE_LENGTH):
        number, letter = divmod(number, len(ALPHABET))
        letters += ALPHABET[letter]
    return f"{prefix}-{letters}"


def last_day(issued: date, valid: Duration | None) -> date | None:
    """The last local day a coupon issued on `issued` is good for; none: for ever."""
    if valid is None:
        return None
    return issued + timedelta(days=valid.days or -(-valid.seconds // 86_400))


def over_at(last: date | None, zone: ZoneInfo) -> datetime | None:
    """When a coupon whose last local day is `last` is over: no mail should bring it from then on. None: never."""
    if last is None or last >= LATEST.date():
        return None
    return instant(datetime.combine(last + timedelta(days=1), time()), zone)


def useful_until(expires_at: datetime | None, last: date | None, zone: ZoneInfo) -> datetime | None:
    """When a mail is of no use any more: when it expires, or the coupon it brings is over. None: never."""
    return min((each for each in (expires_at, over_at(last, zone)) if each is not None), default=None)


def pool_name(text: str) -> str:
    """A name for a pool.

    Raises:
        UsageError: one that is empty, longer than 100 characters, or holds a control character.
    """
    if not 0 < len(text) <= MOST_NAME or not text.isprintable() or text != text.strip():
        raise UsageError(f"{text!r:.80} cannot name a pool; use letters, digits, '_', '.' and '-'.")
    return text


def sample_code(prefix: str) -> str:
    """What previews and tests show; no shop takes it."""
    return f"TEST-{prefix}" if prefix else "TEST-COUPON"
