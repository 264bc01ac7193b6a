from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from mailer.core.doctor import dkim_check, dmarc_check, names_check, spf_check
from mailer.core.doctor.dns import Answer, Book, Question
from mailer.core.doctor.finding import Area, Finding, Verdict
from mailer.core.doctor.sending import Sending
from mailer.flow.doctor import Doctor, Seeing
from tests.core.doctoring import SHOP, Zone, answer, verdicts
from tests.steady import make_steady

ALL = [spf_check.check, dkim_check.check, dmarc_check.check, names_check.returns, names_check.sender]
GOOD: Zone = {
    "TXT shop.example": "v=spf1 include:a.example include:b.example -all",
    "TXT a.example": "v=spf1 ip4:203.0.113.1 -all",
    "TXT b.example": "v=spf1 ip4:203.0.113.2 -all",
    "TXT _dmarc.shop.example": "v=DMARC1; p=reject; rua=mailto:d@shop.example",
    "MX shop.example": "10 mx.shop.example",
    "A mx.shop.example": "203.0.113.7",
}


class Answers:
    """Answers after so many seconds; those to names in `slow` never."""

    def __init__(self, zone: Zone, seconds: float = 0.0, slow: Mapping[str, float] | None = None) -> None:
        self.zone, self.seconds, self.slow = zone, seconds, slow or {}
        self.asked: Counter[str] = Counter()

    async def ask(self, question: Question) -> Answer:
        self.asked[str(question)] += 1
        await asyncio.sleep(self.slow.get(question.name, self.seconds))
        return answer(self.zone, question)


async def test_each_question_is_asked_once_and_those_that_can_be_together() -> None:
    answers = Answers(GOOD, seconds=0.05)
    loop = asyncio.get_running_loop()
    make_steady(loop)
    begin = loop.time()
    found = await Doctor(answers, SHOP).examine(ALL, [])
    assert loop.time() - begin < 0.05 * 4  # of eleven questions
    assert set(answers.asked.values()) == {1}
    assert verdicts(found)["spf.lookups"] is Verdict.OK
    assert [each.area for each in found] == sorted((each.area for each in found), key=list(Area).index)


async def test_time_is_bounded_and_what_was_found_stays() -> None:
    async def never() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def at_once() -> list[Finding]:
        return [Finding(Area.MACHINE, "machine.state", Verdict.OK, "It can be written to.")]

    answers = Answers(GOOD, slow={"b.example": 60.0, "_dmarc.shop.example": 60.0})
    looks = [
        Seeing(Area.RELAY, "relay.use", "The relay", never),
        Seeing(Area.MACHINE, "machine.state", "This machine", at_once),
    ]
    loop = asyncio.get_running_loop()
    make_steady(loop)
    begin = loop.time()
    found = verdicts(await Doctor(answers, SHOP, seconds=0.2).examine(ALL, looks))
    assert loop.time() - begin < 1.0
    assert found["spf.record"] is Verdict.OK
    assert found["spf.lookups"] is Verdict.UNKNOWN
    assert found["dmarc.record"] is Verdict.UNKNOWN
    assert found["relay.use"] is Verdict.UNKNOWN
    assert found["machine.state"] is Verdict.OK
    assert found["returns.mx"] is Verdict.OK


async def test_a_check_that_breaks_is_not_hidden() -> None:
    def broken(_sending: Sending, _book: Book) -> list[Finding]:
        raise ZeroDivisionError

    try:
        await Doctor(Answers({}), SHOP).examine([broken], [])
    except ZeroDivisionError:
        return
    raise AssertionError("nobody heard of it")
