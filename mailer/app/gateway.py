"""What programs of the shop may ask for, wired; the web's API speaks to this."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from mailer.app.base import seconds
from mailer.app.desks import Desks
from mailer.core.importing import RowFault
from mailer.core.redemption import Redemption
from mailer.errors import SettingsError, UsageError
from mailer.files import registry
from mailer.files.catalog import Catalog
from mailer.files.zones import load_zones
from mailer.flow.access import Doorkeeper
from mailer.flow.intake import Intake
from mailer.flow.registry import Law, RegistryDesk
from mailer.store.customer_merge import CustomerMerge
from mailer.store.events import Events
from mailer.store.registry import Registers
from mailer.store.shop_words import ShopWords
from mailer.store.suppression_pages import SuppressionPages
from mailer.store.tokens import Tokens
from mailer.store.unsubscribes import Unsubscribes


@dataclass(frozen=True, slots=True)
class Code:
    """A code, and why it would not count."""

    facts: dict[str, Any]
    problem: str | None
    shared: bool


class Refused(Exception):
    """A redemption that does not count, with the sentence that says why."""


class RegistryFolder:
    """The way to the registry by files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, records: Iterable[Mapping[str, str]], now: datetime) -> str:
        """Write them into a file of their own; its path."""
        return str(registry.write(self._folder, records, now))


class Gateway(Desks):
    """Tokens, and what they open; and the registry of consent."""

    _lapsed: date | None = None  # the day for which consent was looked at

    async def reload(self, found: Catalog | None = None, *, quiet: bool = False) -> None:
        """Read the campaigns again, and once a day let consent go that the registry did not confirm in time."""
        await super().reload(found, quiet=quiet)
        today = self.clock().date()
        if self.settings.consent.registry is None or quiet or self._lapsed == today:
            return
        gone = await self.registry_desk.lapse(self.clock())
        self._lapsed = today
        if gone:
            self.tell(
                f"The registry did not confirm the consent of {gone} customer{'s' * (gone > 1)} in time; they get no "
                "commercial mail until it does. See mailer consent status."
            )

    @cached_property
    def registry_desk(self) -> RegistryDesk:
        """What people do with the registry of consent.

        Raises:
            SettingsError: there is none.
        """
        said = self.settings.consent.registry
        if said is None:
            raise SettingsError(
                f"{self.settings.file}: consent.registry: there is none; set consent.regime to tr, and the folder"
            )
        law = Law(said.since, said.source, frozenset(said.holidays))
        return RegistryDesk(Registers(self.db), RegistryFolder(Path(said.folder)), law)

    @cached_property
    def doorkeeper(self) -> Doorkeeper:
        """Makes tokens and looks at them."""
        return Doorkeeper(
            Tokens(self.db),
            self.settings.api.rate,
            seconds,
            lambda: (secrets.token_hex(6), secrets.token_urlsafe(32)),
        )

    @cached_property
    def intake(self) -> Intake:
        """Takes in what programs tell."""
        zones = load_zones()
        return Intake(
            customers=CustomerMerge(self.db, zones),
            events=Events(self.db, self.rules.zone),
            words=ShopWords(self.db),
            leaving=Unsubscribes(self.db),
            customer_reader=self.customer_reader,
            zone=self.rules.zone,
            clock=self.clock,
        )

    @cached_property
    def suppression_pages(self) -> SuppressionPages:
        """The suppression list by the page."""
        return SuppressionPages(self.db)

    async def code(self, said: Redemption) -> Code | None:
        """A code as it stands, and whether this use of it would count; None: there is none such."""
        looked = await self.redemptions.look(said)
        facts = await self.coupons.get(looked.id) if looked is not None else None
        return None if looked is None or facts is None else Code(facts, looked.problem, looked.shared)

    async def redeem(self, said: Redemption) -> bool | RowFault:
        """Write a use down; whether it was known, or what has to be said with it.

        Raises:
            Refused: it does not count.
            LookupError: there is no such code.
        """
        code = await self.code(said)
        if code is None:
            raise LookupError
        if code.shared and said.order is None:
            return RowFault(1, "order", "The code is everybody's; name the order, so that it counts once.")
        if said.customer and await self.customers.key(said.customer) is None:
            return RowFault(1, "customer", f"No customer has the id {said.customer!r}.")
        try:
            return (await self.redemptions.tell(said, self.clock())).again
        except UsageError as problem:
            raise Refused(str(problem)) from None
