"""A service mail carries no promotion, and whoever wrote one is told the line they wrote it in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailer.render.lint import promotions

LAYOUT = """\
<html><head><style>p { color: red }</style></head>
<body>
<p>{{ campaign.name }}</p>
{% block content %}{% endblock %}
<p><a
  href="https://shop.example/kampanya/{{ customer.id }}">more</a></p>
</body></html>
"""
PAGE = """\
{% extends "_layout/base.html" %}
{# a note
   of two lines #}
{% block content %}
<p class="x">{{ customer.first_name -}}

</p>
{% include "offer.html" %}
<p><a href="https://shop.example/{{ customer.id }}/sale">go</a></p>
{% endblock %}
"""
MJML = """\
<mjml>
  <mj-body>
    <mj-section><mj-column>
      <mj-text>{{ customer.first_name }}</mj-text>
      <mj-button
        href="https://shop.example/indirim">x</mj-button>
    </mj-column></mj-section>
  </mj-body>
</mjml>
"""


@pytest.mark.parametrize(
    ("files", "places"),
    [
        pytest.param(
            {"body.html": PAGE, "_layout/base.html": LAYOUT,
             "offer.html": "\n\n<b>\n<a href='/promo'>p</a></b>\n<p>{{ coupon.code }}</p>"},
            ["_layout/base.html:6", "t/body.html:9", "t/offer.html:4", "t/offer.html:5"],
            id="layout, page and what it includes",
        ),
        pytest.param({"body.mjml": MJML}, ["t/body.mjml:6"], id="MJML"),
        pytest.param({"body.html": "<p><a href='/news'>n</a></p>"}, [], id="nothing to say"),
    ],
)  # fmt: skip
def test_the_line_is_the_one_that_was_written(
    published: Callable[..., dict[str, Any]], files: dict[str, str], places: list[str]
) -> None:
    assert sorted(f"{fault.file}:{fault.line}" for fault in promotions(published(files))) == places
