"""Which addresses the world can see mail come from."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from mailer.core.doctor.outside import seen_from_outside


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "2606:4700::1"])
def test_what_receivers_may_see(address: str) -> None:
    assert seen_from_outside(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.31.255.255", "192.168.0.9", "169.254.1.1", "0.1.2.3", "224.0.0.1", "::1",
     "fd00::1", "fe80::1"],
)  # fmt: skip
def test_what_nobody_sees(address: str) -> None:
    assert not seen_from_outside(ip_address(address))
