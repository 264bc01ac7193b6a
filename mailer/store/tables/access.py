"""Who may ask by machine."""

from __future__ import annotations

from sqlalchemy import Column, Table

from mailer.store.tables.columns import Instant, Json, Text, key, metadata

api_token = Table(  # core.access.Token
    "api_token",
    metadata,
    key(),
    Column("ident", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False),  # SHA-256 of its secret, which is kept nowhere
    Column("scopes", Json, nullable=False),  # list of text
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)
