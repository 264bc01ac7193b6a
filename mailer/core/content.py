"""Where a newsletter takes its posts from: events of the shop, or a feed."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from mailer.core.post import is_link

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_WHERE = "write an address such as https://shop.example/feed.xml, or the name of a file below jobs_dir"


def _feed(value: str) -> str:
    if _SCHEME.match(value):
        if not is_link(value):
            # What it says is not repeated: it may hold a password.
            raise ValueError(
                f"a feed's address is http or https, without a name and password in it; {_WHERE}"
            )
        return value
    words = value.split("/")
    if any(word in ("", ".", "..") or "\\" in word or not word.isprintable() for word in words):
        raise ValueError(f"{value!r:.100} is no file of jobs_dir; {_WHERE}")
    return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventsContent(_Part):
    """Events about the shop: of no customer."""

    events: Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,100}$")]


class FeedContent(_Part):
    """A feed, RSS 2.0 or Atom (RFC 4287): an address, or a file below jobs_dir."""

    feed: Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_feed)]


_BY_KEY: dict[str, type[_Part]] = {"events": EventsContent, "feed": FeedContent}


def _kind(value: Any) -> str | None:
    if isinstance(value, _Part):
        return type(value).__name__
    if not isinstance(value, dict):
        return None
    named = [model.__name__ for key, model in _BY_KEY.items() if key in value]
    return named[0] if len(named) == 1 else None


#: One or the other. The tags are the classes' names, so that no part of an error's path is mistaken for a key.
Content = Annotated[
    Annotated[EventsContent, Tag("EventsContent")] | Annotated[FeedContent, Tag("FeedContent")],
    Discriminator(
        _kind,
        custom_error_type="content",
        custom_error_message="posts come from one place: write `events` with the name of an event, or `feed`",
    ),
]
