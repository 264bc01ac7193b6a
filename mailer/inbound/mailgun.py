"""Mailgun's webhooks: one event each, with an HMAC over its time and a token that is good once.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from datetime import datetime

from mailer.core.bounce import DIAGNOSTIC, Kind, Returned, status_of
from mailer.core.verp import tokens_in
from mailer.core.ways_back import Mailgun
from mailer.inbound.proof import Forged, document, fresh, instant, mapping, same, words

_MOST_SEEN = 10_000


class Hook:
    """Reads them. Its signature does not cover the event, so a token that was used carries no second one."""

    def __init__(self, config: Mailgun) -> None:
        self._key = config.signing_key.get_secret_value().encode()
        self._seen: OrderedDict[str, bytes] = OrderedDict()

    def read(self, body: bytes, now: datetime) -> list[Returned]:
        """What an event says.

        Raises:
            Forged: the signature is wrong, too old, or was used for another event.
            Malformed: it is no JSON.
        """
        said = mapping(document(body))
        proof = mapping(said.get("signature"))
        at, token = words(proof.get("timestamp")), words(proof.get("token"))
        wanted = hmac.new(self._key, f"{at}{token}".encode(), hashlib.sha256).hexdigest()
        if not token or not same(wanted, words(proof.get("signature"))):
            raise Forged("its signature is wrong")
        fresh(instant(at), now)
        self._once(token, body)
        event = mapping(said.get("event-data"))
        kind = _kind(words(event.get("event")), words(event.get("severity")))
        if kind is None:
            return []
        status = mapping(event.get("delivery-status"))
        diagnostic = words(
            status.get("message") or status.get("description") or event.get("reason"), DIAGNOSTIC
        )
        stated = words(status.get("enhanced-code")) or _of_reason(words(event.get("reason")))
        number = words(mapping(mapping(event.get("message")).get("headers")).get("message-id"))
        return [
            Returned(
                kind, "mailgun", words(event.get("recipient"), 320), status_of(stated, diagnostic),
                _with_code(words(status.get("code")), diagnostic),
                message_id=number and f"<{number.strip('<>')}>",
                tokens=tuple(tokens_in(words(mapping(event.get("envelope")).get("sender")))),
                event_id=f"mailgun:{words(event.get('id'), 200)}" if event.get("id") else "",
                vouched=True,
            )
        ]  # fmt: skip

    def _once(self, token: str, body: bytes) -> None:
        digest = hashlib.sha256(body).digest()
        if self._seen.setdefault(token, digest) != digest:
            raise Forged("its token was used before")
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)


def _kind(event: str, severity: str) -> Kind | None:
    if event == "failed":
        return Kind.DELAY if severity == "temporary" else Kind.BOUNCE
    return Kind.COMPLAINT if event == "complained" else None


def _of_reason(reason: str) -> str:
    """It does not even try an address that bounced before."""
    return "5.1.1" if reason == "suppress-bounce" else ""


def _with_code(code: str, diagnostic: str) -> str:
    return f"{code} {diagnostic}" if code and not diagnostic.startswith(code) else diagnostic
