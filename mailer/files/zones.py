"""The IANA zones and those of each country, from the `tzdata` package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from mailer.core.zones import Zones


@cache
def load_zones() -> Zones:
    """Every zone of the installed `tzdata`, and each country's one zone.

    A country has one zone when the rules all its zones follow from now on are the same (the closing line of
    each TZif file, RFC 8536 §3.3): Germany's are Berlin and Büsingen, whose clocks agree.
    """
    data = files("tzdata")
    names = [name for name in data.joinpath("zones").read_text("ascii").split() if name != "Factory"]
    zones: dict[str, list[str]] = {}
    for line in data.joinpath("zoneinfo", "zone.tab").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones.setdefault(country, []).append(zone)
    rules = {
        zone: data.joinpath("zoneinfo", *zone.split("/")).read_bytes().rstrip(b"\n").rpartition(b"\n")[2]
        for several in zones.values() if len(several) > 1 for zone in several
    }  # fmt: skip
    return Zones.of(
        names,
        {
            country: several[0]
            for country, several in zones.items()
            if len(several) == 1 or len({rules[zone] for zone in several}) == 1
        },
    )
