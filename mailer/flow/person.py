"""One customer, for whoever asks: all that happened, all that is kept, a mail as it was, and forgetting them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from mailer.core.capped import Mail, said
from mailer.core.delivery import Skip
from mailer.core.explain import why
from mailer.core.handoff import SendJob
from mailer.core.message import Message, Rendered
from mailer.core.story import timeline
from mailer.errors import UsageError


class DossierPort(Protocol):
    """Where everything is kept."""

    async def read(self, ext_id: str) -> dict[str, Any]: ...


class JobsPort(Protocol):
    """What a render needs."""

    async def load(self, ids: Sequence[int]) -> list[SendJob]: ...


class ComposerPort(Protocol):
    """Makes messages; see `flow.compose.Composer`."""

    async def prepare(self, jobs: Sequence[SendJob]) -> None: ...
    def render(self, job: SendJob) -> Rendered: ...
    def compose(self, job: SendJob, now: datetime) -> Message: ...


#: The mails that won the places of capped deliveries, by these, where they are known.
Winners = Callable[[Sequence[int]], Awaitable[Mapping[int, Sequence[Mail]]]]


@dataclass(frozen=True, slots=True)
class Copy:
    """A mail made once more."""

    delivery: int
    state: str
    subject: str
    text: str
    html: str
    source: str  # RFC 5322
    note: str  # what of it may differ from the mail that went out


class Persons:
    """Questions about one customer."""

    def __init__(
        self, dossiers: DossierPort, jobs: JobsPort, composer: Callable[[], ComposerPort], winners: Winners
    ) -> None:
        self._dossiers = dossiers
        self._winners = winners
        self._jobs = jobs
        self._composer = composer

    async def story(self, customer: str, language: str = "en") -> dict[str, Any]:
        """Every mail with its state in words, and the timeline.

        Raises:
            UsageError: there is no such customer.
        """
        dossier = await self._dossiers.read(customer)
        capped = [row["id"] for row in dossier["deliveries"] if row["reason"] == Skip.CAPPED]
        won = {number: said(mails, language) for number, mails in (await self._winners(capped)).items()}
        for row in dossier["deliveries"]:
            row["won"] = won.get(row["id"])
        mails = [
            {**row, "why": row["won"] or why(row["state"], row["reason"], language)}
            for row in dossier["deliveries"]
        ]
        return {"mails": mails, "timeline": timeline(dossier, language)}

    async def export(self, customer: str) -> dict[str, Any]:
        """All that is kept of a customer.

        Raises:
            UsageError: there is no such customer.
        """
        return await self._dossiers.read(customer)

    async def copy(self, customer: str, delivery: int, now: datetime) -> Copy:
        """A mail of theirs made once more, from the version it was released with. Its links count for nobody.

        Raises:
            UsageError: there is no such customer, or the mail is not theirs, or none was ever made.
            RenderError: it cannot be filled in any more.
        """
        mails = {row["id"]: row for row in (await self._dossiers.read(customer))["deliveries"]}
        if delivery not in mails:
            raise UsageError(f"{customer} has no delivery {delivery}; see mailer customers show {customer}.")
        mail = mails[delivery]
        if not mail["attempts"] and mail["state"] not in ("queued", "deferred"):
            raise UsageError(
                f"Delivery {delivery} was never made a mail: {why(mail['state'], mail['reason'])}."
            )
        [job] = await self._jobs.load([delivery])
        composer = self._composer()
        await composer.prepare([job])
        shown = replace(job, delivery_id=0)  # what is followed in it counts for nobody
        rendered, message = composer.render(shown), composer.compose(shown, mail["sent_at"] or now)
        return Copy(
            delivery, mail["state"], rendered.subject, rendered.text, rendered.html or "",
            message.data.decode("utf-8", "replace"), _differs(mail),
        )  # fmt: skip


def _differs(mail: Mapping[str, Any]) -> str:
    if mail["sent_at"] is None:
        return "This mail has not been accepted yet; so it would be made now."
    return (
        "Made again from the template, posts and code of that run. The customer's data, the shop's settings, our own "
        "program and pictures on the web are those of today; its links count for nobody."
    )
