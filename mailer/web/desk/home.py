"""The start page: what runs, what is planned, what went out last."""

from __future__ import annotations

from litestar import Response, route

from mailer.core.trigger import (
    AnniversaryTrigger,
    AtTrigger,
    CronTrigger,
    EventTrigger,
    IncidentTrigger,
    ManualTrigger,
    Trigger,
)
from mailer.web.desk.reader import Reader
from mailer.web.guard import at_this_machine
from mailer.web.public import READ, Asked, Product

_LATEST = 5  # mails on the start page


@route("/", http_method=READ, guards=[at_this_machine])
async def home(request: Asked, mailer: Product) -> Response[str]:
    """What runs, what is planned, what went out last."""
    reader = Reader.of(request, mailer)
    mails, caught = await mailer.mailbox.page(0, _LATEST)
    return reader.page(
        "home",
        {
            "facts": await mailer.overview.read(),
            "troubles": await mailer.overview.troubles(mailer.clock()),
            "campaigns": [
                {**each, "otherwise": _otherwise(reader, trigger), "own_clock": _by_their_own_clock(trigger)}
                for each in await mailer.campaign_desk.list(mailer.clock())
                for trigger in [mailer.campaigns[each["name"]].trigger]
            ],
            "faults": [str(fault) for fault in mailer.faults],
            "relay": None if mailer.catches_mail else ", ".join(map(str, mailer.relays())),
            "database": mailer.db.where,
            "mails": mails,
            "caught": caught,
        },
    )


def _otherwise(reader: Reader, trigger: Trigger) -> str:
    """When a campaign goes out that has no next date."""
    match trigger:
        case EventTrigger():
            return reader.say("after_event", event=trigger.event)
        case IncidentTrigger():
            return reader.say("with_outage")
        case ManualTrigger():
            return reader.say("by_hand")
    return reader.say("no_date")


def _by_their_own_clock(trigger: Trigger) -> bool:
    """Whether the next date is only that of the first time zone."""
    match trigger:
        case AnniversaryTrigger():
            return True
        case CronTrigger() | AtTrigger():
            return trigger.timezone == "customer"
    return False


HANDLERS = (home,)
