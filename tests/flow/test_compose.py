"""From a claimed delivery to its message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.links import LinkMaker, Wanted, clicked
from mailer.core.message import Letter, Message, Rendered
from mailer.core.token import Keyring, verify
from mailer.core.verp import Attempt, ReturnPath
from mailer.errors import RenderError
from mailer.flow.compose import Composer, Identity
from mailer.render.mime import assemble
from mailer.render.renderer import Template
from tests.campaigns.stock import CUSTOMERS, SHOP, a_job

NOW = datetime(2026, 11, 24, 7, tzinfo=UTC)
KEYS = Keyring.single("k" * 32)
IDENTITY = Identity(SHOP, ZoneInfo("Europe/Istanbul"), "https://mail.example", KEYS)


class Versions:
    """Published templates by number: a source, or something nobody can read."""

    def __init__(self, **parts: Any) -> None:
        self._parts = parts
        self.asked = 0
        self.soon: list[int] = []

    async def foreseen(self) -> list[int]:
        return self.soon

    async def parts(self, version_id: int) -> dict[str, Any]:
        self.asked += 1
        return {"definition": {"description": "what it is"}, "parts": self._parts[f"v{version_id}"]}


def published(text: str) -> dict[str, Any]:
    part = {"": {"file": "t/body.txt", "source": text, "origins": [[1, "t/body.txt", 7]]}}
    return {"format": 1, "template": "t", "parts": {"subject": part, "text": part}, "images": {}}


def composer(
    versions: Versions, letters: list[tuple[Rendered, Letter]] | None = None, identity: Identity = IDENTITY
) -> Composer:
    def put_together(rendered: Rendered, letter: Letter) -> Message:
        if letters is not None:
            letters.append((rendered, letter))
        return assemble(rendered, letter)

    return Composer(identity=identity, versions=versions, compile_template=Template, assemble=put_together)


JOB = replace(a_job("birthday", CUSTOMERS["named"]), version_id=1)


async def test_every_attempt_makes_the_same_message() -> None:
    versions = Versions(v1=published("Hi {{ customer.first_name }} {{ links.unsubscribe }}"))
    made = []
    for _attempt in range(2):  # two senders, nothing shared
        each = composer(versions)
        await each.prepare([JOB])
        made += [each.compose(JOB, NOW), each.compose(JOB, NOW)]
    assert len({message.data for message in made}) == 1
    assert versions.asked == 2
    assert made[0].message_id == composer(versions).message_id(JOB)
    later = replace(JOB, message_id="<kept@kardelen.example>", attempts=1)
    assert each.compose(later, NOW + timedelta(hours=1)).message_id == "<kept@kardelen.example>"


async def test_what_will_be_needed_is_compiled_ahead_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = []
    monkeypatch.setattr(Template, "ready", lambda _self, locale: ready.append(locale))
    versions = Versions(v1=published("Hi {{ customer.first_name }}"), v2={"not": "a template"})
    versions.soon = [1, 2]
    made = composer(versions)
    await made.foresee()
    await made.foresee()
    await made.prepare([JOB])
    assert (versions.asked, ready) == (2, ["tr"])
    assert b"Hi" in made.compose(JOB, NOW).data


async def test_a_template_that_cannot_be_compiled_fails_its_own_mails_and_nobody_before() -> None:
    versions = Versions(v1=published("{% if %}"))
    versions.soon = [1]
    made = composer(versions)
    await made.foresee()
    with pytest.raises(RenderError):
        made.compose(JOB, NOW)


async def test_the_links_are_those_of_this_delivery() -> None:
    letters: list[tuple[Rendered, Letter]] = []
    made = composer(Versions(v1=published("{{ links.unsubscribe }} {{ links.preferences }}")), letters)
    await made.prepare([JOB])
    made.compose(JOB, NOW)
    [(rendered, letter)] = letters
    unsubscribe, preferences = rendered.text.split()
    assert letter.unsubscribe_url == unsubscribe
    for purpose, link in (("unsubscribe", unsubscribe), ("preferences", preferences)):
        assert verify(KEYS, purpose, link.rpartition("/")[2]) == [
            JOB.delivery_id,
            JOB.customer_key,
            JOB.email,
        ]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"format": 9}, "the published template cannot be used: KeyError"),
        (published("{% frobnicate %}"), "t/body.txt"),
        (published("{{ customer.name | gone }}"), "t/body.txt:7: No filter named 'gone'"),
    ],
    ids=["unreadable", "a tag of another time", "a filter of another time"],
)
async def test_a_template_nobody_can_use_fails_its_own_deliveries(
    parts: Mapping[str, Any], said: str
) -> None:
    made = composer(Versions(v1=parts, v2=published("fine")))
    fine = replace(JOB, version_id=2)
    await made.prepare([JOB, fine])
    for _ in range(2):
        with pytest.raises(RenderError, match=said) as caught:
            made.compose(JOB, NOW)
        assert caught.value.reason == "render"
    assert b"fine" in made.compose(fine, NOW).data


async def test_a_test_says_that_it_is_one() -> None:
    made = composer(Versions(v1=published("Hi")))
    await made.prepare([JOB])
    assert b"Subject: [TEST] Hi\r\n" in made.compose(JOB, NOW, mark=True).data


async def test_names_with_controls_are_refused_not_trimmed() -> None:
    made = composer(Versions(v1=published("Hi")))
    await made.prepare([JOB])
    for name in ("\nAda", "Ada\t", "A\x85"):
        with pytest.raises(RenderError, match="control") as caught:
            made.compose(replace(JOB, customer=replace(JOB.customer, first_name=name)), NOW)
        assert caught.value.reason == "header"


async def test_every_attempt_has_a_return_path_of_its_own() -> None:
    path = ReturnPath("b@bounce.example", KEYS)
    made: list[tuple[Rendered, Letter]] = []
    versions = Versions(v1=published("Hi"))
    each = composer(versions, made, replace(IDENTITY, returns=path, tag="X-PM-Metadata-mail"))
    await each.prepare([JOB])
    messages = [each.compose(replace(JOB, delivery_id=7, attempts=attempts), NOW) for attempts in (0, 1)]
    assert [path.read(message.mail_from) for message in messages] == [Attempt(7, 1), Attempt(7, 2)]
    for message in messages:
        token = message.mail_from.partition("+")[2].partition("@")[0]
        assert f"\r\nX-PM-Metadata-mail: {token}\r\n".encode() in message.data
    # Of a mail nobody planned nothing could be booked: it comes back to the sender.
    test = each.compose(replace(JOB, delivery_id=0), NOW, mark=True)
    assert (test.mail_from, made[-1][1].own) == ("merhaba@kardelen.example", ())
    # Without a return path, as ever.
    plain = composer(versions)
    await plain.prepare([JOB])
    assert plain.compose(JOB, NOW).mail_from == "merhaba@kardelen.example"


def counting(wanted: Wanted) -> Composer:
    versions = Versions(v1={**published("https://a.example/"), "parts": PARTS})
    identity = replace(IDENTITY, links=LinkMaker(KEYS, IDENTITY.public_url, wanted))
    return Composer(identity=identity, versions=versions, compile_template=Template, assemble=assemble)


PARTS = {
    "subject": {"": {"file": "t/subject.txt", "source": "Hi", "origins": []}},
    "text": {"": {"file": "t/body.txt", "source": '{{ "https://a.example/" | tracked }}', "origins": []}},
    "html": {"": {"file": "t/body.html", "source": "<body><p>Hi</p></body>", "origins": []}},
}


@pytest.mark.parametrize(
    ("purpose", "attribute", "uncounted", "clicks", "opens"),
    [
        ("commercial", None, False, True, False),
        ("commercial", "yes", False, True, True),
        ("commercial", "clicks", False, True, False),
        ("commercial", "no", False, False, False),
        ("commercial", "yes", True, False, False),  # refused by their own word
        ("service", "yes", False, False, False),
    ],
)
async def test_who_is_counted(
    purpose: str, attribute: str | None, uncounted: bool, clicks: bool, opens: bool
) -> None:
    made = counting(Wanted(clicks=True, opens=True))
    attributes = {"tracking": attribute} if attribute else {}
    job = replace(
        JOB, purpose=purpose, uncounted=uncounted, customer=replace(JOB.customer, attributes=attributes)
    )
    await made.prepare([job])
    rendered = made.render(job)
    assert ("https://mail.example/c/" in rendered.text) is clicks
    assert ("https://mail.example/o/" in (rendered.html or "")) is opens
    if not clicks:
        assert "https://a.example/" in rendered.text


async def test_the_links_of_a_test_mail_count_for_nobody() -> None:
    made = counting(Wanted(clicks=True, opens=True))
    job = replace(JOB, delivery_id=0, customer=replace(JOB.customer, attributes={"tracking": "yes"}))
    await made.prepare([job])
    rendered = made.render(job)
    assert clicked(KEYS, rendered.text.strip().rpartition("/")[2]) == ("https://a.example/", 0)
    assert "/o/" not in (rendered.html or "")


BY_SERVICE = replace(SHOP, from_="Kardelen Bilgi <bilgi@haber.kardelen.example>")


@pytest.mark.parametrize(
    ("purpose", "own", "name", "address", "list_id"),
    [
        ("commercial", True, "Kardelen", "merhaba@kardelen.example", "birthday.kardelen.example"),
        ("commercial", False, "Kardelen", "merhaba@kardelen.example", "birthday.kardelen.example"),
        ("service", True, "Kardelen Bilgi", "bilgi@haber.kardelen.example", None),
        ("service", False, "Kardelen", "merhaba@kardelen.example", None),
    ],
)
@pytest.mark.parametrize("path", [None, ReturnPath("b@bounce.example", KEYS)], ids=["", "with a return path"])
async def test_who_writes(
    purpose: str, own: bool, name: str, address: str, list_id: str | None, path: ReturnPath | None
) -> None:
    letters: list[tuple[Rendered, Letter]] = []
    identity = replace(IDENTITY, service=BY_SERVICE if own else None, returns=path)
    made = composer(Versions(v1=published("{{ tenant.from }}")), letters, identity)
    job = replace(JOB, purpose=purpose, delivery_id=7)
    await made.prepare([job])
    for mark in (False, True):
        message = made.compose(job, NOW, mark=mark)
        [(rendered, letter)] = letters
        letters.clear()
        assert (letter.from_name, letter.from_address, letter.list_id) == (name, address, list_id)
        assert letter.message_id == made.message_id(job)
        assert letter.message_id.endswith(f"@{address.partition('@')[2]}>")
        assert rendered.text.strip() == f"{name} <{address}>"
        assert message.mail_from == address if path is None else path.read(message.mail_from) == Attempt(7, 1)
