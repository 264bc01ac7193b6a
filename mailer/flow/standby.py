"""What an outage will need is made ready before there is one: the templates of its notices, published and tried.

The first notice need not wait for that then, and a template that cannot carry one is told of while nobody waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mailer.errors import MailerError, StoreError

#: Looks that pass before a template with a fault is tried again: that takes a second of a processor.
PATIENCE = 10


class VersionsPort(Protocol):
    """The campaigns an incident starts."""

    def incident_campaigns(self) -> Sequence[str]:
        """Names of the enabled ones."""

    async def version_for(self, campaign: str) -> int:
        """The version as its files stand now, tried when nobody knows it; raises the campaign's fault."""


class Standby:
    """Keeps the notices' templates ready. `tell` hears of each fault once."""

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
        for name in self._versions.incident_campaigns():
            if self._rests.get(name, 0):
                self._rests[name] -= 1
                continue
            try:
                await self._versions.version_for(name)
            except StoreError:
                raise
            except MailerError as fault:
                self._rests[name] = PATIENCE
                if self._faults.get(name) != str(fault):
                    self._faults[name] = str(fault)
                    self._tell(f"The campaign {name} can tell of no incident until this is mended: {fault}")
            else:
                self._faults.pop(name, None)
