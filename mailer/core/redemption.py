"""A code comes back: whether it counts, and one sentence where it does not. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from mailer.core.calendar import local_date
from mailer.core.cell import CellFault, money_of
from mailer.core.coupon import CouponState

#: The event by which a shop says that a code was used.
REDEEMED = "coupon.redeemed"

#: States in which a customer has the code, or may have it.
GIVEN = (CouponState.ISSUED, CouponState.QUARANTINED, CouponState.REDEEMED)


@dataclass(frozen=True, slots=True)
class Redemption:
    """What the shop says: this code was used."""

    code: str
    at: datetime
    order: str | None = None
    net_e4: int | None = None  # what the order came to, in ten-thousandths of the currency's unit
    customer: str = ""  # the shop's id of who used it; empty: not said


def net_of(value: Any) -> int | None:
    """What an order by a code came to, as `cell.money_of` reads it.

    Raises:
        CellFault: it is no sum of money, or below zero; what was given back is an event of its own.
    """
    net = money_of(value)
    if net is not None and net < 0:
        raise CellFault("What an order came to is not below 0; tell of a refund by order.refunded.")
    return net


@dataclass(frozen=True, slots=True)
class Held:
    """A code as it stands, and the mail that carries it."""

    code: str
    state: CouponState
    shared: bool = False  # static: everybody's
    pool: str | None = None
    valid_until: date | None = None  # the last local day it is good for
    zone: str | None = None  # its holder's, IANA; none: the tenant's
    attempts: int = 0  # how often its mail was handed to a relay
    redeemed_at: datetime | None = None
    redeemed_order: str | None = None
    redeemed_net_e4: int | None = None

    def redeemed(self, said: Redemption) -> Held:
        """As it stands once this is known too: what was told first stays, what it left open is filled in."""
        return replace(
            self,
            state=CouponState.REDEEMED,
            redeemed_at=self.redeemed_at or said.at,
            redeemed_order=self.redeemed_order or said.order,
            redeemed_net_e4=said.net_e4 if self.redeemed_net_e4 is None else self.redeemed_net_e4,
        )


def told_before(held: Held, said: Redemption) -> bool:
    """Whether this redemption is known: saying it again changes nothing."""
    return (
        held.state is CouponState.REDEEMED
        and not held.shared
        and (said.order is None or held.redeemed_order in (None, said.order))
    )


def refusal(held: Held, said: Redemption, tenant_zone: ZoneInfo) -> str | None:
    """Why the redemption does not count; None: it does. A shared code counts while it is good, for anybody."""
    problem = None if held.shared else _not_out(held)
    if problem is not None:
        return problem
    zone = ZoneInfo(held.zone) if held.zone else tenant_zone
    late = held.valid_until is not None and local_date(said.at, zone) > held.valid_until
    return expired(held.code, held.valid_until) if late else None


def _not_out(held: Held) -> str | None:
    """Why no customer can be using it: a reserved one may be once its mail was handed to a relay."""
    code = held.code
    match held.state:
        case CouponState.REDEEMED:
            of = f" for the order {held.redeemed_order}" if held.redeemed_order else ""
            on = f" on {held.redeemed_at:%Y-%m-%d}" if held.redeemed_at else ""
            return f"The code {code} was redeemed already{on}{of}."
        case CouponState.AVAILABLE:
            return f"The code {code} lies in the pool {held.pool}; no customer was given it."
        case CouponState.RELEASED:
            return f"The code {code} was taken back: its mail never left."
        case CouponState.RESERVED if not held.attempts:
            return f"The code {code} has not gone out yet; its mail still waits."
    return None


def expired(code: str, last: date | None) -> str:
    """What is said of a code whose last day has passed."""
    return f"The code {code} has expired: it was good until {last}."


def unknown(code: str) -> str:
    """What is said of a code nobody knows."""
    return f"There is no code {code!r:.80}; see mailer coupons list." if code else "No code is named."
