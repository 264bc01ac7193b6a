from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.shard import OF_ONE_RUN, RUNS, WINDOW, OpenRun, Shard, wanting

SIZE = 10


def a_run(number: int, due: int, priority: int = 40, *, urgent: bool = False) -> OpenRun:
    return OpenRun(number, priority, urgent, due)


def shard(*runs: int, priority: int = 40, urgent: bool = False) -> Shard:
    return Shard(runs, priority, urgent)


@pytest.mark.parametrize(
    ("runs", "waiting", "wanted"),
    [
        pytest.param([], [], [], id="nothing due"),
        pytest.param([a_run(1, 25)], [], [shard(1)] * 3, id="a share for each ten"),
        pytest.param([a_run(1, 25)], [shard(1)] * 2, [shard(1)], id="one is wanting"),
        pytest.param([a_run(1, 25)], [shard(1)] * 5, [], id="more than enough wait"),
        pytest.param([a_run(1, 3)], [], [shard(1)], id="few"),
        pytest.param([a_run(1, 3)], [shard(1)], [], id="few, and waiting"),
        pytest.param([a_run(1, 3), a_run(2, 3)], [], [shard(1, 2)], id="small ones share"),
        pytest.param([a_run(1, 6), a_run(2, 6), a_run(3, 6)], [], [shard(1, 2), shard(3)], id="until it is full"),
        pytest.param([a_run(1, 1, 90), a_run(2, 1, 40)], [], [shard(1, priority=90), shard(2)],
                     id="of one priority"),
        pytest.param([a_run(1, 1, urgent=True), a_run(2, 1)], [], [shard(1, urgent=True), shard(2)],
                     id="of one lane"),
        pytest.param([a_run(1, 1), a_run(2, 1)], [shard(1, 9)], [shard(2)], id="one of them waits already"),
        pytest.param([a_run(1, 20)], [shard(9)] * (WINDOW - 1), [shard(1)], id="as far as there is room"),
        pytest.param([a_run(1, 10, 90)], [shard(9)] * WINDOW, [shard(1, priority=90)],
                     id="what is more urgent has room"),
        pytest.param([a_run(1, 10, 20)], [shard(9)] * WINDOW, [], id="what is less urgent waits"),
    ],
)  # fmt: skip
def test_which_shards_are_wanting(runs: list[OpenRun], waiting: list[Shard], wanted: list[Shard]) -> None:
    assert wanting(runs, waiting, SIZE) == wanted


def test_one_run_does_not_fill_the_window() -> None:
    assert len(wanting([a_run(1, SIZE * WINDOW)], [], SIZE)) == OF_ONE_RUN


@given(
    st.lists(
        st.builds(
            OpenRun,
            id=st.integers(1, 300),
            priority=st.integers(0, 100),
            urgent=st.booleans(),
            due=st.integers(0, SIZE * 30),
        ),
        unique_by=lambda run: run.id,
        max_size=200,
    )
)
def test_the_window_and_nobody_forgotten(runs: list[OpenRun]) -> None:
    runs.sort(key=lambda run: -run.priority)
    made = wanting(runs, [], SIZE)
    assert [shard.priority for shard in made] == sorted((shard.priority for shard in made), reverse=True)
    assert all(len(shard.runs) <= RUNS for shard in made)
    for priority in {shard.priority for shard in made}:
        assert sum(shard.priority >= priority for shard in made) <= WINDOW
    shares = Counter(run for shard in made for run in shard.runs)
    if len(made) < WINDOW:
        for run in runs:
            assert shares[run.id] == (-(-run.due // SIZE) if run.due else 0)
    assert wanting(runs, made, SIZE) == [], "a second look finds all of it waiting"


def test_a_shard_covers_so_many_small_runs() -> None:
    found = wanting([a_run(number, 1) for number in range(RUNS + 1)], [], 10 * RUNS)
    assert [len(each.runs) for each in found] == [RUNS, 1]
