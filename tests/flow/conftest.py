"""What every test of a flow has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow import journals


@pytest.fixture(autouse=True)
def journal_folder(tmp_path: Path) -> Iterator[None]:
    """Senders keep their journals where the test's other files lie."""
    journals.FOLDERS.append(tmp_path / "journal")
    yield
    journals.FOLDERS.pop()
