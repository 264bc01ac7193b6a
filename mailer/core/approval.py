"""Who may tell many: above so many customers what one person wrote goes out by the word of another. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from mailer.core.incident import Incident

#: What stands in answers about a draft that waits for somebody else.
NEEDED = "needed"


class Verdict(StrEnum):
    """What becomes of a wish to publish a draft."""

    PUBLISH = "publish"
    ANOTHER = "another"  # not by this one, who wrote of it
    SCOPE = "scope"  # not by this one, who may not approve


def needed(reach: int, above: int | None) -> bool:
    """Whether so many customers are more than one person may tell; None: nobody set how many those are."""
    return above is not None and reach > above


def authors(draft: Incident) -> frozenset[str]:
    """Everybody who wrote of it. Whoever changed a word does not approve it: nobody else would have read that word."""
    return frozenset(each.by for each in draft.updates)


def verdict(
    reach: int, above: int | None, wrote: Collection[str], who: str, *, may_write: bool, may_approve: bool
) -> Verdict:
    """Whether somebody may publish what others or they wrote.

    Args:
        reach: customers it covers this moment.
        above: how many one person may tell.
        wrote: who wrote of it.
        who: who would publish it.
        may_write: what they may do: publish what needs nobody else.
        may_approve: the same: let go out what another wrote.
    """
    if not needed(reach, above):
        return Verdict.PUBLISH if may_write or may_approve else Verdict.SCOPE
    if who in wrote:
        return Verdict.ANOTHER
    return Verdict.PUBLISH if may_approve else Verdict.SCOPE


def widens(before: int, after: int, above: int | None) -> bool:
    """Whether an update would tell of an incident more customers than before, and more than one person may."""
    return after > before and needed(after, above)
