"""The requests of providers, each in its own words, to what they say about mails of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from mailer.core.bounce import Returned
from mailer.core.ways_back import Webhooks
from mailer.inbound import mailgun, postmark, sendgrid, ses
from mailer.inbound.fetch import https

PROVIDERS = ("ses", "sendgrid", "mailgun", "postmark")


class Hooks:
    """The providers of the settings."""

    def __init__(self, config: Webhooks, clock: Callable[[], datetime], fetch: ses.Fetch = https) -> None:
        self._config = config
        self._clock = clock
        self._ses = ses.Hook(config.ses, fetch) if config.ses else None
        self._mailgun = mailgun.Hook(config.mailgun) if config.mailgun else None

    async def read(self, provider: str, headers: Mapping[str, str], body: bytes) -> list[Returned] | None:
        """What a request says, its headers' names in small letters; None: that provider is not set.

        Raises:
            Forged: it is not from the provider, or a recording.
            Malformed: it is from the provider, and cannot be read.
            OSError: what is needed to check it cannot be had now.
        """
        now = self._clock()
        if provider == "ses" and self._ses is not None:
            return await self._ses.read(body, now)
        if provider == "mailgun" and self._mailgun is not None:
            return self._mailgun.read(body, now)
        if provider == "sendgrid" and self._config.sendgrid is not None:
            return sendgrid.read(self._config.sendgrid, headers, body, now)
        if provider == "postmark" and self._config.postmark is not None:
            return postmark.read(self._config.postmark, headers, body)
        return None
