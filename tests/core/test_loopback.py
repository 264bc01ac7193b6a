"""Hosts that can only mean this machine, and hosts that look like it."""

from __future__ import annotations

import pytest

from mailer.core.loopback import is_loopback


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost", "127.0.0.1", "127.9.8.7", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "[", "[]", "[::1", "::1]", "10.0.0.1", "::", "::ffff:10.0.0.1", "127.1", "2130706433",
     "localhost.evil.example", "127.0.0.1.evil.example", "evil.localhost"],
)  # fmt: skip
def test_what_only_looks_like_it(host: str) -> None:
    assert not is_loopback(host)
