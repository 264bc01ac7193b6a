"""jobs/*.yaml: each fault in one sentence with its file, line and key, and no fault stops another campaign."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from mailer.core.fault_words import one_for_each
from mailer.files import catalog

GOOD = "purpose: commercial\ntrigger: manual\n"
HEAD = "purpose: commercial\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(dedent(text), "utf-8")
    return folder


def fault(folder: Path, text: str) -> str:
    """What is said of one campaign file `it`, between two good ones."""
    found = catalog.read(write(folder, first=GOOD, it=text, last=GOOD))
    assert set(found.campaigns) == {"first", "last"}
    assert len(found.faults) == 1
    return str(found.faults[0]).replace(f"{folder}/", "")


def test_campaigns_are_named_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no campaign")
    (tmp_path / ".hidden.yaml").write_text("[")
    (tmp_path / "other.yml").write_text(GOOD)
    found = catalog.read(write(tmp_path, **{"spring-offer_2": GOOD, "_draft": "["}))
    assert sorted(found.campaigns) == ["other", "spring-offer_2"]
    assert found.campaigns["other"].template_folder == "other"
    assert found.sources["other"] == str(tmp_path / "other.yml")
    assert found.faults == ()


def test_no_folder_is_a_fault_and_an_empty_one_is_not(tmp_path: Path) -> None:
    assert catalog.read(tmp_path).faults == ()
    assert "there is no such folder" in str(catalog.read(tmp_path / "jobs").faults[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("purpose: [", "it.yaml:1: cannot be read as YAML: ", id="not YAML"),
        pytest.param("- a", "it.yaml:1: must be a mapping of keys to values", id="a list"),
        pytest.param(f"{GOOD}purpose: service", "it.yaml:3: a key is written twice; keep one of the two", id="twice"),
        pytest.param(f"{GOOD}name: x", "it.yaml:3: name: the file's name is the campaign's name", id="name"),
        pytest.param("trigger: manual", "it.yaml:1: purpose: is missing; write it", id="no purpose"),
        pytest.param(HEAD, "it.yaml:1: trigger: is missing; write it", id="no trigger"),
        pytest.param(f"{GOOD}priorty: 3", "it.yaml:3: priorty: unknown key; did you mean 'priority'?", id="misspelt"),
        pytest.param(f"{GOOD}goal:\n  event: a.b\n  witin: 3d", "it.yaml:5: goal.witin: unknown key", id="below"),
        pytest.param(f"{HEAD}trigger:\n  crn: x", "it.yaml:2: trigger: a trigger is `manual`, or has one of the keys",
                     id="no such trigger"),
        pytest.param(f"{HEAD}trigger:\n  cron: 0 10 31 2 *", "it.yaml:3: trigger.cron: '0 10 31 2 *' never fires",
                     id="a day no calendar has"),
        pytest.param(f"{HEAD}trigger:\n  cron: often", "it.yaml:3: trigger.cron: ", id="no cron"),
        pytest.param(f"{HEAD}trigger:\n  cron: 0 10 * * *\n  timezone: Nowhere",
                     "it.yaml:4: trigger.timezone: 'Nowhere' is not a time zone", id="zone"),
        pytest.param(f"{HEAD}trigger:\n  anniversary: birthday\n  at: 25:00", "it.yaml:4: trigger.at: '25:00' is not",
                     id="time"),
        pytest.param(f"{HEAD}trigger: {{at: 2026-02-30T10:00}}", "it.yaml:2: trigger.at: ", id="30 February"),
        pytest.param(f"{HEAD}trigger:\n  segment: nobody", "it.yaml:3: trigger.segment: there is no segment 'nobody'",
                     id="trigger's segment"),
        pytest.param(f"{GOOD}audience: nobody", "it.yaml:3: audience: there is no segment 'nobody'", id="segment"),
        pytest.param(f"{GOOD}audience:\n  all:\n  - consent: comercial", "it.yaml:5: audience.all.0.consent: ",
                     id="a rule"),
        pytest.param(f"{GOOD}audience:\n  atr: {{a: b}}", "it.yaml:4: audience.atr: unknown key; did you mean 'attr'?",
                     id="an unknown rule"),
        pytest.param(f"{GOOD}audience: {{orders: {{count: 2.., until: event}}}}",
                     "it.yaml:3: audience: `until: event` needs a trigger of the kind", id="no event"),
        pytest.param(f"{GOOD}once: daily", "it.yaml:3: once", id="once"),
        pytest.param(f"{GOOD}once:\n  per: year\n  gap: soon", "it.yaml:5: once.gap: 'soon' is not", id="gap"),
        pytest.param(f"{GOOD}catch_up: 3", "it.yaml:3: catch_up: '3' is not a duration", id="a number alone"),
        pytest.param(f"{GOOD}content: posts", "it.yaml:3: content: posts come from one place: write `events`",
                     id="no such content"),
        pytest.param(f"{GOOD}content: {{events: a.b, feed: f.xml}}", "it.yaml:3: content: posts come from one place",
                     id="two contents"),
        pytest.param(f"{GOOD}content:\n  feed: ftp://k.example/x", "it.yaml:4: content.feed: a feed's address is http",
                     id="a feed over ftp"),
        pytest.param(f"{GOOD}content:\n  feed: https://me:word@k.example/",
                     "it.yaml:4: content.feed: a feed's address is http or https, without a name",
                     id="a feed with a password"),
        pytest.param(f"{GOOD}content:\n  feed: ../../etc/passwd",
                     "it.yaml:4: content.feed: '../../etc/passwd' is no file",
                     id="a feed elsewhere"),
        pytest.param(f"{GOOD}content:\n  feed: /etc/passwd", "it.yaml:4: content.feed: '/etc/passwd' is no file",
                     id="a feed from the root"),
        pytest.param(f"{GOOD}holdout: 10", "it.yaml:3: holdout: 10 is not a share; write a percentage", id="share"),
        pytest.param(f"{GOOD}holdout: 101%", "it.yaml:3: holdout: '101%' is not a share", id="more than all"),
        pytest.param(f"{GOOD}priority: 101", "it.yaml:3: priority: ", id="priority"),
        pytest.param(f"{GOOD}ends_at: 2026-12-01T10:00+03:00", "it.yaml:3: ends_at: ", id="an end with a zone"),
        pytest.param(f"{GOOD}template: ../etc", "it.yaml:3: template: ", id="a template elsewhere"),
        pytest.param(f"{GOOD}coupon:\n  kind: generated\n  prefix: dg", "it.yaml:5: coupon.prefix: ", id="prefix"),
        pytest.param(f"{GOOD}coupon:\n  kind: free", "it.yaml:3: coupon: ", id="no such coupon"),
        pytest.param(f"{GOOD}coupon: {{kind: static, code: A, percent: 5, amount: 5}}",
                     "it.yaml:3: coupon: a coupon is worth a percent or an amount, not both", id="worth"),
        pytest.param(f"{GOOD}coupon: {{kind: static, code: 'A B'}}", "it.yaml:3: coupon.code: ", id="a blank"),
        pytest.param("purpose: service\ntrigger: manual\ncoupon: {kind: static, code: A}",
                     "it.yaml:3: coupon: a service mail may carry no promotion", id="promotion"),
        pytest.param("purpose: service\ntrigger: manual\nholdout: 5%", "it.yaml:3: holdout: service mail has",
                     id="holdout"),
        pytest.param("purpose: commercial\ntrigger: {incident: any}", "it.yaml:2: trigger: an outage notice is",
                     id="outage"),
    ],
)  # fmt: skip
def test_a_fault_says_where_and_what_to_do_and_stops_no_other(tmp_path: Path, text: str, said: str) -> None:
    assert fault(tmp_path, text).startswith(said)


SEVERAL = """\
purpose: comercial
trigger: {segment: nobody}
trigger: manual
name: it
priority: -1
audience:
  all:
  - segment: nobody
  - any: [{segment: noone}, {consent: comercial}]
goal:
  event: a.b
  witin: 3d
once: daily
"""


def test_every_fault_of_a_file_is_named_once_in_the_order_of_its_lines(tmp_path: Path) -> None:
    found = catalog.read(write(tmp_path, first=GOOD, it=SEVERAL))
    assert set(found.campaigns) == {"first"}
    assert [(each.line, each.key) for each in found.faults] == [
        (1, "purpose"), (2, "trigger.segment"), (3, None), (4, "name"), (5, "priority"),
        (9, "audience.all.1.any.1.consent"), (12, "goal.witin"), (13, "once"),
    ]  # fmt: skip
    assert len({str(each) for each in found.faults}) == len(found.faults)


def test_what_is_known_of_the_segments_is_told_beside_other_faults(tmp_path: Path) -> None:
    text = "purpose: comercial\naudience:\n  any:\n  - segment: nobody\n  - segment: goud\n"
    segments = "gold: {attr: {tier: gold}}\nbad: {all: [{atr: {a: b}}, {consent: no}]}\n"
    found = catalog.read(write(tmp_path, _segments=segments, it=text))
    assert [str(each).removeprefix(f"{tmp_path}/").partition("; did")[0] for each in found.faults] == [
        "_segments.yaml:2: bad.all.0.atr: unknown key",
        "_segments.yaml:2: bad.all.1.consent: " + found.faults[1].message,
        "it.yaml:1: purpose: write 'commercial' or 'service'",
        "it.yaml:1: trigger: is missing; write it",
        "it.yaml:4: audience.any.0.segment: there is no segment 'nobody'",
        "it.yaml:5: audience.any.1.segment: there is no segment 'goud'",
    ]
    assert [line.partition("(")[2] for line in one_for_each(found.faults)] == [
        "1 more fault after this one, see mailer check)",
        "3 more faults after this one, see mailer check)",
    ]


def test_a_service_campaign_hears_of_all_that_does_not_go_with_it(tmp_path: Path) -> None:
    text = "purpose: service\ntrigger: manual\ntopic: news\ncoupon: {kind: static, code: A}\nholdout: 5%\n"
    found = catalog.read(write(tmp_path, it=text))
    assert [(each.line, each.key) for each in found.faults] == [(3, "topic"), (4, "coupon"), (5, "holdout")]


def test_a_misspelt_key_is_not_missing_besides(tmp_path: Path) -> None:
    assert "did you mean 'trigger'?" in fault(tmp_path, "purpose: commercial\ntriger: manual\n")
    assert "did you mean 'within'?" in fault(tmp_path, f"{GOOD}goal:\n  event: a.b\n  witin: 3d")


@pytest.mark.parametrize("name", ["Spring", "spring offer", "-x", "x" * 64, "ş"])
def test_a_name_no_folder_could_have(tmp_path: Path, name: str) -> None:
    found = catalog.read(write(tmp_path, **{name: GOOD}))
    assert found.campaigns == {}
    assert "a campaign file's name is small letters" in str(found.faults[0])


def test_two_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(GOOD)
    found = catalog.read(write(tmp_path, a=GOOD))
    assert set(found.campaigns) == {"a"}
    assert "a second file of this name; keep one" in str(found.faults[0])


def test_a_broken_segment_stops_only_what_stands_on_it(tmp_path: Path) -> None:
    segments = """\
        good: {attr: {tier: gold}}
        bad: {atr: {tier: gold}}
        on_bad: {segment: bad}
        circle: {segment: round}
        round: {segment: circle}
    """
    found = catalog.read(
        write(tmp_path, _segments=segments, a=f"{GOOD}audience: good", b=f"{GOOD}audience: on_bad", c=GOOD)
    )
    assert set(found.segments) == {"good"}
    assert set(found.campaigns) == {"a", "c"}
    places = [str(each).removeprefix(f"{tmp_path}/").split(" ")[0] for each in found.faults]
    assert places[0] == "_segments.yaml:2:"
    assert places[-1] == "b.yaml:3:"


def test_a_segments_file_that_cannot_be_read_stops_only_what_uses_segments(tmp_path: Path) -> None:
    found = catalog.read(write(tmp_path, _segments="a: [", a=f"{GOOD}audience: good", c=GOOD))
    assert set(found.campaigns) == {"c"}
    assert str(found.faults[0]).startswith(f"{tmp_path}/_segments.yaml:1: ")


def test_keys_left_blank_are_their_defaults(tmp_path: Path) -> None:
    found = catalog.read(write(tmp_path, a=f"{GOOD}ttl:\nends_at:\naudience:\ncoupon:\ntemplate:\n"))
    assert found.faults == ()
    assert found.campaigns["a"].audience.model_dump(exclude_none=True) == {}
