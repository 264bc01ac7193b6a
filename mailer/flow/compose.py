"""From a claimed delivery to its message: scene, links, template, letter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from mailer.core.handoff import SendJob
from mailer.core.links import Counting, LinkMaker, Track, agrees, with_picture
from mailer.core.message import Draft, Letter, Message, Rendered
from mailer.core.scene import Sender, scene
from mailer.core.token import Keyring, sign, sign_for
from mailer.core.verp import ReturnPath, Tokens
from mailer.errors import RenderError

UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"
SURVEY = "survey"
CONFIRM = "confirm"

CONFIRM_DAYS = 30  # a confirmation that nobody pressed for so long is asked for anew
_ASKED = (SURVEY, CONFIRM)  # links that are made for templates alone that show them


class TemplatePort(Protocol):
    """A published template, compiled."""

    def render(
        self,
        context: dict[str, Any],
        locale: str,
        tenant_locale: str,
        zone: ZoneInfo,
        *,
        track: Track | None = None,
        even: bool = False,
    ) -> Rendered: ...

    def ready(self, tenant_locale: str) -> None: ...


class VersionsPort(Protocol):
    """Where published templates are kept."""

    async def parts(self, version_id: int) -> dict[str, Any]: ...
    async def foreseen(self) -> Sequence[int]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes, and how links are made."""

    sender: Sender
    zone: ZoneInfo
    public_url: str
    keys: Keyring
    returns: ReturnPath | None = None  # where bounces come back to; None: to the sender
    tag: str | None = None  # the header in which a provider wants what it is to bring back
    links: LinkMaker | None = None  # what counts clicks and openings; None: nothing does
    service: Sender | None = None  # who writes service mail; None: the same


class _From:
    """A sender's name, address and domain, taken apart once."""

    __slots__ = ("address", "domain", "name", "printable", "sender")

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.name, self.address = parseaddr(sender.from_)
        self.domain = self.address.rpartition("@")[2]
        said = (
            sender.name,
            sender.from_,
            sender.postal_address,
            sender.currency,
            sender.country,
            sender.locale,
        )
        self.printable = "".join(said).isprintable()


class Composer:
    """Makes messages; compiled templates are kept for the life of the process."""

    def __init__(
        self,
        *,
        identity: Identity,
        versions: VersionsPort,
        compile_template: Callable[[Mapping[str, Any]], TemplatePort],
        assemble: Callable[[Rendered, Letter], Message],
    ) -> None:
        self._identity = identity
        self._versions = versions
        self._compile = compile_template
        self._assemble = assemble
        self._compiled: dict[int, tuple[TemplatePort | str, str]] = {}  # or why it cannot be used
        self._shown: dict[int, tuple[str, ...]] = {}  # which links beyond the usual ones they show
        self._from = {
            "commercial": _From(identity.sender),
            "service": _From(identity.service or identity.sender),
        }
        self._tokens = Tokens(identity.keys) if identity.returns or identity.tag else None

    async def prepare(self, jobs: Sequence[SendJob]) -> None:
        """Fetch and compile the templates these deliveries need."""
        for version_id in {job.version_id for job in jobs} - set(self._compiled):
            await self._fetch(version_id)

    async def foresee(self) -> None:
        """Have the templates ready that will be needed next: who has no work has the time.

        Raises:
            StoreError: the database is away.
        """
        for version_id in set(await self._versions.foreseen()) - set(self._compiled):
            await self._fetch(version_id)
            template, _description = self._compiled[version_id]
            if not isinstance(template, str):
                with contextlib.suppress(RenderError):  # the mails that need it tell of it
                    template.ready(self._identity.sender.locale)

    async def _fetch(self, version_id: int) -> None:
        version = await self._versions.parts(version_id)
        self.install(version_id, version["parts"], str(version["definition"].get("description", "")))

    def install(self, version_id: int, parts: Mapping[str, Any], description: str) -> None:
        """Compile a published template under a number.

        One that this version can make nothing of fails its own deliveries, and no other's.
        """
        template: TemplatePort | str
        try:
            template = self._compile(parts)
            self._shown[version_id] = _shown(parts)
        except Exception as error:  # noqa: BLE001 - whatever was stored, the other templates are used
            template = f"the published template cannot be used: {type(error).__name__}: {error}"
        self._compiled[version_id] = (template, description)

    def render(self, job: SendJob) -> Rendered:
        """The template filled in for one delivery.

        Raises:
            RenderError: the template or the data is at fault.
        """
        return self._render(job, self._links(job))

    def compose(self, job: SendJob, now: datetime, *, mark: bool = False) -> Message:
        """The message of a delivery, the same on every attempt but for its date; `mark` says it is a test.

        Raises:
            RenderError: it cannot be made; the delivery fails for that reason, the others go on.
        """
        return self.put_together(self.draft(job, now, mark=mark))

    def put_together(self, draft: Draft) -> Message:
        """The second half of `compose`: no template has a say in it.

        Raises:
            RenderError: as there.
        """
        return self._assemble(*draft)

    def draft(self, job: SendJob, now: datetime, *, mark: bool = False) -> Draft:
        """The first half of `compose`: what the template says, and how it is addressed.

        Raises:
            RenderError: as there.
        """
        customer = job.customer
        sender = self._from[job.purpose]
        links = self._links(job)
        rendered = self._render(job, links)
        if mark:
            rendered = replace(rendered, subject=f"[TEST] {rendered.subject}")
        answered = job.context.get("in_reply_to")
        back, own = self._return_path(job) if self._tokens is not None else (None, ())
        return (
            rendered,
            Letter(
                from_name=sender.name,
                from_address=sender.address,
                to_name=f"{customer.first_name} {customer.last_name}".strip(" "),
                to_address=job.email,
                message_id=self.message_id(job),
                date=now,
                list_id=f"{job.campaign}.{sender.domain}" if job.purpose == "commercial" else None,
                unsubscribe_url=links.get("unsubscribe"),
                in_reply_to=answered,
                references=(answered,) if answered else (),
                auto_submitted=True,
                smtputf8=True,  # whether this relay has it is asked when it is there
                own=own,
                envelope_from=back,
            ),
        )

    def _return_path(self, job: SendJob) -> tuple[str | None, tuple[tuple[str, str], ...]]:
        """By what this attempt is known again when it comes back. Of a mail nobody planned nothing is booked."""
        if self._tokens is None or not job.delivery_id:
            return None, ()
        token = self._tokens.of(job.delivery_id, job.attempts + 1)
        returns, tag = self._identity.returns, self._identity.tag
        back = returns.around(token) if returns is not None else None
        return back, ((tag, token),) if tag is not None else ()

    def _render(self, job: SendJob, links: Mapping[str, str]) -> Rendered:
        template, description = self._compiled[job.version_id]
        if isinstance(template, str):
            raise RenderError(template)
        identity = self._identity
        written_by = self._from[job.purpose]
        sender = written_by.sender
        track = picture = None
        if identity.links is not None and job.purpose == "commercial":
            agreed = Counting.NO if job.uncounted else agrees(job.customer.attributes)
            track = identity.links.track(job.delivery_id, job.campaign, agreed)
            picture = identity.links.picture(job.delivery_id, agreed)
        rendered = template.render(
            scene(job, description, sender, links),
            job.customer.locale,
            sender.locale,
            ZoneInfo(job.zone) if job.zone else identity.zone,
            track=track,
            even=job.printable and written_by.printable and description.isprintable(),
        )
        if picture is not None and rendered.html is not None:
            return replace(rendered, html=with_picture(rendered.html, picture))
        return rendered

    def _links(self, job: SendJob) -> dict[str, str]:
        base, keys, links = self._identity.public_url, self._identity.keys, dict[str, str]()
        claims = [job.delivery_id, job.customer_key, job.email]
        if job.purpose == "commercial":
            unsubscribe, preferences = sign_for(keys, (UNSUBSCRIBE, PREFERENCES), claims)
            links |= {"unsubscribe": f"{base}/u/{unsubscribe}", "preferences": f"{base}/p/{preferences}"}
        for name in self._shown.get(job.version_id, ()):
            if name == SURVEY:
                links[SURVEY] = f"{base}/s/{sign(keys, SURVEY, claims)}"
            else:
                last = job.due_at + timedelta(days=CONFIRM_DAYS)
                links[CONFIRM] = f"{base}/k/{sign(keys, CONFIRM, [*claims, int(last.timestamp())])}"
        return links

    def message_id(self, job: SendJob) -> str:
        """Known before the first attempt and the same ever after, without asking the database."""
        if job.message_id:
            return job.message_id
        said = f"{job.delivery_id}\0{job.campaign}\0{job.occurrence}".encode()
        digest = self._identity.keys.mac("message-id", said).hex()[:20]
        return f"<{job.delivery_id}.{digest}@{self._from[job.purpose].domain}>"


def _shown(parts: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of the links that are made on demand a published template speaks of."""
    said = "".join(part["source"] for each in parts["parts"].values() for part in each.values())
    return tuple(name for name in _ASKED if f"links.{name}" in said)
