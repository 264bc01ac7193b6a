"""docs/walkthrough.md shows what its commands really print."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.walkthrough import PAGE, masked, play


def test_the_walk_through_prints_what_the_page_says(tmp_path: Path) -> None:
    page = PAGE.read_text("utf-8")
    shop = tmp_path.resolve() / "shop"
    shop.mkdir()
    played = play(page, shop)
    assert masked(played) == masked(page), (
        "docs/walkthrough.md is no longer true; look at the difference, "
        "then run `python -m tests.acceptance.walkthrough --write`"
    )
