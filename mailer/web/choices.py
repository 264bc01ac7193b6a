"""Pages that ask something: which mail somebody wants, whether they want it at all, how it went.

A look at any of them changes nothing, whoever looks: only its button does, and it says so only once that is durable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any
from urllib.parse import parse_qs

from litestar import HttpMethod, Response, route
from litestar.params import FromPath

from mailer.app import App
from mailer.core.event_row import HIGHEST
from mailer.core.links import Counting
from mailer.errors import StoreError
from mailer.flow.answers import Expired
from mailer.flow.track import PREFERENCES, BadToken, Fate, Recipient
from mailer.web import paper
from mailer.web.public import (
    READ,
    Asked,
    Product,
    ask,
    in_time,
    language,
    looked,
    not_now,
    notice,
    said_in,
    stop,
)
from mailer.web.words import words

_POST = [HttpMethod.POST]
_GONE, _BAD, _STOPPED = 410, 400, 409
_SCORES = {str(score): score for score in range(HIGHEST + 1)}
_FORM = "application/x-www-form-urlencoded"


async def _form(request: Asked) -> Mapping[str, list[str]]:
    """What a form of ours says; nothing, if it is none."""
    if not request.headers.get("content-type", "").lower().startswith(_FORM):
        return {}
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qs(body, max_num_fields=200)
    except ValueError:  # more fields than a page of ours has
        return {}


# The mail somebody wants


@route("/p/{token:str}", http_method=READ)
async def ask_preferences(request: Asked, mailer: Product, token: FromPath[str]) -> Response[str]:
    """What a customer gets from us, to choose among. While the database is away there is the one button."""
    try:
        recipient = mailer.tracking.recipient(PREFERENCES, token)
    except BadToken:
        return notice(request, mailer, "bad_link", 404)
    tongue = language(request, mailer)
    topics = mailer.topics(tongue)
    said = mailer.settings.tracking
    if not topics and not said.clicks and not said.opens:
        return ask(request, mailer, PREFERENCES, token)
    try:
        now = await in_time(mailer.answers.choices(recipient))
    except StoreError as trouble:
        mailer.tell(f"What somebody gets could not be looked up: {trouble}")
        return ask(request, mailer, PREFERENCES, token)
    looked(request, mailer, recipient.delivery_id, PREFERENCES)
    named = words(tongue)
    # The box shows what holds, and whoever saves it as they found it checked says nothing by it. Openings are
    # counted of nobody who did not say so: where the box speaks of them, they check it themselves.
    unasked = now.counted is None and not said.opt_in
    opted = now.counted is Counting.YES or (not said.opens and (unasked or now.counted is Counting.CLICKS))
    facts: dict[str, Any] = {
        "title": named["choices_title"].format(tenant=mailer.settings.tenant.name),
        "sentence": named["choices_none" if now.unsubscribed else "choices_topics" if topics else "choices"],
        "address": recipient.email,
        "unsubscribed": now.unsubscribed,
        "topics": [(name, title, name not in now.refused) for name, title in topics.items()],
        "may_count": said.clicks or said.opens,
        "counted": opted,
        "counting": named["counting_opens" if said.opens else "counting"],
        "save": named["save"],
        "button": named["all_button"],
        "kept": named["kept"],
        "action": request.scope["path"],
    }
    return _page(request, mailer, "preferences.html", facts)


@route("/p/{token:str}", http_method=_POST, status_code=200)
async def preferences(request: Asked, mailer: Product, token: FromPath[str]) -> Response[str]:
    """The buttons of that page: to save what was chosen, or to stop it all."""
    form = await _form(request)
    if "save" not in form:
        return await stop(request, mailer, PREFERENCES, token)
    try:
        recipient = mailer.tracking.recipient(PREFERENCES, token)
    except BadToken:
        return notice(request, mailer, "bad_link", 404)
    counted = _counted(form, mailer)
    topics = mailer.topics("en") if "chosen" in form else {}
    wanted = form.get("topic", [])
    saving = mailer.answers.choose(recipient, tuple(topics), wanted, counted)
    return await _done(request, mailer, recipient, saving, "saved")


def _counted(form: Mapping[str, list[str]], mailer: App) -> Counting | None:
    """What the box says; nothing where it was left checked as it was, or where there was none."""
    said = mailer.settings.tracking
    if not said.clicks and not said.opens:
        return None
    if "counted" not in form:
        return Counting.NO
    if "as_is" in form:
        return None
    return Counting.YES if said.opens else Counting.CLICKS


# A confirmation


def _confirming(request: Asked, mailer: App, token: str) -> Recipient | Response[str]:
    try:
        return mailer.answers.confirming(token)
    except Expired:
        return notice(request, mailer, "too_old", _GONE)
    except BadToken:
        return notice(request, mailer, "bad_link", 404)


@route("/k/{token:str}", http_method=READ)
async def ask_confirmation(request: Asked, mailer: Product, token: FromPath[str]) -> Response[str]:
    """The second step of a double opt-in: a question, so that a scanner that follows the link agrees to nothing."""
    recipient = _confirming(request, mailer, token)
    if isinstance(recipient, Response):
        return recipient
    looked(request, mailer, recipient.delivery_id, "confirm")
    said = said_in(request, mailer)
    facts = {
        "title": said["confirm_title"],
        "sentence": said["confirm"],
        "address": recipient.email,
        "button": said["confirm_button"],
        "kept": said["confirm_kept"],
        "action": request.scope["path"],
    }
    return _page(request, mailer, "confirm.html", facts)


@route("/k/{token:str}", http_method=_POST, status_code=200)
async def confirm(request: Asked, mailer: Product, token: FromPath[str]) -> Response[str]:
    """Its button: `consent.confirmed`, once for each mail that asked."""
    recipient = _confirming(request, mailer, token)
    if isinstance(recipient, Response):
        return recipient
    return await _done(request, mailer, recipient, mailer.answers.confirm(recipient), "confirmed")


# A survey


@route(["/s/{token:str}", "/s/{token:str}/{chosen:str}"], http_method=READ)
async def ask_survey(
    request: Asked, mailer: Product, token: FromPath[str], chosen: FromPath[str] = ""
) -> Response[str]:
    """The score that a link of the mail names, to be sent off or changed."""
    try:
        recipient = mailer.answers.surveyed(token)
    except BadToken:
        return notice(request, mailer, "bad_link", 404)
    looked(request, mailer, recipient.delivery_id, "survey")
    return _survey(request, mailer, token, _score(chosen))


@route("/s/{token:str}", http_method=_POST, status_code=200)
async def survey(request: Asked, mailer: Product, token: FromPath[str]) -> Response[str]:
    """Its button: `survey.answered`; the first answer to a mail stands."""
    try:
        recipient = mailer.answers.surveyed(token)
    except BadToken:
        return notice(request, mailer, "bad_link", 404)
    score = _score((await _form(request)).get("score", [""])[0])
    if score is None:
        return _survey(request, mailer, token, None, _BAD)
    return await _done(request, mailer, recipient, mailer.answers.answer(recipient, score), "answered")


def _score(text: str) -> int | None:
    return _SCORES.get(text)


def _survey(request: Asked, mailer: App, token: str, chosen: int | None, status: int = 200) -> Response[str]:
    said = said_in(request, mailer)
    facts = {
        "title": said["survey_title"],
        "sentence": said["survey"],
        "scores": range(HIGHEST + 1),
        "chosen": chosen,
        "least": said["survey_least"],
        "most": said["survey_most"],
        "missing": said["survey_missing"] if status == _BAD else "",
        "button": said["survey_button"],
        "action": f"/s/{token}",
    }
    return _page(request, mailer, "survey.html", facts, status)


def _page(
    request: Asked, mailer: App, name: str, facts: Mapping[str, Any], status: int = 200
) -> Response[str]:
    tongue, tenant = language(request, mailer), mailer.settings.tenant.name
    headers = {"Content-Language": tongue, "Vary": "Accept-Language"}
    return paper.page(name, {"language": tongue, "tenant": tenant, **facts}, status=status, headers=headers)


async def _done(
    request: Asked, mailer: App, by: Recipient, doing: Awaitable[Fate | None], what: str
) -> Response[str]:
    """What came of it; 503 when it could not be made durable."""
    try:
        fate = await in_time(doing)
    except StoreError as trouble:
        mailer.tell(f"An answer could not be written down: {trouble}")
        return not_now(request, mailer)
    if fate is None:
        return notice(request, mailer, "nobody", _GONE)
    if fate is Fate.BARRED:
        return notice(request, mailer, "barred", _STOPPED, email=by.email)
    return notice(request, mailer, "test" if fate is Fate.TEST else what, email=by.email)


HANDLERS = (ask_preferences, preferences, ask_confirmation, confirm, ask_survey, survey)
