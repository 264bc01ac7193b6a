from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import RenderError
from mailer.render.trial import pack, unpack
from mailer.render.vet import Sample, vet

Published = Callable[..., dict[str, Any]]

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates() | (
    st.datetimes(timezones=st.just(UTC)) | st.decimals(allow_nan=False)
)  # fmt: skip


@given(
    st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
)
def test_plain_data_crosses_to_the_child_and_back(value: Any) -> None:
    assert unpack(pack(value)) == value
    assert type(unpack(pack(value))) is type(value)


def test_anything_else_does_not_cross() -> None:
    with pytest.raises(RenderError):
        pack({"x": object()})


async def test_a_good_template_has_no_faults(published: Published) -> None:
    parts = published({"body.html": "{{ d | date }} {{ m | money('TRY') }} {{ i | datetime }}"})
    context = {"d": date(2027, 1, 1), "m": Decimal("1.5"), "i": datetime(2027, 1, 1, tzinfo=UTC)}
    assert await vet(parts, [Sample("Ayşe", context, "tr", "tr", "Europe/Istanbul")]) == []


async def test_faults_have_file_and_line_and_are_named_once(published: Published) -> None:
    parts = published({"body.html": "<p>\n{{ customer.nick }}</p>", "body.tr.html": "ok"})
    samples = [Sample(f"c{n}", {"customer": {}}, "tr" if n == 1 else "en", "en") for n in range(4)]
    [fault] = await vet(parts, samples)
    assert str(fault) == "t/body.html:2: there is no 'nick' here (for c0, and others)"


BOMBS = {
    "time": "{% for a in range(999) %}" * 3 + "{% endfor %}" * 3,
    "memory": "{% set a = 'xxxxxxxxxxxxxxxx' %}" + "{% set a = a ~ a ~ a ~ a %}" * 16 + "{{ a | length }}",
    "depth": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
}


@pytest.mark.parametrize("bomb", sorted(BOMBS))
async def test_a_bomb_goes_off_in_the_child(bomb: str, published: Published) -> None:
    [fault] = await vet(published({"body.txt": BOMBS[bomb]}), [Sample("anyone", {})])
    assert "(for anyone)" in fault.message


async def test_a_child_that_is_too_slow_is_ended(published: Published) -> None:
    [slow] = await vet(published({"body.txt": BOMBS["time"]}), [Sample("anyone", {})], patience=0.5)
    assert "was ended (for anyone)" in slow.message


async def test_every_tag_that_fails_is_named(published: Published) -> None:
    files = {
        "subject.txt": "{{ customer.nick }} {{ customer.tier }}",
        "body.html": "<p>{{ customer.a }}\n{{ customer.name | date }}\n{% if customer.b %}x{% endif %}{{ customer.c }}",
        "body.tr.html": "{{ \n customer.d }}<p>{{ run.x }}",
    }
    samples = [
        Sample(f"c{n}", {"customer": {"name": "A"}, "run": {}}, "tr" if n == 1 else "en", "en")
        for n in range(3)
    ]
    found = await vet(published(files), samples)
    assert [str(each).partition("; there is")[0] for each in found] == [
        "t/subject.txt:1: there is no 'nick' here",
        "t/subject.txt:1: there is no 'tier' here",
        "t/body.html:1: there is no 'a' here",
        found[3].file + ":2: " + found[3].message,
        "t/body.html:3: there is no 'b' here",
        "t/body.tr.html:1: there is no 'd' here",
        "t/body.tr.html:2: there is no 'x' here (for c1)",
    ]


@pytest.mark.parametrize("after", [0.0, 0.003, 0.02, 0.2])
async def test_a_trial_that_is_broken_off_leaves_nothing_open(after: float) -> None:
    trying = asyncio.create_task(vet({"template": "t", "parts": {}, "images": {}}, []))
    await asyncio.sleep(after)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    gc.collect()  # what was not closed complains of it, which is an error here
