"""When a run is stopped by what becomes of its mails: refused too often, or not to be made.

Figures of a run are counted in the ledger, less those a person has seen when letting it go on.
"""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 0.05
LEAST = 50  # attempts; with fewer, a share says little

#: How the reason of a run begins that a breaker paused.
MARK = "breaker:"


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of a run's mails. What the header gate held back (`header`) is in none of these."""

    tried: int = 0  # the relay was asked, whatever it said
    refused: int = 0  # of those: 5yz
    unmade: int = 0  # no message could be made: `render`

    def __sub__(self, seen: Figures) -> Figures:
        """What came since; a refused mail that was tried again meanwhile makes nothing negative."""
        return Figures(
            max(self.tried - seen.tried, 0),
            max(self.refused - seen.refused, 0),
            max(self.unmade - seen.unmade, 0),
        )


def refusals_count(purpose: str) -> bool:
    """Whether refusals may pause a run of this purpose."""
    return purpose != "service"


def verdict(figures: Figures, purpose: str) -> str | None:
    """Why a run of this purpose should pause; None: it goes on.

    Refusals never stop service mail: an outage notice that one customer in ten cannot get is still owed to the other
    nine. What cannot be made stops both: at least fifty, so that a few bad rows fail alone.
    """
    if refusals_count(purpose) and figures.tried >= LEAST and figures.refused >= SHARE * figures.tried:
        return f"{MARK} {figures.refused} of {figures.tried} attempts were refused"
    made = figures.tried + figures.unmade
    if figures.unmade >= LEAST and figures.unmade >= SHARE * made:
        return f"{MARK} {figures.unmade} of {made} mails could not be made"
    return None
