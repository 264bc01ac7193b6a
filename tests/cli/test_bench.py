"""`mailer bench`: small runs of it in a process of its own, and its parts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from mailer.bench.databases import databases
from mailer.bench.engine import EngineRun
from mailer.bench.postfix import Sink, program
from mailer.bench.process import Memory, cpu_seconds, peak_mb, run
from mailer.bench.report import engine_rows, summary
from mailer.bench.rounds import ENGINE, Result
from mailer.errors import MailerError, UsageError

PATIENCE = 120.0  # seconds; a run takes about ten on a machine with nothing else to do
LOOK = 0.02

#: The bench, but that it measures smtp-source with two thousand mails: twenty thousand took most of a test.
FEWER = "from mailer.bench import rounds; rounds._FEWEST = 2_000; from mailer.__main__ import main; main()"


@pytest.fixture
def postfix() -> None:
    """Its load generator is on this machine."""
    try:
        program("smtp-sink")
    except UsageError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """The bench in a folder of its own, whose owner has a shop and an environment that says where."""
    (folder / "tmp").mkdir()
    (folder / "settings.yaml").write_text("database_url: sqlite:///real.db\n")
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "MAILER_DATABASE_URL": "sqlite:///real.db"}
    return subprocess.Popen(
        [sys.executable, "-c", FEWER, "bench", *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def left(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.name != "settings.yaml") + [
        each.name for each in (folder / "tmp").iterdir()
    ]


def test_every_mail_is_sent_arrives_and_is_counted(tmp_path: Path, postfix: None) -> None:
    bench = start(tmp_path, "200", "--rounds", "1", "--coupon", "--json")
    out, err = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, err
    *senders, ours = [json.loads(line) for line in out.splitlines()]
    assert [row["sender"].split()[0].strip(",") for row in senders[:7]] == [
        "mailer", "smtp-source", "smtp-source", "aiosmtplib", "aiosmtplib", "smtplib", "smtplib",
    ]  # fmt: skip
    assert all(row["mails_per_second"] > 0 and row["peak_mb"] > 1 for row in senders)
    assert senders[1]["ratio"] == 1.0
    assert (ours["sent"], ours["arrived"], ours["mode"], ours["database"]) == (200, 200, "coupon", "SQLite")
    assert 0 < ours["first_mail_seconds"] <= ours["seconds"]
    assert ours["senders_cpu_us"] > 0
    assert left(tmp_path) == ["tmp"]  # neither a shop of ours nor anything in the owner's


def test_stopping_it_ends_and_removes_everything(tmp_path: Path, postfix: None) -> None:
    bench = start(tmp_path, "200")
    deadline = time.monotonic() + PATIENCE
    while not list((tmp_path / "tmp").glob("mailer-bench-*/mails.json")):
        assert bench.poll() is None
        assert time.monotonic() < deadline
        time.sleep(LOOK)
    (counter,) = (tmp_path / "tmp").glob("mailer-bench-*/sink-*")
    port = counter.name.removeprefix("sink-")
    bench.send_signal(signal.SIGTERM)
    _out, err = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 130, err
    assert "Stopped." in err
    assert left(tmp_path) == ["tmp"]
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert f"127.0.0.1:{port} " not in processes


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(UsageError, match=r"smtp-never.*Debian package postfix"):
        program("smtp-never")


@pytest.mark.parametrize(
    ("said", "mails"),
    [
        (b"", 0),
        (b"sess=1 quit=0 mes", 0),
        (b"sess=1 quit=0 mesg=7\r", 7),
        (b"sess=1 quit=0 mesg=7\rsess=1 quit=0 mesg=1", 7),  # the rest of 18 is still to come
        (b"sess=10 quit=0 mesg=999999\rsess=10 quit=0 mesg=1000000\r", 1_000_000),
    ],
)
def test_the_sinks_counter_is_read_whole_lines_only(tmp_path: Path, said: bytes, mails: int) -> None:
    (tmp_path / "sink").write_bytes(said)
    assert Sink(25, 1, tmp_path / "sink").mails() == mails


async def test_what_a_process_used_is_told() -> None:
    used = await run(
        [sys.executable, "-c", "import time; sum(range(5_000_000)); time.sleep(0.5); print('done')"]
    )
    assert used.out == "done\n"
    assert 0 < used.cpu_seconds <= used.seconds * 1.5
    assert 2 < used.peak_mb < 60
    assert cpu_seconds([os.getpid(), 2**30]) > 0
    assert peak_mb([os.getpid()]) > 10
    with pytest.raises(MailerError, match="no such thing"):
        await run([sys.executable, "-c", "import sys; sys.exit('no such thing')"])


async def test_databases_of_ours_come_and_go(tmp_path: Path, postgresql_url: str) -> None:
    def names() -> set[str]:
        with psycopg.connect(postgresql_url) as connection:
            found = connection.execute("SELECT datname FROM pg_database WHERE datname NOT LIKE 'mailer_t%'")
            return {row[0] for row in found.fetchall()}  # those of other tests come and go meanwhile

    before = names()
    async with databases(tmp_path, postgresql_url) as made:
        first = await made.empty()
        with psycopg.connect(first, autocommit=True) as connection:
            connection.execute("CREATE TABLE here ()")
        copy = await made.copy(first)
        assert names() - before == {make_url(first).database, make_url(copy).database}
        with psycopg.connect(copy) as connection:
            assert connection.execute("SELECT to_regclass('here')").fetchone() == ("here",)
        await made.drop(first)
        assert names() - before == {make_url(copy).database}
    assert names() == before


@pytest.mark.parametrize("url", ["sqlite:///x.db", "nonsense"])
async def test_only_a_server_is_taken(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="--database"):
        async with databases(tmp_path, url):
            pass


def test_figures_of_several_rounds_are_medians_with_their_spread() -> None:
    ours = EngineRun(
        start_up=2.0, planning=1.0, first=0.5, seconds=4.0, sent=100, arrived=100, planner_cpu=0.5,
        sender_cpu=1.5, sink_cpu=0.1, peak_mb=50, sender=Memory(), whole_mb=90, senders=2,
    )  # fmt: skip
    results = [
        Result(100, number, ENGINE, 100, 4.0, ratio, ours.cpu, 50.0 + number, ours)
        for number, ratio in enumerate((0.5, 0.9, 0.6), 1)
    ]
    (row,) = summary(results)
    assert (row["ratio"], row["ratio_low"], row["ratio_high"]) == (0.6, 0.5, 0.9)
    assert (row["mails_per_second"], row["cpu_us_per_mail"], row["peak_mb"]) == (25, 20_000, 53)
    first = engine_rows(results)[0]
    assert (first["sending_seconds"], first["planner_cpu_us"], first["senders_cpu_us"]) == (
        3.5,
        5_000,
        15_000,
    )
