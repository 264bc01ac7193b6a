"""From a claimed delivery to its message: scene, links, template, letter."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parseaddr
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from mailer.core.handoff import SendJob
from mailer.core.message import Letter, Message, Rendered
from mailer.core.scene import Sender, scene
from mailer.core.token import Keyring, sign

UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"


class TemplatePort(Protocol):
    """A published template, compiled."""

    def render(
        self, context: dict[str, Any], locale: str, tenant_locale: str, zone: ZoneInfo
    ) -> Rendered: ...


class VersionsPort(Protocol):
    """Where published templates are kept."""

    async def parts(self, version_id: int) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes, and how links are made."""

    sender: Sender
    zone: ZoneInfo
    public_url: str
    keys: Keyring


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
        self._compiled: dict[int, tuple[TemplatePort, str]] = {}

    async def prepare(self, jobs: Sequence[SendJob]) -> None:
        """Fetch and compile the templates these deliveries need."""
        for version_id in {job.version_id for job in jobs} - set(self._compiled):
            version = await self._versions.parts(version_id)
            description = str(version["definition"].get("description", ""))
            self.install(version_id, version["parts"], description)

    def install(self, version_id: int, parts: Mapping[str, Any], description: str) -> None:
        """Compile a published template under a number."""
        self._compiled[version_id] = (self._compile(parts), description)

    def render(self, job: SendJob) -> Rendered:
        """The template filled in for one delivery.

        Raises:
            RenderError: the template or the data is at fault.
        """
        template, description = self._compiled[job.version_id]
        identity = self._identity
        return template.render(
            scene(job, description, identity.sender, self._links(job)),
            job.customer.locale,
            identity.sender.locale,
            ZoneInfo(job.zone) if job.zone else identity.zone,
        )

    def compose(self, job: SendJob, now: datetime, *, mark: bool = False) -> Message:
        """The message of a delivery, the same on every attempt but for its date; `mark` says it is a test.

        Raises:
            RenderError: it cannot be made; the delivery fails for that reason, the others go on.
        """
        identity = self._identity
        rendered = self.render(job)
        if mark:
            rendered = replace(rendered, subject=f"[TEST] {rendered.subject}")
        from_name, from_address = parseaddr(identity.sender.from_)
        domain = from_address.rpartition("@")[2]
        commercial = job.purpose == "commercial"
        name = " ".join(part for part in (job.customer.first_name, job.customer.last_name) if part)
        return self._assemble(
            rendered,
            Letter(
                from_name=from_name,
                from_address=from_address,
                to_name=name,
                to_address=job.email,
                message_id=self.message_id(job),
                date=now,
                list_id=f"{job.campaign}.{domain}" if commercial else None,
                unsubscribe_url=self._links(job).get("unsubscribe"),
                in_reply_to=job.context.get("in_reply_to"),
                references=tuple(each for each in [job.context.get("in_reply_to")] if each),
                auto_submitted=True,
                smtputf8=True,  # whether this relay has it is asked when it is there
            ),
        )

    def _links(self, job: SendJob) -> dict[str, str]:
        if job.purpose != "commercial":
            return {}
        claims = [job.delivery_id, job.customer_key, job.email]
        base, keys = self._identity.public_url, self._identity.keys
        return {
            "unsubscribe": f"{base}/u/{sign(keys, UNSUBSCRIBE, claims)}",
            "preferences": f"{base}/p/{sign(keys, PREFERENCES, claims)}",
        }

    def message_id(self, job: SendJob) -> str:
        """Known before the first attempt and the same ever after, without asking the database."""
        if job.message_id:
            return job.message_id
        domain = parseaddr(self._identity.sender.from_)[1].rpartition("@")[2]
        key = self._identity.keys.keys[self._identity.keys.current].encode()
        said = f"message-id\0{job.delivery_id}\0{job.campaign}\0{job.occurrence}".encode()
        digest = hmac.new(key, said, hashlib.sha256).hexdigest()[:20]
        return f"<{job.delivery_id}.{digest}@{domain}>"
