"""Where the senders of these tests keep their journals: in a folder of each test's own."""

from __future__ import annotations

from pathlib import Path

from mailer.files.journal import Journal

FOLDERS: list[Path] = []  # the last one is that of the test that runs


def create() -> Journal:
    """A journal for one sender."""
    return Journal.create(FOLDERS[-1])
