"""Did it help? Who was written to against those left out for comparison. Pure.

The interval is Newcombe's hybrid score interval, which builds the difference of two shares from their Wilson
intervals and stays honest where the shares are small (R. G. Newcombe, "Interval estimation for the difference between
independent proportions", Statistics in Medicine 17, 1998, method 10; E. B. Wilson, JASA 22, 1927).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

#: Quantile of the normal distribution for an interval of 95 %.
Z95 = 1.959963984540054

#: People each side must have, and people of both who did it, before anything is said.
LEAST_PEOPLE = 100
LEAST_REACHED = 10


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of the comparison."""

    people: int = 0
    reached: int = 0  # did what the campaign is for, in time

    @property
    def rate(self) -> float:
        """Their share; 0 of nobody."""
        return self.reached / self.people if self.people else 0.0


@dataclass(frozen=True, slots=True)
class Uplift:
    """What the mail changed, in shares (0.02: two points)."""

    mailed: Arm
    held_out: Arm
    difference: float | None = None  # None: not enough data
    low: float | None = None
    high: float | None = None
    missing: str = ""  # what is not enough

    def as_json(self) -> dict[str, Any]:
        """As a report's line has it, in percentage points."""
        return {
            "mailed": {"people": self.mailed.people, "reached": self.mailed.reached},
            "held_out": {"people": self.held_out.people, "reached": self.held_out.reached},
            "points": _points(self.difference),
            "low": _points(self.low),
            "high": _points(self.high),
            "says": self.sentence,
        }

    @property
    def certain(self) -> bool:
        """Whether the difference can be told from chance."""
        return (self.low is not None and self.low > 0) or (self.high is not None and self.high < 0)

    @property
    def sentence(self) -> str:
        """The headline."""
        if self.difference is None or self.low is None or self.high is None:
            return f"not enough data: {self.missing}"
        said = f"{100 * self.difference:+.1f} points (95 % interval {100 * self.low:+.1f} to {100 * self.high:+.1f})"
        return said if self.certain else f"{said}: no difference can be told from chance"


def compare(mailed: Arm, held_out: Arm) -> Uplift:
    """The difference between both sides with its 95 % interval, or what is missing to tell."""
    for arm, whose in ((held_out, "were left out for comparison"), (mailed, "were to be written to")):
        if arm.people < LEAST_PEOPLE:
            missing = f"{arm.people} people {whose}, {LEAST_PEOPLE} are needed"
            return Uplift(mailed, held_out, missing=missing)
    reached = mailed.reached + held_out.reached
    if reached < LEAST_REACHED:
        return Uplift(
            mailed, held_out, missing=f"{reached} people reached the goal, {LEAST_REACHED} are needed"
        )
    low, high = newcombe(mailed, held_out)
    return Uplift(mailed, held_out, mailed.rate - held_out.rate, low, high)


def wilson(arm: Arm, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Raises:
        ValueError: of nobody there is no share.
    """
    n = arm.people
    if not n:
        raise ValueError("of nobody there is no share")
    middle = (arm.reached + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * sqrt(arm.reached * (n - arm.reached) / n + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(one: Arm, other: Arm, z: float = Z95) -> tuple[float, float]:
    """The interval of the difference of two shares, `one` less `other`."""
    (low1, high1), (low2, high2) = wilson(one, z), wilson(other, z)
    difference = one.rate - other.rate
    below = sqrt((one.rate - low1) ** 2 + (high2 - other.rate) ** 2)
    above = sqrt((high1 - one.rate) ** 2 + (other.rate - low2) ** 2)
    return difference - below, difference + above


def _points(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)
