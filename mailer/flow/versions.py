"""A campaign's definition and template as a run is released with them: published, vetted, kept under a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from mailer.core.campaign import Campaign
from mailer.errors import WARNING, FileFault, TemplateFault


class VersionBook(Protocol):
    """Where versions are kept."""

    async def find_version(self, name: str, digest: str) -> int | None: ...
    async def version(
        self, name: str, digest: str, definition: Mapping[str, Any], parts: Mapping[str, Any], now: datetime
    ) -> int: ...


Publish = Callable[[str], Mapping[str, Any]]
Vet = Callable[[Campaign, Mapping[str, Any]], Awaitable[Sequence[FileFault]]]


class Versions:
    """Publishes on demand. A version that is known was vetted when it was written down."""

    def __init__(self, *, book: VersionBook, publish: Publish, vet: Vet) -> None:
        self._book = book
        self._publish = publish
        self._vet = vet

    async def of(self, campaign: Campaign, now: datetime) -> int:
        """The number of the campaign's version as its files stand now.

        Raises:
            TemplateFault: its template cannot be published, or failed in the vetting.
        """
        parts = self._publish(campaign.template_folder)
        definition = campaign.model_dump(mode="json", by_alias=True, exclude_none=True)
        text = json.dumps([definition, parts], sort_keys=True, ensure_ascii=False, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()
        known = await self._book.find_version(campaign.name, digest)
        if known is not None:
            return known
        faults = [each for each in await self._vet(campaign, parts) if each.key != WARNING]
        if faults:
            first, *others = faults
            raise TemplateFault(first.message, first.file, first.line, first.key, tuple(others))
        return await self._book.version(campaign.name, digest, definition, parts, now)


class KeptVersions(Versions):
    """The same while files stand still: each campaign is published once, a faulty one too."""

    def __init__(self, *, book: VersionBook, publish: Publish, vet: Vet) -> None:
        super().__init__(book=book, publish=publish, vet=vet)
        self._kept: dict[str, int | TemplateFault] = {}

    async def of(self, campaign: Campaign, now: datetime) -> int:
        """The number of the campaign's version; see `Versions.of`."""
        if campaign.name not in self._kept:
            try:
                self._kept[campaign.name] = await super().of(campaign, now)
            except TemplateFault as fault:
                self._kept[campaign.name] = fault
        kept = self._kept[campaign.name]
        if isinstance(kept, TemplateFault):
            raise TemplateFault(kept.message, kept.file, kept.line, kept.key, kept.others)
        return kept
