"""A DNS of plain mappings, to run checks of `core.doctor` on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mailer.core.doctor.dns import Answer, Book, Question, Status, Wanted
from mailer.core.doctor.finding import Finding, Verdict
from mailer.core.doctor.sending import Sending

Zone = Mapping[str, str | Sequence[str]]
Check = Callable[[Sending, Book], list[Finding]]

SHOP = Sending("hello@shop.example", "shop.example", "shop.example", relays=["smtp.shop.example"])


def sending(**changes: Any) -> Sending:
    return replace(SHOP, **changes)


def answer(zone: Zone, question: Question) -> Answer:
    """`SERVFAIL` and `SILENT` stand for themselves; what no key speaks of does not exist."""
    found = zone.get(str(question))
    if found == "SERVFAIL":
        return Answer(Status.FAILED)
    if found == "SILENT":
        return Answer(Status.SILENT)
    if found is not None:
        return Answer(Status.FOUND, (found,) if isinstance(found, str) else tuple(found))
    known = any(key.split(" ")[1] == question.name for key in zone)
    return Answer(Status.NO_DATA if known else Status.NO_NAME)


def run(check: Check, zone: Zone, of: Sending = SHOP) -> list[Finding]:
    """The check's findings, with as many rounds of questions as it wants."""
    answers: dict[Question, Answer] = {}
    for _round in range(100):
        try:
            return check(of, Book(answers))
        except Wanted as wanted:
            new = {each: answer(zone, each) for each in wanted.questions}
        assert set(new) - set(answers), "it asks for what it knows"
        answers |= new
    raise AssertionError("it never ends")


def verdicts(found: Sequence[Finding]) -> dict[str, Verdict]:
    """The gravest verdict of each check."""
    order = [Verdict.OK, Verdict.WARN, Verdict.UNKNOWN, Verdict.FAULT]
    told: dict[str, Verdict] = {}
    for each in found:
        told[each.check] = max(each.verdict, told.get(each.check, Verdict.OK), key=order.index)
    return told


def only(found: Sequence[Finding], check: str) -> Finding:
    [one] = [each for each in found if each.check == check]
    return one
