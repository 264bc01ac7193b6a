"""Cases 16 to 18: who hears of an outage or of planned work, when, and who does not. One more is one row."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import (
    Play,
    Step,
    Told,
    both,
    do,
    look,
    people,
    played,
    rehearse,
    sent,
    shop_of,
    skipped,
)

DAY = "2027-01-15T"
PLACES = {"A": "34710", "B": "34722", "C": "34710", "D": "35001", "E": "35002", "F": "36001", "G": "37001",
          "H": "38001", "I": "38002", "J": "39001", "K": "40001"}  # fmt: skip

#: (what it is, what is done and when, who is told what). Rows without a number are of the incident of the row.
INCIDENTS: list[tuple[str, list[tuple[str, str]], list[tuple[str, str, str]]]] = [
    ("case 16: the area grows, and C's relay never takes the notice",
     [("08:00", "open --postal 34710"), ("09:00", "update --add-postal 34722"), ("11:00", "resolve")],
     [("A", "1", "08:00"), ("B", "2", "09:00"), ("A", "3", "11:00"), ("B", "3", "11:00"),
      ("C", "1", "cancelled"), ("C", "2", "cancelled"), ("late", "2", "10:00"), ("late", "3", "11:00")]),
    ("narrowed: told once that it is over for them, and then left alone",
     [("08:00", "open --postal 35001 --postal 35002"), ("09:00", "update --remove-postal 35002"),
      ("10:00", "update --state identified"), ("11:00", "resolve")],
     [("D", "1", "08:00"), ("E", "1", "08:00"), ("E", "2", "09:00"), ("D", "3", "10:00"), ("D", "4", "11:00")]),
    ("resolved while the first notices are queued",
     [("08:05", "open --postal 36001"), ("08:05", "resolve")],
     [("F", "1", "cancelled")]),
    ("an update while the first notices are queued: one mail, with the newest",
     [("08:05", "open --postal 37001"), ("08:05", "update --message Kablo")],
     [("G", "1", "cancelled"), ("G", "2", "08:05")]),
    ("reopened within two hours",
     [("08:00", "open --postal 38001"), ("09:00", "resolve"), ("10:00", "update --state reopened")],
     [("H", "1", "08:00"), ("H", "2", "09:00"), ("H", "3", "10:00")]),
    ("reopened after two hours",
     [("08:00", "open --postal 38002"), ("08:06", "resolve"), ("11:00", "update --state reopened")],
     [("I", "1", "08:00"), ("I", "2", "08:06"), ("I", "3", "11:00")]),
    ("an estimate that slips by more than half an hour waits for nothing, by less it does",
     [("08:00", f"open --postal 39001 --eta {DAY}12:00:00Z"), ("08:05", f"update --eta {DAY}12:31:00Z"),
      ("08:06", f"update --eta {DAY}12:50:00Z"), ("09:00", "cancel")],
     [("J", "1", "08:00"), ("J", "2", "08:05"), ("J", "3", "08:20"), ("J", "4", "09:00")]),
    ("a draft is told to nobody", [("08:00", "open --draft --postal 40001")], []),
]  # fmt: skip
LOOKS = ("08:00", "08:05", "08:06", "08:20", "09:00", "10:00", "11:00")


def told(number: int, rows: Sequence[tuple[str, str, str]]) -> list[Told]:
    return [
        skipped("outage", f"{number}:{update}", who, when)
        if when == "cancelled"
        else sent("outage", f"{number}:{update}", who, f"{DAY}{when}:00Z")
        for who, update, when in rows
    ]


def outages() -> Play:
    """All of them in one shop."""
    first = "2027-01-14T00:00:00Z"
    timeline = [people(first, *({"id": who, "postal_code": place} for who, place in PLACES.items()))]
    numbers: dict[int, int] = {}
    for moment in LOOKS:
        now = f"{DAY}{moment}:00Z"
        if moment == "10:00":
            timeline.append(people(now, {"id": "late", "postal_code": "34722"}))
        for row, (title, steps, _expected) in enumerate(INCIDENTS):
            for when, words in steps:
                if when == moment:
                    timeline.append(do(now, *command(row, title, words, numbers)))
        timeline += [rehearse(now, f"{DAY}{moment}:01Z"), *look(now)]
    rows = [each for row, number in numbers.items() for each in told(number, INCIDENTS[row][2])]
    # Of a relay that puts C off again and again a rehearsal knows nothing; whoever has come to live in the area is
    # due from the moment before its window.
    unforeseen = [each for each in rows if each[2] == "C" or each[1:3] == ("1:2", "late")]
    return Play(timeline, [each for each in rows if each not in unforeseen], stock=("outage",), unforeseen=unforeseen,
                only_foreseen=[sent("outage", "1:1", "C", f"{DAY}08:00:00Z"),
                               sent("outage", "1:2", "C", f"{DAY}09:00:00Z")])  # fmt: skip


def command(row: int, title: str, words: str, numbers: dict[int, int]) -> list[str]:
    verb, *rest = words.split()
    if verb == "open":
        numbers[row] = len(numbers) + 1
        return ["incidents", "open", "--title", title, *rest]
    return ["incidents", verb, str(numbers[row]), *rest]


def test_case_16_and_its_like(shop: OpenShop, relay: StartRelay) -> None:
    play = outages()
    here, post = shop_of(play, shop), relay({"to": {"C@*": {"rcpt": "451 4.7.1 come back later"}}})
    here.relay(post.port)
    assert played(play, here) == both(play)
    rows = {(row["customer"], row["occurrence"].partition(":")[2]): row for row in here.deliveries()}
    threads = {mail["Message-ID"]: (mail["In-Reply-To"], mail["References"]) for mail in post.mails()}
    for who, update, first in (
        ("A", "3", "1"),
        ("B", "3", "2"),
        ("E", "2", "1"),
        ("H", "3", "1"),
        ("J", "4", "1"),
    ):
        begun = rows[who, first]["message_id"]
        assert threads[rows[who, update]["message_id"]] == (begun, begun)
    assert threads[rows["I", "3"]["message_id"]] == (None, None)  # another outage, a thread of its own


def planned(*steps: Step) -> list[Step]:
    return [people("2027-02-01T00:00:00Z", {"id": "a", "postal_code": "34710"},
                   {"id": "ldn", "postal_code": "34710", "timezone": "Europe/London"}), *steps]  # fmt: skip


def work(now: str, starts: str, ends: str, *more: str) -> Step:
    times = ("--starts", starts, "--ends", ends)
    return do(now, "incidents", "open", "--title", "Bakım", "--postal", "34710", *times, *more)


PLAYS = {
    "case 17, five updates in twelve minutes": Play(
        [people("2027-01-14T00:00:00Z", {"id": "a", "postal_code": "34710"}),
         do(f"{DAY}10:00:00Z", "incidents", "open", "--title", "Kesinti", "--postal", "34710"),
         rehearse(f"{DAY}10:00:00Z", f"{DAY}10:00:01Z"), *look(f"{DAY}10:00:00Z"),
         *(do(f"{DAY}10:{minute}:00Z", "incidents", "update", "1", "--message", minute)
           for minute in ("03", "06", "09", "12")),
         rehearse(f"{DAY}10:00:01Z", f"{DAY}10:15:01Z"),
         *look(f"{DAY}10:12:00Z", f"{DAY}10:15:00Z"),
         do(f"{DAY}10:16:00Z", "incidents", "update", "1", "--message", "16"),
         do(f"{DAY}10:18:00Z", "incidents", "resolve", "1"),
         rehearse(f"{DAY}10:15:01Z", f"{DAY}10:18:01Z"), *look(f"{DAY}10:18:00Z")],
        [sent("outage", "1:1", "a", f"{DAY}10:00:00Z"), sent("outage", "1:5", "a", f"{DAY}10:15:00Z"),
         sent("outage", "1:7", "a", f"{DAY}10:18:00Z"),
         *(skipped("outage", f"1:{number}", "a", "cancelled") for number in (2, 3, 4, 6))],
        stock=("outage",),
    ),
    "case 18": Play(
        planned(work("2027-02-05T08:00:00Z", "2027-02-10T02:00", "2027-02-10T04:00", "--lead", "48h"),
                rehearse("2027-02-06T00:00:00Z", "2027-02-08T00:00:00Z"),
                *look("2027-02-07T06:59:00Z", "2027-02-07T07:00:00Z", "2027-02-07T10:00:00Z"),
                do("2027-02-08T12:00:00Z", "incidents", "update", "1", "--reschedule", "--starts", "2027-02-11T02:00"),
                rehearse("2027-02-08T12:00:00Z", "2027-02-09T12:00:00Z"),
                *look("2027-02-08T12:00:00Z", "2027-02-09T07:00:00Z", "2027-02-09T10:00:00Z"),
                rehearse("2027-02-09T12:00:00Z", "2027-02-12T00:00:00Z"),
                *look("2027-02-10T07:00:00Z", "2027-02-10T10:00:00Z", "2027-02-11T02:00:00Z")),
        [sent("outage", "1:1", "a", "2027-02-07T07:00:00Z"), sent("outage", "1:1", "ldn", "2027-02-07T10:00:00Z"),
         sent("outage", "1:2", "a", "2027-02-08T12:00:00Z"), sent("outage", "1:2", "ldn", "2027-02-08T12:00:00Z"),
         sent("outage", "1:3", "a", "2027-02-10T07:00:00Z"), sent("outage", "1:3", "ldn", "2027-02-10T10:00:00Z")],
        stock=("outage",),
    ),
    "planned work that is called off between the notice and the reminder": Play(
        planned(work("2027-02-05T08:00:00Z", "2027-02-10T02:00", "2027-02-10T04:00"),
                rehearse("2027-02-07T07:00:00Z", "2027-02-07T07:00:01Z"), *look("2027-02-07T07:00:00Z"),
                do("2027-02-07T08:00:00Z", "incidents", "cancel", "1"),
                rehearse("2027-02-07T07:00:01Z", "2027-02-11T00:00:00Z"),
                *look("2027-02-07T08:00:00Z", "2027-02-07T10:00:00Z", "2027-02-09T07:00:00Z")),
        [sent("outage", "1:1", "a", "2027-02-07T07:00:00Z"), sent("outage", "1:2", "a", "2027-02-07T08:00:00Z"),
         skipped("outage", "1:1", "ldn", "cancelled")],
        stock=("outage",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAYS)
def test_pace_and_planned_work(shop: OpenShop, name: str) -> None:
    assert played(PLAYS[name], shop_of(PLAYS[name], shop)) == both(PLAYS[name])
