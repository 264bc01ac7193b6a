"""What campaigns need is ready before they are due, and what would keep one from going out is said in time."""

from __future__ import annotations

import asyncio

import pytest

from mailer.errors import StoreError, TemplateFault
from mailer.flow.standby import PATIENCE, Standby

FAULT = TemplateFault("'incidnt' is not defined", "templates/outage/body.html", 3)


class Versions:
    """Two campaigns of incidents and two others; what `faulty` names cannot be published."""

    def __init__(self) -> None:
        self.faulty: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.others = ["offer", "welcome"]

    def incident_campaigns(self) -> list[str]:
        return ["outage", "works"]

    def other_campaigns(self) -> list[str]:
        return list(self.others)

    async def version_for(self, campaign: str) -> int:
        self.asked.append(campaign)
        await asyncio.sleep(0)
        if campaign in self.faulty:
            raise self.faulty[campaign]
        return 1


async def test_each_campaign_is_published_ahead_and_those_that_carry_notices_first() -> None:
    versions, said = Versions(), list[str]()
    await Standby(versions, said.append).look()
    assert (versions.asked, said) == (["outage", "works", "offer", "welcome"], [])


async def test_what_is_said_of_a_fault_tells_what_will_not_happen() -> None:
    versions, said = Versions(), list[str]()
    versions.faulty = {"works": FAULT, "offer": FAULT}
    await Standby(versions, said.append).look()
    assert [each.split(" until ")[0] for each in said] == [
        "The campaign works can tell of no incident",
        "The campaign offer cannot go out",
    ]
    assert versions.asked[-1] == "welcome"


async def test_a_campaign_whose_file_goes_while_another_is_tried_is_no_fault() -> None:
    said = list[str]()

    class Going(Versions):
        async def version_for(self, campaign: str) -> int:
            self.others = ["offer"]
            return await super().version_for(campaign)

    versions = Going()
    await Standby(versions, said.append).look()
    assert (versions.asked, said) == (["outage", "works", "offer"], [])


async def test_a_fault_is_told_once_and_tried_seldom_until_it_is_mended() -> None:
    versions, said = Versions(), list[str]()
    standby = Standby(versions, said.append)
    versions.faulty["outage"] = FAULT
    for _look in range(PATIENCE + 1):
        await standby.look()
    assert versions.asked.count("outage") == 1
    assert versions.asked.count("works") == PATIENCE + 1
    await standby.look()
    assert versions.asked.count("outage") == 2
    (sentence,) = said
    assert sentence.startswith(
        "The campaign outage can tell of no incident until this is mended: templates/outage/"
    )
    versions.faulty.clear()
    for _look in range(PATIENCE + 1):
        await standby.look()
    versions.faulty["outage"] = FAULT
    await standby.look()
    assert len(said) == 2  # it was mended, and broke again


async def test_a_database_that_is_away_is_no_fault_of_a_template() -> None:
    versions, said = Versions(), list[str]()
    versions.faulty["outage"] = StoreError("away")
    with pytest.raises(StoreError):
        await Standby(versions, said.append).look()
    assert said == []
