"""The contract with every recipient, played on a ledger in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.area import Area
from mailer.core.incident import Incident, IncidentState, Update
from mailer.core.incident_change import Change, next_update
from mailer.core.notice import Notice, Person, RecipientState, Step, steps
from mailer.core.pace import Hours
from mailer.core.quiet import QuietHours
from mailer.core.standing import Kind, Told, standing
from mailer.errors import UsageError

T0 = datetime(2027, 1, 15, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = Hours(ZoneInfo("Europe/Istanbul"), QuietHours.parse("21:00-09:00"))
A, B, C = 1, 2, 3


@dataclass(frozen=True)
class Decided:
    """The steps of one look, taken together."""

    steps: list[Step]

    @property
    def notices(self) -> tuple[Notice, ...]:
        return tuple(notice for step in self.steps for notice in step.notices)

    @property
    def cancel(self) -> tuple[int, ...]:
        return tuple(delivery for step in self.steps for delivery in step.cancel)


@dataclass
class Town:
    """Customers by number, where they live, and the ledger of one incident."""

    homes: dict[int, str]
    addresses: dict[int, str] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    ledger: dict[int, list[Told]] = field(default_factory=dict)
    states: dict[int, RecipientState] = field(default_factory=dict)
    incident: Incident = field(init=False)

    def open(self, *postal: str) -> Decided:
        first = Update(1, IncidentState.INVESTIGATING, "Fault", Area.of(postal=postal), T0, "ayse")
        self.incident = Incident(7, planned=False, opened_at=T0, updates=(first,), published_at=T0)
        return self.plan()

    def update(self, hours: float = 1, **change: object) -> Decided:
        at = self.incident.current.at + hours * HOUR
        new = next_update(self.incident, Change(**change), at, "ayse")
        self.incident = replace(self.incident, updates=(*self.incident.updates, new))
        return self.plan()

    def plan(self) -> Decided:
        decided = self.decide()
        for told in self.rows():
            if told.delivery_id in decided.cancel:
                self._set(told, state="cancelled")
        for step in decided.steps:
            for notice in step.notices:
                self._write(notice, back=step.back)
        for step in decided.steps:
            self.states.update(step.states)
        return decided

    def decide(self) -> Decided:
        area = self.incident.current.area
        people = [
            Person(
                customer_key=key, id=f"c{key}", email=self.address(key), address=self.address(key),
                affected=home in area.postal, suppressed=self.address(key) in self.dead,
                points=({"postal_code": home},), state=self.states.get(key),
                standing=standing(self.ledger.get(key, []), self.incident, self.address(key)),
            )
            for key, home in self.homes.items()
            if home in area.postal or key in self.states
        ]  # fmt: skip
        return Decided(steps(self.incident, people, HOURS))

    def address(self, key: int) -> str:
        return self.addresses.get(key, f"c{key}@shop.example")

    def rows(self) -> list[Told]:
        return [told for rows in self.ledger.values() for told in rows]

    def answer(self, state: str, *keys: int, reason: str | None = None) -> None:
        """What becomes of everything not yet settled, for these customers or for all."""
        for key in keys or tuple(self.ledger):
            for told in list(self.ledger.get(key, [])):
                if told.state in ("queued", "sending", "deferred", "in_doubt"):
                    self._set(told, state=state, reason=reason)

    def _set(self, told: Told, state: str, reason: str | None = None) -> None:
        for rows in self.ledger.values():
            rows[:] = [
                row._replace(state=state, reason=reason) if row.delivery_id == told.delivery_id else row
                for row in rows
            ]

    def _write(self, notice: Notice, *, back: bool) -> None:
        number = self.incident.current.number
        delivery_id = (
            1_000 * number + 500 * back + notice.customer_key
        )  # 500: of the run for those who are back
        rows = self.ledger.setdefault(notice.customer_key, [])
        left_out = [row for row in rows if row.delivery_id == delivery_id]
        if left_out and notice.back is not back:
            return  # it stands as it did
        now_at = self.address(notice.customer_key)
        assert all(
            row.state == "skipped" or (row.state == "failed" and row.address != now_at) for row in left_out
        ), "one delivery a run and customer"
        assert bool(left_out) is (notice.again and notice.back is back)
        rows[:] = [row for row in rows if row not in left_out]
        rows.append(
            Told(
                delivery_id=delivery_id,
                update=number,
                kind=notice.kind,
                state="skipped" if notice.skip else "queued",
                reason=notice.skip,
                address=self.address(notice.customer_key),
                message_id=f"<{number}.{notice.customer_key}>",
            )
        )


def told(decided: Decided) -> dict[int, str]:
    return {notice.customer_key: notice.skip or notice.kind.value for notice in decided.notices}


def test_case_16() -> None:
    town = Town({A: "34710", B: "34722", C: "34722"})
    assert told(town.open("34710")) == {A: "first"}
    town.answer("sent")
    assert told(town.update(add_postal=("34722",))) == {B: "first", C: "first"}
    town.answer("sent", B)
    closing = town.update(2, state=IncidentState.RESOLVED)
    assert told(closing) == {A: "closure", B: "closure"}
    assert closing.cancel == (2_003,)
    assert [notice.in_reply_to for notice in closing.notices] == ["<1.1>", "<2.2>"]


@pytest.mark.parametrize(
    ("became", "reason", "at_update", "at_end"),
    [
        ("sent", None, "update", "closure"),
        ("queued", None, "first", None),
        ("deferred", None, "first", None),
        ("sending", None, None, None),
        ("in_doubt", None, None, None),
        ("failed", "refused", "suppressed", None),
        ("failed", "not_representable", "suppressed", None),
        ("failed", "render", "first", None),
        ("expired", None, "first", None),
        ("cancelled", None, "first", None),
    ],
)
def test_what_became_of_the_first_notice_decides(
    became: str, reason: str | None, at_update: str | None, at_end: str | None
) -> None:
    for change, expected in (
        ({"message": "Found it."}, at_update),
        ({"state": IncidentState.RESOLVED}, at_end),
        ({"state": IncidentState.CANCELLED}, at_end),
    ):
        town = Town({A: "34710"})
        town.open("34710")
        town.answer(became, reason=reason)
        decided = town.update(**change)
        assert told(decided).get(A) == expected
        assert bool(decided.cancel) is (became in ("queued", "deferred"))


def test_who_was_on_the_way_hears_later() -> None:
    for end, expected in (("sent", {A: "closure"}), ("failed", {}), ("cancelled", {})):
        town = Town({A: "34710"})
        town.open("34710")
        town.answer("sending")
        assert told(town.update(state=IncidentState.RESOLVED)) == {}
        town.answer(end)
        assert told(town.plan()) == expected
        assert told(town.plan()) == {}


def test_narrowed_area_says_farewell_once() -> None:
    town = Town({A: "34710", B: "34722", C: "34722"})
    town.open("34710", "34722")
    town.answer("sent", A, B)
    narrowed = town.update(remove_postal=("34722",))
    assert told(narrowed) == {B: "unaffected"}
    assert narrowed.cancel == (1_003,)
    assert town.states == {A: "affected", B: "left", C: "left"}
    town.answer("sent")
    assert told(town.update(message="More.")) == {A: "update"}
    town.answer("sent")
    assert told(town.update(state=IncidentState.RESOLVED)) == {A: "closure"}


def test_farewell_still_queued_at_the_end_goes_out() -> None:
    town = Town({A: "34710", B: "34722"})
    town.open("34710", "34722")
    town.answer("sent")
    town.update(remove_postal=("34722",))
    ended = town.update(state=IncidentState.RESOLVED)
    assert told(ended) == {A: "closure"}
    assert ended.cancel == ()


def test_farewell_still_queued_is_not_said_twice() -> None:
    town = Town({A: "34710", B: "34722"})
    town.open("34710", "34722")
    town.answer("sent")
    town.update(remove_postal=("34722",))
    newer = town.update(message="More.")
    assert told(newer) == {A: "update"}
    assert newer.cancel == ()


def test_back_in_the_area_goes_on_in_the_thread() -> None:
    town = Town({A: "34710", B: "34722"})
    town.open("34710", "34722")
    town.answer("sent")
    town.update(remove_postal=("34722",))
    town.answer("sent")
    town.update(add_postal=("34722",))
    town.answer("sent")
    assert [notice.in_reply_to for notice in town.update(message="More.").notices] == ["<1.1>", "<1.2>"]


@pytest.mark.parametrize(
    ("change", "heard"),
    [({"message": "More."}, "unaffected"), ({"state": IncidentState.RESOLVED}, "closure")],
)
def test_who_moves_away_is_not_forgotten(change: dict[str, object], heard: str) -> None:
    town = Town({A: "34710", B: "34710"})
    town.open("34710")
    town.answer("sent")
    town.homes[B] = "34722"
    assert told(town.plan()) == {}
    assert town.states[B] == "affected"
    assert told(town.update(**change))[B] == heard
    town.answer("sent")
    assert told(town.plan()) == {}


def test_back_before_the_next_update_is_told_at_once_and_once() -> None:
    town = Town({A: "34710", B: "34722"})
    town.open("34710", "34722")
    town.answer("sent")
    town.update(remove_postal=("34722",))
    town.answer("sending", B)
    town.homes[B] = "34710"
    assert told(town.plan()) == {}  # the farewell is with the relay this moment
    town.answer("sent", B)
    back = town.plan()
    assert [(notice.kind, notice.in_reply_to, notice.back) for notice in back.notices] == [
        (Kind.FIRST, "<1.2>", True)
    ]
    assert town.states[B] == "affected"
    assert told(town.plan()) == {}
    town.answer("sent")
    for home in ("34722", "34710", "34722", "34710"):  # who moves again hears with the next update
        town.homes[B] = home
        assert told(town.plan()) == {}
    assert told(town.update(message="More.")) == {A: "update", B: "update"}
    town.answer("sent")
    assert told(town.update(state=IncidentState.RESOLVED)) == {A: "closure", B: "closure"}


def test_back_before_the_farewell_left_they_never_were_out() -> None:
    for message, expected in ((None, {}), ("More.", {B: "update"})):
        town = Town({A: "34710", B: "34722"})
        town.open("34710", "34722")
        town.answer("sent")
        town.update(remove_postal=("34722",), message=message)
        town.homes[B] = "34710"
        back = town.plan()
        assert told(back) == expected
        assert back.cancel == (2_002,)
        assert town.states[B] == "affected"
        assert told(town.plan()) == {}


def test_another_record_of_the_address_that_comes_to_be_affected_is_told() -> None:
    town = Town({A: "34710", B: "34722"}, addresses={A: "x@y.example", B: "x@y.example"})
    town.open("34710")
    town.answer("sent")
    town.update(postal=("34733",))
    town.answer("sent")
    town.homes[B] = "34733"
    assert told(town.plan()) == {B: "first"}
    assert told(town.plan()) == {}


def test_back_in_the_area() -> None:
    town = Town({A: "34710", B: "34722"})
    town.open("34710", "34722")
    town.answer("sent")
    town.update(remove_postal=("34722",))
    at_once = town.update(add_postal=("34722",))
    assert told(at_once) == {}  # the farewell had not left: they never were out
    assert at_once.cancel == (2_002,)
    assert town.states[B] == "affected"
    town.update(remove_postal=("34722",))
    town.answer("sent")
    assert told(town.update(add_postal=("34722",))) == {B: "first"}
    ended = town.update(state=IncidentState.RESOLVED)
    assert told(ended) == {A: "closure"}  # B was told "not affected any more", and nothing since


def test_reopened_soon_goes_on_in_the_thread() -> None:
    town = Town({A: "34710", B: "34710"})
    town.open("34710")
    town.answer("sent", A)
    town.update(state=IncidentState.RESOLVED)
    town.answer("sent", A)
    again = town.update(state=IncidentState.REOPENED)
    assert {notice.customer_key: (notice.kind, notice.in_reply_to) for notice in again.notices} == {
        A: (Kind.UPDATE, "<1.1>"),
        B: (Kind.FIRST, None),
    }


def test_reopened_late_begins_anew() -> None:
    town = Town({A: "34710"})
    town.open("34710")
    town.answer("sent")
    town.update(state=IncidentState.RESOLVED)
    town.answer("sent")
    again = town.update(5, state=IncidentState.REOPENED)
    assert [(notice.kind, notice.in_reply_to) for notice in again.notices] == [(Kind.FIRST, None)]
    town.answer("sent")
    assert [notice.in_reply_to for notice in town.update(message="More.").notices] == ["<3.1>"]


def test_newer_update_replaces_what_is_queued() -> None:
    town = Town({A: "34710", B: "34710"})
    town.open("34710")
    town.answer("sent", A)
    town.update(message="Two.")
    town.answer("sending", B)
    newer = town.update(add_postal=("34722",))
    # A was promised update 2: an update that only moves the area must carry its words.
    assert told(newer) == {A: "update"}
    assert newer.cancel == (2_001,)
    town.answer("sent")
    assert told(town.plan()) == {}


def test_who_joins_later_gets_the_first_notice_under_the_same_update() -> None:
    town = Town({A: "34710"})
    town.open("34710")
    town.answer("sent")
    town.homes[B] = "34710"
    assert told(town.plan()) == {B: "first"}
    assert told(town.plan()) == {}


def test_one_address_is_one_recipient() -> None:
    town = Town(
        {A: "34710", B: "34710", C: "34722"}, addresses={A: "x@y.example", B: "x@y.example", C: "x@y.example"}
    )
    opened = town.open("34710")
    assert told(opened) == {A: "first", B: "duplicate"}
    assert opened.notices[0].points == ({"postal_code": "34710"}, {"postal_code": "34710"})
    town.answer("sent", A)
    assert told(town.update(add_postal=("34722",))) == {C: "duplicate"}
    assert told(town.update(remove_postal=("34710",))) == {}  # one of their points still is affected
    assert town.states == {A: "affected", B: "left", C: "duplicate"}
    assert told(town.update(state=IncidentState.RESOLVED)) == {A: "closure"}


def test_older_record_that_joins_does_not_take_over() -> None:
    town = Town({B: "34710", A: "34722"}, addresses={A: "x@y.example", B: "x@y.example"})
    assert told(town.open("34710")) == {B: "first"}
    town.answer("sent")
    assert told(town.update(add_postal=("34722",))) == {A: "duplicate"}
    assert told(town.update(message="More.")) == {B: "update", A: "duplicate"}


def test_unreachable_are_recorded_and_come_back() -> None:
    town = Town({A: "34710", B: "34710"}, addresses={A: ""}, dead={"c2@shop.example"})
    assert told(town.open("34710")) == {A: "not_eligible", B: "suppressed"}
    assert town.states == {A: "unreachable", B: "unreachable"}
    assert told(town.plan()) == {}
    town.addresses[A] = "found@shop.example"
    assert told(town.plan()) == {A: "first"}
    assert town.states[A] == "affected"


def test_address_that_was_refused_is_unreachable_until_it_changes() -> None:
    town = Town({A: "34710"})
    town.open("34710")
    town.answer("failed", reason="refused")
    assert told(town.plan()) == {}
    assert town.states == {A: "unreachable"}
    town.addresses[A] = ""
    assert told(town.plan()) == {}
    town.addresses[A] = "dead@shop.example"
    town.dead.add("dead@shop.example")
    assert told(town.plan()) == {}
    town.addresses[A] = "right@shop.example"
    assert told(town.plan()) == {A: "first"}  # under the same update
    assert told(town.plan()) == {}
    town.answer("sent")
    town.update(message="More.")
    town.answer("failed", reason="refused")
    town.addresses[A] = "new@shop.example"
    assert told(town.plan()) == {A: "update"}


def test_address_that_died_gets_no_closure() -> None:
    town = Town({A: "34710"})
    town.open("34710")
    town.answer("sent")
    town.dead.add("c1@shop.example")
    assert told(town.update(state=IncidentState.RESOLVED)) == {A: "suppressed"}
    assert town.states == {A: "unreachable"}


HOMES = ("34710", "34722", "34733")

moves = st.one_of(
    st.tuples(st.just("message"), st.integers(0, 99)),
    st.tuples(st.just("add"), st.sampled_from(HOMES)),
    st.tuples(st.just("remove"), st.sampled_from(HOMES)),
    st.tuples(st.just("state"), st.sampled_from(["identified", "resolved", "reopened"])),
    st.tuples(
        st.sampled_from(["sending", "sent", "queued", "deferred", "failed", "in_doubt"]), st.integers(1, 5)
    ),
    st.tuples(st.just("move"), st.tuples(st.integers(1, 5), st.sampled_from(HOMES))),
    st.tuples(st.just("write from"), st.tuples(st.integers(1, 5), st.sampled_from(["", "c1@x", "c2@x"]))),
)


def _play(town: Town, moves: Iterable[tuple[str, object]]) -> None:
    for verb, what in moves:
        before = {key: list(rows) for key, rows in town.ledger.items()}
        try:
            if verb == "message":
                decided = town.update(0.1, message=str(what))
            elif verb == "add":
                decided = town.update(0.1, add_postal=(what,))
            elif verb == "remove":
                decided = town.update(0.1, remove_postal=(what,))
            elif verb == "state":
                decided = town.update(0.1, state=IncidentState(str(what)))
            elif verb == "move":
                key, home = what  # type: ignore[misc]  # what a move says is a pair
                town.homes[key] = home
                decided = town.plan()
            elif verb == "write from":
                key, address = what  # type: ignore[misc]  # so is what this says
                town.addresses[key] = address
                decided = town.plan()
            else:
                town.answer(verb, int(str(what)), reason="refused" if verb == "failed" else None)
                decided = town.plan()
        except UsageError:
            continue
        for notice in decided.notices:
            accepted = any(
                row.kind == "first" and row.state == "sent" for row in before.get(notice.customer_key, [])
            ) or any(row.kind == "first" and row.state == "sent" for row in town.ledger[notice.customer_key])
            assert notice.kind is Kind.FIRST or accepted
            assert not (notice.kind is Kind.FIRST and town.incident.current.closes)
        assert town.decide().steps == []
        assert all(
            sum(row.update == town.incident.current.number for row in rows) <= 2
            for rows in town.ledger.values()
        )
        number = town.incident.current.number
        stale = [row for row in town.rows() if row.update < number and row.state in ("queued", "deferred")]
        assert all(row.kind == "unaffected" for row in stale)


@given(st.lists(moves, max_size=25))
def test_laws(played: list[tuple[str, object]]) -> None:
    """Deciding again adds nothing; only the told hear more; nothing old waits; an end begins nothing."""
    town = Town(dict(zip(range(1, 6), HOMES + HOMES, strict=False)), addresses={5: "c1@shop.example"})
    town.open("34710")
    _play(town, played)
