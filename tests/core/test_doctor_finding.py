"""What an examination comes to."""

from __future__ import annotations

import pytest

from mailer.core.doctor.finding import Verdict, to_look_at, worst

OK, WARN, FAULT, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAULT, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("verdicts", "look", "gravest"),
    [
        ([], False, UNKNOWN),
        ([OK, OK], False, OK),
        ([OK, UNKNOWN], False, UNKNOWN),
        ([OK, WARN], True, WARN),
        ([WARN, UNKNOWN], True, UNKNOWN),
        ([OK, FAULT, UNKNOWN], True, FAULT),
    ],
)
def test_what_several_verdicts_come_to(verdicts: list[Verdict], look: bool, gravest: Verdict) -> None:
    assert (to_look_at(verdicts), worst(verdicts)) == (look, gravest)
