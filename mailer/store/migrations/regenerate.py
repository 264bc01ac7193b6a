"""Write the first revision anew from `tables.py`: `python -m mailer.store.migrations.regenerate`.

Only until the first release: from then on a revision is history, and a change is a new one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from mailer.store.tables import Id, Instant, Json, Numbers, Text, metadata

TARGET = Path(__file__).parent / "versions" / "r0001.py"

_HEAD = '''"""The first schema, written by `python -m mailer.store.migrations.regenerate`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Instant = sa.DateTime(timezone=True)
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Numbers = sa.JSON().with_variant(ARRAY(sa.BigInteger), "postgresql")
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:  # noqa: PLR0915 (one statement for each table and index)
    """Make every table."""
'''


def _item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    if kind == "type":
        if isinstance(item, Instant):
            return "Instant"
        if item is Id:
            return "Id"
        if item is Json:
            return "Json"
        if item is Numbers:
            return "Numbers"
        if item is Text:
            return "Text"
    return False


def source() -> str:
    """The text of the first revision for the tables as they are."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
        script = produce_migrations(context, metadata)
    assert script.upgrade_ops is not None  # noqa: S101 (the type only)
    engine.dispose()
    body = render_python_code(
        script.upgrade_ops,
        render_item=_item,
        migration_context=MigrationContext.configure(dialect_name="postgresql"),
    )
    lines = [line.strip() for line in body.split("\n") if not line.lstrip().startswith("#")]
    return _HEAD + "".join(f"    {line}\n" for line in lines)


def main() -> int:
    """Write the file and let ruff lay it out."""
    TARGET.write_text(source(), encoding="utf-8")
    return subprocess.run(  # noqa: S603 (our own interpreter and file)
        [sys.executable, "-m", "ruff", "format", "--quiet", str(TARGET)], check=False
    ).returncode


if __name__ == "__main__":
    raise SystemExit(main())
