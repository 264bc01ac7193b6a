"""Lets programs in that show a token, and keeps each to its rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from mailer.core.access import (
    Allowance,
    Scope,
    Token,
    digest,
    opens,
    scopes_of,
    taken_apart,
    token_name,
    written,
)
from mailer.errors import UsageError

#: Tokens whose rate is remembered; more are made by nobody.
_REMEMBERED = 10_000


class TokenPort(Protocol):
    """Where tokens are kept."""

    async def add(self, token: Token) -> bool: ...
    async def find(self, ident: str) -> Token | None: ...
    async def all(self) -> Sequence[Token]: ...
    async def revoke(self, name: str, now: datetime) -> bool: ...


class Unknown(Exception):
    """No token of ours was shown, or one that was revoked."""


class TooOften(Exception):
    """The token's rate is used up for now."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds  # until the next request may pass


class Doorkeeper:
    """Makes tokens and looks at those that are shown. Rates are counted by each process for itself."""

    def __init__(
        self, store: TokenPort, rate: float, seconds: Callable[[], float], draw: Callable[[], tuple[str, str]]
    ) -> None:
        self._store = store
        self._rate = rate
        self._seconds = seconds
        self._draw = draw  # twelve hexadecimal digits, and 43 letters that hold 256 random bits
        self._left: dict[str, Allowance] = {}

    async def create(self, name: str, scopes: Iterable[str], now: datetime) -> str:
        """A new token, in the one moment it can be seen.

        Raises:
            UsageError: its name or a scope cannot be, or the name is taken.
        """
        name, given = token_name(name), scopes_of(scopes)
        ident, secret = self._draw()
        if not await self._store.add(Token(ident, name, digest(secret), given, now)):
            raise UsageError(f"There is a token {name} already, or was; take another name.")
        return written(ident, secret)

    async def list(self) -> Sequence[Token]:
        """Every token there is or was."""
        return await self._store.all()

    async def revoke(self, name: str, now: datetime) -> None:
        """Shut a token out, from the next request on.

        Raises:
            UsageError: there is none of that name that opens anything.
        """
        if not await self._store.revoke(name, now):
            raise UsageError(f"There is no token {name!r:.80} in use; see mailer tokens list.")

    async def admit(self, shown: str) -> Token:
        """The token that was shown.

        Raises:
            Unknown: it opens nothing.
            TooOften: it may ask again later.
            StoreError: it cannot be looked up now.
        """
        parts = taken_apart(shown)
        if parts is None:
            raise Unknown
        token = await self._store.find(parts[0])
        if not opens(token, parts[1]) or token is None:
            raise Unknown
        now = self._seconds()
        before = self._left.get(token.ident) or Allowance.full(self._rate, now)
        after, wait = before.take(self._rate, now)
        if len(self._left) >= _REMEMBERED:
            self._left.clear()
        self._left[token.ident] = after
        if wait:
            raise TooOften(wait)
        return token


def may(token: Token, scope: Scope) -> bool:
    """Whether a token may do this."""
    return scope in token.scopes
