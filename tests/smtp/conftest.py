"""In these tests the relay is on the loop of whoever speaks to it."""

from __future__ import annotations

import asyncio

import pytest

from tests.steady import make_steady


@pytest.fixture(autouse=True)
async def steady() -> None:
    make_steady(asyncio.get_running_loop())
