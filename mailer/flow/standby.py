"""What campaigns will need is made ready before they are due: their templates, published and tried, an outage's first.

The first mail need not wait for that then, and a template that cannot go out is told of while nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mailer.errors import MailerError, StoreError

#: Looks that pass before a template with a fault is tried again: that takes a second of a processor.
PATIENCE = 10


class VersionsPort(Protocol):
    """The campaigns there are."""

    def incident_campaigns(self) -> Sequence[str]:
        """Names of the enabled ones that an incident starts."""

    def other_campaigns(self) -> Sequence[str]:
        """Names of the other enabled ones."""

    async def version_for(self, campaign: str) -> int:
        """The version as its files stand now, tried when nobody knows it; raises the campaign's fault."""


class Standby:
    """Keeps templates ready. `tell` hears of each fault once."""

    def __init__(self, versions: VersionsPort, tell: Callable[[str], None]) -> None:
        self._versions = versions
        self._tell = tell
        self._faults: dict[str, str] = {}
        self._rests: dict[str, int] = {}

    async def look(self) -> None:
        """See to those whose files changed.

        Raises:
            StoreError: the database is away.
        """
        incident, other = self._versions.incident_campaigns, self._versions.other_campaigns
        for these, what in ((incident, "can tell of no incident"), (other, "cannot go out")):
            for name in these():
                if name in these():  # its file may have gone while another was tried
                    await self._try(name, what)

    async def _try(self, name: str, what: str) -> None:
        if self._rests.get(name, 0):
            self._rests[name] -= 1
            return
        try:
            await self._versions.version_for(name)
        except StoreError:
            raise
        except MailerError as fault:
            self._rests[name] = PATIENCE
            if self._faults.get(name) != str(fault):
                self._faults[name] = str(fault)
                self._tell(f"The campaign {name} {what} until this is mended: {fault}")
        else:
            self._faults.pop(name, None)
