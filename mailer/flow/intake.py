"""What the shop's programs tell us, a request at a time: read as an import reads it, and written in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, Protocol

from mailer.core import customer_row, event_row
from mailer.core.cell import MOST_ID, CellFault, instant_of, line_of
from mailer.core.consent import Action, Standing
from mailer.core.coupon import MOST_CODE
from mailer.core.customer_row import CustomerReader
from mailer.core.event_row import EventReader
from mailer.core.importing import Columns, ImportReport, Row, RowFault
from mailer.core.merge import Fate, Noted
from mailer.core.redemption import Redemption, net_of
from mailer.core.shop_word import ShopWord, read_word
from mailer.flow.imports import Adding, Merging, add_events
from mailer.flow.lots import settle, tally
from mailer.flow.mark import MARK_SECONDS

MOST_KEY = 200  # characters of an Idempotency-Key
SOURCE = "api"  # of consent that names none

_ANOTHER_EVENT = "This key came with another event before; nothing was written."

_LOOK_SECONDS = 0.05  # between two looks for mails that are about to leave
_REDEMPTION = frozenset({"order", "net", "customer", "at"})


class WrittenPort(Protocol):
    """What became of a word."""

    @property
    def new(self) -> bool: ...
    @property
    def standing(self) -> Standing: ...
    @property
    def email(self) -> str: ...
    @property
    def barred(self) -> bool: ...


class WordPort(Protocol):
    """Where consent is written."""

    async def write(
        self, ext_id: str, word: ShopWord, key: str | None, now: datetime
    ) -> WrittenPort | None: ...


class StartingPort(Protocol):
    """Who knows what is about to leave."""

    async def starting(self, email: str) -> bool: ...


class Intake:
    """Customers, events and consent from programs."""

    def __init__(
        self,
        *,
        customers: Merging,
        events: Adding,
        words: WordPort,
        leaving: StartingPort,
        customer_reader: CustomerReader,
        zone: tzinfo,
        clock: Callable[[], datetime],
    ) -> None:
        self._customers = customers
        self._events = events
        self._words = words
        self._leaving = leaving
        self._read_customer = customer_reader.read
        self._read_event = EventReader(zone).read
        self._zone = zone
        self._clock = clock

    async def customer(
        self, ext_id: str, values: Mapping[str, Any]
    ) -> tuple[Fate, list[RowFault]] | RowFault:
        """Take one customer in; what became of them and what there is to say about it, or why not."""
        given = values.get("id")
        if given is not None and given != ext_id:
            return RowFault(1, "id", "This is another id than the one in the address.")
        report = await self.customers([{**values, "id": ext_id}])
        return report.rejected[0] if report.rejected else (_fate(report), report.warnings)

    async def customers(self, items: Sequence[Any]) -> ImportReport:
        """Take customers in; in the report a line is the place in the list, from 1."""
        report = ImportReport()
        columns = Columns(customer_row.FIELDS)
        lot = []
        for number, item in enumerate(items, 1):
            row = _row(number, item, columns)
            if isinstance(row, Row) and "consent" in row.values:
                row = replace(row, values={"consent_source": SOURCE, **row.values})
            read = self._read_customer(row) if isinstance(row, Row) else row
            if isinstance(read, RowFault):
                report.rejected.append(read)
            else:
                lot.append(read)
        for read, one in zip(
            lot, await self._customers.merge(lot, self._clock()) if lot else (), strict=True
        ):
            tally(report, one.fate)
            report.warn((*read.warnings, *one.warnings))
            report.placeholders += read.placeholders
        return report

    async def event(self, values: Mapping[str, Any], key: str | None) -> tuple[str, Fate | Noted] | RowFault:
        """Take one event in; its id and what became of it, or why not. `key` makes the id of one that has none."""
        report, fates = await self._take([values], key)
        if report.rejected:
            return report.rejected[0]
        ident, fate = fates[0]
        return ident, fate

    async def events(self, items: Sequence[Any], key: str | None) -> ImportReport:
        """Take events in; in the report a line is the place in the list, from 1."""
        report, fates = await self._take(items, key)
        settle(report, [fate for _ident, fate in fates])
        report.rejected.sort(key=lambda fault: fault.line)
        return report

    async def _take(
        self, items: Sequence[Any], key: str | None
    ) -> tuple[ImportReport, list[tuple[str, Fate | Noted]]]:
        report = ImportReport()
        columns = Columns(event_row.FIELDS)
        lot = []
        keyed: set[str] = set()  # ids made of the key
        for number, item in enumerate(items, 1):
            row = _row(number, item, columns)
            if isinstance(row, Row) and "id" not in row.values and key is not None:
                ident = key if len(items) == 1 else f"{key}:{number}"
                keyed.add(ident)
                row = replace(row, values={**row.values, "id": ident})
            read = self._read_event(row) if isinstance(row, Row) else row
            if isinstance(read, RowFault):
                report.rejected.append(read)
            else:
                lot.append(read)
        taken: list[tuple[str, Fate | Noted]] = []
        fates = await add_events(self._events, lot, self._clock()) if lot else ()
        for event, fate in zip(lot, fates, strict=True):
            if isinstance(fate, RowFault):
                report.rejected.append(fate)
            elif isinstance(fate, Noted) and fate.fate is Fate.UNCHANGED and event.id in keyed:
                report.rejected.append(RowFault(event.line, "Idempotency-Key", _ANOTHER_EVENT))
            else:
                taken.append((event.id, fate))
        return report, taken

    async def consent(
        self, ext_id: str, values: Mapping[str, Any], key: str | None
    ) -> WrittenPort | RowFault | None:
        """Write a word of consent down; None: there is no such customer.

        After a no has returned, not one commercial mail to the address starts; see `Tracking.unsubscribe`.
        """
        now = self._clock()
        word = read_word(Row(1, values), self._zone, now)
        if isinstance(word, RowFault):
            return word
        written = await self._words.write(ext_id, word, key, now)
        if written is not None and word.action is Action.REVOKED and written.email:
            waited = 0.0
            while waited <= MARK_SECONDS and await self._leaving.starting(written.email):
                await asyncio.sleep(_LOOK_SECONDS)
                waited += _LOOK_SECONDS
        return written

    def redemption(self, code: str, values: Mapping[str, Any]) -> Redemption | RowFault:
        """The use of a code, as a program tells of it."""
        where = "code"
        try:
            code = line_of(code, MOST_CODE)
            where = "order"
            order = line_of(values.get("order"), MOST_ID) or None
            where = "net"
            net = net_of(values.get("net"))
            where = "customer"
            customer = line_of(values.get("customer"), MOST_ID)
            where = "at"
            now = self._clock()
            at = instant_of(values.get("at"), self._zone) or now
            where = next((each for each in values if each not in _REDEMPTION), "")
            if where:
                return RowFault(1, where[:100], "There is no such field here.")
        except CellFault as fault:
            return RowFault(1, where, str(fault))
        return Redemption(code, min(at, now), order, net, customer)


def _row(number: int, item: Any, columns: Columns) -> Row | RowFault:
    """One object of a request, its keys understood as the columns of a file are."""
    if not isinstance(item, dict):
        return RowFault(number, "", "This is not a JSON object.")
    values: dict[str, Any] = {}
    for key, value in item.items():
        try:
            name = columns.field(key)
        except CellFault as fault:
            return RowFault(number, key[:100], str(fault))
        if name in values:
            return RowFault(number, name, f"Two keys of the object mean {name}.")
        if value not in (None, ""):
            values[name] = value
    return Row(number, values)


def _fate(report: ImportReport) -> Fate:
    if report.created:
        return Fate.CREATED
    return Fate.UPDATED if report.updated else Fate.UNCHANGED
