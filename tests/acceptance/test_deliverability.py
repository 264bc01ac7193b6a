"""Our mails as receivers see them: signatures believed, no reason to take them for spam, HTML without a fault."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailer.core.incident import IncidentState
from mailer.files.templates import TemplateFolder
from mailer.render.publish import publish
from mailer.render.renderer import Template
from tests.acceptance import mails, receivers
from tests.acceptance.post import RelayProcess
from tests.acceptance.shop import ROOT, Shop
from tests.campaigns.stock import ALL, CUSTOMERS, a_scene, an_incident
from tests.counterparts import SqliteTemplate

#: The shop's clock stands in 2027, which only the day of this test makes a fault.
_BY_THE_TEST = {"DATE_IN_FUTURE", "DATE_IN_PAST"}
_TOO_MUCH = 2.0
ISTANBUL = ZoneInfo("Europe/Istanbul")
#: What every filter must reject, as the EICAR file for virus scanners.
_SPAM = b"\r\n".join(
    (
        b"From: x@spam.example",
        b"Subject: x",
        b"",
        b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X",
        b"",
    )
)
_BOTH = {"rsa-sha256": "pass", "ed25519-sha256": "pass"}

#: The checker on the package index is of 2020; the property is of CSS Color Adjustment Level 1, of 2022.
_YOUNGER = ("CSS: “color-scheme”: Property “color-scheme” doesn't exist.",)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory, sqlite_template: SqliteTemplate) -> Iterator[mails.Sent]:
    """Every mail, sent once for all tests of this module."""
    folder: Path = tmp_path_factory.mktemp("deliverability")
    opened: list[Shop | RelayProcess] = []

    def shop(*campaigns: str) -> Shop:
        place = folder / "shop"
        place.mkdir()
        here = Shop(place, *campaigns)
        opened.append(here)
        (place / "var").mkdir()
        sqlite_template.copy(place / "var")
        return here

    def relay() -> RelayProcess:
        post = RelayProcess(folder / "relay")
        opened.append(post)
        return post

    try:
        yield mails.send(shop, relay)
    finally:
        for each in opened:
            each.let_go() if isinstance(each, RelayProcess) else each.close()


def test_opendkim_believes_both_signatures(sent: mails.Sent) -> None:
    for each in sent.mails:
        assert receivers.believed(each.content, sent.records) == _BOTH, each.name
    changed = sent.mails[0].content.replace(b"Kardelen", b"Kardalen")
    assert "pass" not in receivers.believed(changed, sent.records).values()


def test_rspamd_finds_nothing_to_hold_against_them(sent: mails.Sent) -> None:
    costs = {}
    with receivers.judging(sent.records) as rspamd:
        for each in sent.mails:
            recipient = each.mail["To"].addresses[0].addr_spec
            found = receivers.judged(rspamd, each.content, "merhaba@kardelen.example", recipient)["symbols"]
            signed = found["R_DKIM_ALLOW"]["options"]
            assert sorted(signed) == ["kardelen.example:s=e1", "kardelen.example:s=r1"], each.name
            scores = {name: found[name]["score"] for name in sorted(found.keys() - _BY_THE_TEST)}
            # What speaks for a mail, its signature above all, makes up for nothing here.
            costs[each.name] = sum(score for score in scores.values() if score > 0)
            shown = " ".join(f"{name} {score:+.2f}" if score else name for name, score in scores.items())
            print(f"{each.name:14} {sum(scores.values()):+.2f}  {shown}")  # noqa: T201 - the evidence, with -s
        spam = receivers.judged(rspamd, _SPAM, "x@spam.example", "ayse@posta.example")
    assert spam["action"] == "reject"
    assert {name: cost for name, cost in costs.items() if cost >= _TOO_MUCH} == {}


def test_the_nu_html_checker_finds_no_fault(sent: mails.Sent) -> None:
    pages = {each.name: each.html for each in sent.mails} | dict(_every_page())
    broken = {"broken": pages["offer.en"].replace("</table>", "</div>", 1)}
    found = receivers.faults(pages | broken, _YOUNGER)
    assert [each for each in found if not each.startswith("broken: ")] == []
    assert found != []


def _every_page() -> Iterator[tuple[str, str]]:
    """Every stock template for everybody, with every turn an outage can take."""
    source = TemplateFolder(ROOT / "templates")
    for name in ALL:
        template = Template(publish(name, source, "https://mail.example"))
        scenes = {who: a_scene(name, customer) for who, customer in CUSTOMERS.items()}
        if name == "outage":
            for state, planned, kind in product(IncidentState, (True, False), ("first", "unaffected")):
                incident = an_incident(state=str(state), planned=planned, message="a < b & c")
                made = a_scene(name, CUSTOMERS["named"], kind=kind, content={"incident": incident})
                scenes[f"{state}-{planned}-{kind}"] = made
        for (who, scene), language in product(scenes.items(), mails.LANGUAGES):
            html = template.render(scene, language, "tr", ISTANBUL).html
            assert html is not None
            yield f"{name}-{who}-{language}", html
