from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.doctor.dmarc import is_dmarc, parse
from mailer.core.doctor.dmarc_check import check
from mailer.core.doctor.finding import Verdict
from tests.core.doctoring import Zone, only, run, sending, verdicts

OK, WARN, FAULT, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAULT, Verdict.UNKNOWN
HERE = "TXT _dmarc.shop.example"
GOOD = "v=DMARC1; p=reject; rua=mailto:d@shop.example"
SIGNED = {"dkim_domain": "shop.example"}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param({}, {"record": FAULT}, id="missing"),
        pytest.param({HERE: "SERVFAIL"}, {"record": UNKNOWN}, id="servfail"),
        pytest.param({HERE: "SILENT"}, {"record": UNKNOWN}, id="silent"),
        pytest.param({HERE: [GOOD, GOOD + ";"]}, {"record": FAULT}, id="several"),
        pytest.param({HERE: "v=DMARC1; p=maybe"}, {"record": FAULT}, id="no such policy"),
        pytest.param({HERE: "v=DMARC1; p"}, {"record": FAULT}, id="no tags"),
        pytest.param({HERE: "v=DMARC1; p=none; pct=200"}, {"record": FAULT}, id="pct"),
        pytest.param({HERE: "v=DMARC1; p=none; aspf=x"}, {"record": FAULT}, id="aspf"),
        pytest.param({HERE: ["other", GOOD]}, {"record": OK, "policy": OK, "alignment": OK}, id="reject"),
        pytest.param(
            {HERE: GOOD.replace("reject", "none")}, {"record": OK, "policy": WARN, "alignment": OK}, id="none"
        ),
        pytest.param(
            {HERE: f"{GOOD}; sp=none"},
            {"record": OK, "policy": OK, "subdomains": WARN, "alignment": OK},
            id="sp",
        ),
        pytest.param({HERE: f"{GOOD}; pct=20"}, {"record": OK, "policy": WARN, "alignment": OK}, id="pct=20"),
        pytest.param({HERE: f"{GOOD}; t=y"}, {"record": OK, "policy": WARN, "alignment": OK}, id="t=y"),
        pytest.param(
            {HERE: "v=DMARC1; p=reject"},
            {"record": OK, "policy": OK, "reports": WARN, "alignment": OK},
            id="no reports",
        ),
        pytest.param(
            {HERE: "v=DMARC1; rua=mailto:d@shop.example"},
            {"record": OK, "policy": FAULT, "alignment": OK},
            id="no policy",
        ),
        pytest.param(
            {HERE: "v=DMARC1; p=reject; rua=mailto:d@reports.example"},
            {"record": OK, "policy": OK, "reports": WARN, "alignment": OK},
            id="reports nobody agreed to",
        ),
        pytest.param(
            {
                HERE: "v=DMARC1; p=reject; rua=mailto:d@reports.example!10m",
                "TXT shop.example._report._dmarc.reports.example": "v=DMARC1",
            },
            {"record": OK, "policy": OK, "alignment": OK},
            id="reports somebody agreed to",
        ),
        pytest.param(
            {HERE: "v=DMARC1; p=reject; rua=https://x.example"},
            {"record": OK, "policy": OK, "reports": WARN, "alignment": OK},
            id="reports by web",
        ),
    ],
)
def test_a_policy_is_judged(zone: Zone, expected: dict[str, Verdict]) -> None:
    found = run(check, zone, sending(**SIGNED))
    assert verdicts(found) == {f"dmarc.{name}": verdict for name, verdict in expected.items()}


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        pytest.param("", {"return_domain": "b.shop.example"}, {"alignment": OK}, id="below"),
        pytest.param(
            "aspf=s", {"return_domain": "b.shop.example"}, {"alignment": OK, "both": WARN}, id="strict"
        ),
        pytest.param(
            "", {"return_domain": "ses.example"}, {"alignment": OK, "both": WARN}, id="the provider's"
        ),
        pytest.param(
            "", {"dkim_domain": "ses.example"}, {"alignment": OK, "both": WARN}, id="signed by another"
        ),
        pytest.param(
            "", {"return_domain": "a.example", "dkim_domain": "b.example"}, {"alignment": FAULT}, id="neither"
        ),
        pytest.param(
            "", {"return_domain": "a.example", "dkim_domain": None}, {"alignment": UNKNOWN}, id="unsigned"
        ),
        pytest.param(
            "",
            {"return_domain": "a.example", "dkim_domain": None, "selectors": ["s1"]},
            {"alignment": OK, "both": WARN},
            id="the relay signs",
        ),
        pytest.param(
            "adkim=s", {"dkim_domain": "m.shop.example"}, {"alignment": OK, "both": WARN}, id="strict d="
        ),
        pytest.param(
            "", {"return_domain": "notshop.example"}, {"alignment": OK, "both": WARN}, id="ends alike"
        ),
    ],
)
def test_alignment(text: str, changes: dict[str, Any], expected: dict[str, Verdict]) -> None:
    found = run(check, {HERE: f"{GOOD}; {text}"}, sending(**SIGNED | changes))
    names = {"alignment": "dmarc.alignment", "both": "dmarc.alignment.both"}
    told = {each: verdict for each, verdict in verdicts(found).items() if "alignment" in each}
    assert told == {names[each]: verdict for each, verdict in expected.items()}


BELOW = {
    "from_domain": "mail.shop.com.tr",
    "return_domain": "bounce.shop.com.tr",
    "dkim_domain": "mail.shop.com.tr",
}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param({"TXT _dmarc.mail.shop.com.tr": GOOD}, WARN, id="its own record alone"),
        pytest.param({"TXT _dmarc.shop.com.tr": GOOD}, OK, id="the organisation's"),
        pytest.param({"TXT _dmarc.mail.shop.com.tr": GOOD, "TXT _dmarc.shop.com.tr": GOOD}, OK, id="both"),
        pytest.param(
            {"TXT _dmarc.mail.shop.com.tr": GOOD, "TXT _dmarc.com.tr": "v=DMARC1; p=none; psd=y"},
            OK,
            id="a suffix above",
        ),
    ],
)
def test_the_organisation_is_found_by_its_record(zone: Zone, expected: Verdict) -> None:
    """RFC 9989 §4.10: what lies right below a `psd=y` is one organisation's."""
    found = run(check, zone, sending(**BELOW))
    assert verdicts(found).get("dmarc.alignment.both", OK) is expected


def test_domains_below_one_have_its_other_policy() -> None:
    zone = {"TXT _dmarc.shop.com.tr": "v=DMARC1; p=reject; sp=none; rua=mailto:d@shop.com.tr"}
    found = only(run(check, zone, sending(**BELOW)), "dmarc.policy")
    assert found.verdict is WARN
    assert "sp=none" in found.what


def test_a_missing_record_is_ready_to_paste() -> None:
    assert only(run(check, {}), "dmarc.record").paste == (
        '_dmarc.shop.example. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc-reports@shop.example"',
    )


@given(
    st.lists(
        st.sampled_from(
            ["p=none", "sp=x", "pct=a", "rua=mailto:a@b", "adkim=s", "=", ";", "psd=y", "p=", "é"]
        )
    )
)
def test_no_record_breaks_the_reader(parts: list[str]) -> None:
    text = "v=DMARC1; " + ";".join(parts)
    assert is_dmarc(text)
    with contextlib.suppress(ValueError):
        parse(text)
