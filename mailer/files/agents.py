"""Programs that ask for pages by themselves, by the names they give: the list of crawler-user-agents."""

from __future__ import annotations

from functools import lru_cache

import crawleruseragents  # type: ignore[import-untyped]  # it ships no types


@lru_cache(8_192)  # few names are asked for again and again, and one takes a fifth of a millisecond
def is_crawler(agent: str) -> bool:
    """Whether a program of that name is known to act by itself."""
    return bool(crawleruseragents.is_crawler(agent))
