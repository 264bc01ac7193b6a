"""A mailbox at some mail server that mail comes back to, read over IMAP. What was read goes into another folder."""

from __future__ import annotations

import asyncio
import imaplib
import ssl
from collections.abc import Awaitable, Callable

from imap_tools import BaseMailBox, MailBox, MailboxLoginError, MailBoxStartTls, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError

from mailer.core.ways_back import Imap
from mailer.errors import MailerError, SettingsError
from mailer.inbound.parts import LOOKED_AT

Take = Callable[[bytes], Awaitable[bool]]
_PATIENCE = 30.0  # seconds the server may take for an answer
_MOST = 500  # mails at one look


class Unreachable(MailerError):
    """The server is away, or does not do as it should: it is asked again."""


class ImapBox:
    """One mailbox. Every conversation with it runs in a thread."""

    def __init__(self, config: Imap, context: ssl.SSLContext | None = None) -> None:
        self._config = config
        self._context = context or ssl.create_default_context()

    async def look(self, take: Take) -> int:
        """Hand over every mail; those that were taken are put away. Returns how many were.

        Raises:
            SettingsError: the server does not know us.
            Unreachable: it is away.
        """
        done = 0
        box: BaseMailBox | None = None
        try:
            box = await asyncio.to_thread(self._open)
            for uid in await asyncio.to_thread(self._uids, box):
                data = await asyncio.to_thread(_fetch, box, uid)
                if data is None or await take(data):
                    await asyncio.to_thread(box.move, [uid], self._config.handled)
                    done += 1
        except MailboxLoginError:
            raise SettingsError(
                f"bounces.imap.password: {self._config.host} does not let {self._config.username} in."
            ) from None
        except (ImapToolsError, imaplib.IMAP4.error, OSError) as error:
            said = str(error) or type(error).__name__
            raise Unreachable(f"the mailbox at {self._config.host} cannot be read: {said[:200]}") from None
        finally:
            if box is not None:
                await asyncio.to_thread(_leave, box)
        return done

    def _open(self) -> BaseMailBox:
        config, box = self._config, self._connect()
        try:
            box.login(config.username, config.password.get_secret_value(), initial_folder=None)
            if not box.folder.exists(config.handled):
                box.folder.create(config.handled)
            box.folder.set(config.folder)
        except BaseException:
            _leave(box)
            raise
        return box

    def _connect(self) -> BaseMailBox:
        host, port = self._config.host, self._config.port
        if self._config.tls == "implicit":
            return MailBox(host, port, timeout=_PATIENCE, ssl_context=self._context)
        if self._config.tls == "starttls":
            return MailBoxStartTls(host, port, timeout=_PATIENCE, ssl_context=self._context)
        return MailBoxUnencrypted(host, port, timeout=_PATIENCE)

    @staticmethod
    def _uids(box: BaseMailBox) -> list[str]:
        return [uid for uid in box.uids("UNDELETED") if uid][:_MOST]


def _fetch(box: BaseMailBox, uid: str) -> bytes | None:
    """What a mail begins with, left unread as it was; None: it is gone."""
    status, answer = box.client.uid("fetch", uid, f"(BODY.PEEK[]<0.{LOOKED_AT}>)")
    if status != "OK":
        raise imaplib.IMAP4.error(f"fetch: {status}")
    return next((bytes(part[1]) for part in answer if isinstance(part, tuple) and len(part) > 1), None)


def _leave(box: BaseMailBox) -> None:
    try:
        box.logout()
    except (ImapToolsError, imaplib.IMAP4.error, OSError):
        box.client.shutdown()
