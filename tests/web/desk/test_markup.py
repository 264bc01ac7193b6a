"""The private pages as a checker of HTML sees them, with the worst letters in them."""

from __future__ import annotations

import httpx

from tests.acceptance import receivers
from tests.web.conftest import Stand
from tests.web.desk.scene import a_shop
from tests.web.desk.test_pages import PAGES, also


async def test_the_nu_html_checker_finds_no_fault(stand: Stand, web: httpx.AsyncClient) -> None:
    await a_shop(stand.app.db)
    kept = await stand.app.mailbox.add(
        "", ["odd@shop.example"], b"Subject: </h1>\r\nMessage-ID: <m1@shop>\r\n\r\nHello"
    )
    paths = (*PAGES, "/runs/99", "/customer?id=x", f"/mailbox/{kept}", f"/mailbox/{kept}?view=headers")
    pages = {
        f"{number}-{language}": (await web.get(also(path, language=language))).text
        for number, path in enumerate(paths)
        for language in ("tr", "en")
    }
    broken = {"broken": pages["0-tr"].replace("</main>", "</div>", 1)}
    found = receivers.faults(pages | broken, ())
    assert [each for each in found if not each.startswith("broken: ")] == []
    assert found != []
