from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from mailer.core.metrics import (
    METRICS,
    MOST_LETTERS,
    MOST_NAMES,
    REST,
    Counts,
    MetricsAccess,
    Present,
    labelled,
    labels_of,
    of_counts,
    of_present,
)

NOW = datetime(2027, 5, 10, 7, 0, tzinfo=UTC)
STATES = ("queued", "sending", "deferred", "in_doubt", "sent", "failed", "skipped", "cancelled", "expired")


def test_names_are_those_prometheus_wants() -> None:
    for each in METRICS:
        assert each.name.startswith("mailer_")
        assert each.name.endswith("_total") == (each.kind == "counter")
        assert each.help.endswith(".") or ";" in each.help
    assert len({each.name for each in METRICS}) == len(METRICS)


def test_only_a_name_that_is_too_long_is_cut() -> None:
    assert labelled("x" * MOST_LETTERS) == "x" * MOST_LETTERS
    assert labelled("x" * (MOST_LETTERS + 1)) == "x" * (MOST_LETTERS - 1) + "…"


@given(st.text())
def test_a_label_is_one_short_line(name: str) -> None:
    label = labelled(name)
    assert len(label) <= MOST_LETTERS
    assert label.isprintable()


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=3 * MOST_NAMES))
def test_labels_stay_few(sizes: dict[str, int]) -> None:
    labels = labels_of(sizes)
    assert set(labels) == set(sizes)
    own = {name for name, label in labels.items() if label != REST}
    assert len(own) <= MOST_NAMES
    if own and len(own) < len(sizes):
        assert min(sizes[name] for name in own) >= max(sizes[name] for name in set(sizes) - own - {REST})


@given(
    st.dictionaries(
        st.tuples(st.text(max_size=2), st.sampled_from(["commercial", "service"]), st.sampled_from(STATES)),
        st.integers(0, 100),
    )
)
def test_every_delivery_is_in_one_figure(deliveries: dict[tuple[str, str, str], int]) -> None:
    samples = of_counts(Counts(deliveries, {}, {}))
    assert sum(each.value for each in samples) == sum(deliveries.values())
    assert max(Counter((each.metric, each.labels) for each in samples).values()) == 1


def test_what_is_shown_alike_is_added_up() -> None:
    deliveries = {(f"c{number}", "commercial", "sent"): 1 for number in range(3 * MOST_NAMES)}
    samples = {
        each.labels: each.value for each in of_counts(Counts(deliveries, {}, {})) if "total" in each.metric
    }
    assert len(samples) == MOST_NAMES + 1
    assert samples[REST, "sent"] == 2 * MOST_NAMES


def test_an_age_is_never_negative_and_nothing_due_is_none() -> None:
    later = datetime(2027, 5, 10, 8, 0, tzinfo=UTC)
    present = Present({"paused": 1}, 0, halted=False, senders=0, planned_at=None, incidents=0,
                      oldest={"service": later}, shares={}, domains=0)  # fmt: skip
    ages = {each.labels: each.value for each in of_present(present, {}, NOW) if "oldest" in each.metric}
    assert ages == {("commercial",): 0.0, ("service",): 0.0}


def test_a_token_admits_itself_alone() -> None:
    access = MetricsAccess(token=SecretStr("çok-gizli-bir-sözcük"))
    assert access.admits("çok-gizli-bir-sözcük")
    assert not access.admits("")
    assert not access.admits("çok-gizli-bir-sözcü")
    assert not MetricsAccess().admits("")
    with pytest.raises(ValidationError):
        MetricsAccess(token=SecretStr("short"))
