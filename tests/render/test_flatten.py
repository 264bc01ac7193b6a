from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jinja2 import DictLoader, Environment

from mailer.core.message import Rendered
from mailer.errors import TemplateFault

Render = Callable[..., Rendered]
BASE = "<{% block head %}h{% endblock %}|{% block body %}base{% endblock %}|{{ self.head() }}>"


@pytest.mark.parametrize(
    "files",
    [
        {"t/body.txt": "hello {{ x }}"},
        {"t/body.txt": "a {# note #}b{{- x -}} c {%- if x %} d {%- endif %}."},
        {"t/body.txt": "{% raw %}{{ x }} {% if %}{% endraw %}{{ x }}"},
        {"t/body.txt": '{% include "_layout/a.txt" %}!', "_layout/a.txt": "inc {{ x }}\n"},
        {
            "t/body.txt": 'a\n\n{% include "_layout/a.txt" %}\n\nb\n\n{%- include "_layout/a.txt" +%}\n\nc',
            "_layout/a.txt": "{%- if x -%} \n {{- x -}} \n {%- endif -%}\n",
        },
        {
            "t/body.txt": '{% extends "_layout/b.txt" %}{% block body -%}\n{%- set y = 5 -%}\n'
            "{{- y -}}\n{% endblock %}",
            "_layout/b.txt": "shop\n\n{% block body %}base{% endblock %}\n\n{{- x }}",
        },
        {"t/body.txt": '{% include "t/a.txt" ignore missing %}ok'},
        {"t/body.txt": '{% extends "_layout/b.txt" %}', "_layout/b.txt": BASE},
        {
            "t/body.txt": '{% extends "_layout/b.txt" %}{% block body %}mine{% endblock %}',
            "_layout/b.txt": BASE,
        },
        {
            "t/body.txt": '{% extends "_layout/b.txt" %}x{% block body %}[{{ super() }}]{% endblock body %}y',
            "_layout/b.txt": BASE,
        },
        {
            "t/body.txt": '{% extends "_layout/m.txt" %}{% block body %}1{{ super() }}{% endblock %}',
            "_layout/m.txt": '{% extends "_layout/b.txt" %}{% block body %}2{{ super() }}{% endblock %}',
            "_layout/b.txt": BASE,
        },
        {
            "t/body.txt": '{% extends "_layout/b.txt" %}{% block inner %}I{% endblock %}',
            "_layout/b.txt": "{% block outer %}({% block inner %}i{% endblock %}){% endblock %}",
        },
        {
            "t/body.txt": '{% extends "_layout/b.txt" %}{% set y = 5 %}'
            "{% macro m(a) %}<{{ a }}>{% endmacro %}{% block body %}{{ m(y) }}{% endblock %}",
            "_layout/b.txt": BASE,
        },
        {"t/body.txt": "{% for i in (1, 2) %}{{ i }}{% if loop.last %}.{% endif %}{% else %}-{% endfor %}"},
        {"t/body.txt": "{% set s %}a{{ x }}{% endset %}{{ s }}{% filter upper %}b{% endfilter %}"},
        {"t/body.txt": "{% with y = x %}{{ y }}{% endwith %}{% macro c() %}({{ caller() }}){% endmacro %}"
                       "{% call c() %}in{% endcall %}"},
    ],
)  # fmt: skip
def test_flat_says_what_jinja_would(files: dict[str, str], render: Render) -> None:
    reference = Environment(loader=DictLoader(files), autoescape=False).get_template("t/body.txt").render(x=7)  # noqa: S701 - text
    mine = render({name.removeprefix("t/"): text for name, text in files.items()}, x=7)
    assert mine.text.strip() == reference.strip()


def test_macros_of_an_included_file_need_no_import(render: Render) -> None:
    layout = {"_layout/m.txt": "{% macro hi(n) %}hi {{ n }}{% endmacro %}", "_layout/b.txt": BASE}
    plain = render({"body.txt": '{% include "_layout/m.txt" %}{{ hi("A") }}', **layout})
    assert plain.text == "hi A\n"
    head = '{% extends "_layout/b.txt" %}{% include "_layout/m.txt" %}'
    child = head + '{% block body %}{{ hi("B") }}{% endblock %}'
    assert "hi B" in render({"body.txt": child, **layout}).text


def test_the_variant_of_the_parts_locale_is_included(render: Render) -> None:
    files = {
        "body.txt": '{% include "_layout/foot.txt" %}',
        "body.tr.txt": '{% include "_layout/foot.txt" %}',
        "_layout/foot.txt": "bye",
        "_layout/foot.tr.txt": "hoşça kalın",
    }
    assert render(files, "tr-TR").text == "hoşça kalın\n"
    assert render(files, "de").text == "bye\n"


@pytest.mark.parametrize(
    ("files", "place", "message"),
    [
        ({"body.txt": "a\n{% if %}"}, "t/body.txt:2", "Expected an expression"),
        ({"body.txt": "a\n{{ x"}, "t/body.txt:2", "unexpected end"),
        ({"body.txt": 'a\n\n{% include "nope.txt" %}'}, "t/body.txt:3", "there is no file t/nope.txt"),
        ({"body.txt": "{% include name %}"}, "t/body.txt:1", "write the name in quotes"),
        ({"body.txt": '{% include "../../etc/passwd" %}'}, "t/body.txt:1", "only files of"),
        ({"body.txt": '{% include "/etc/passwd" %}'}, "t/body.txt:1", "only files of"),
        ({"body.txt": '{% include "other/x.txt" %}', "other/x.txt": "x"}, "t/body.txt:1", "only files of"),
        ({"body.txt": '{% include "body.txt" %}'}, "t/body.txt:1", "includes or extends itself"),
        ({"body.txt": '\n{% import "m.txt" as m %}'}, "t/body.txt:2", "macros need no import"),
        ({"body.txt": '{% from "m.txt" import a %}'}, "t/body.txt:1", "macros need no import"),
        ({"body.txt": "{% autoescape false %}{% endautoescape %}"}, "t/body.txt:1", "cannot be turned off"),
        ({"body.txt": '{% if x %}{% extends "_layout/b.txt" %}{% endif %}'}, "t/body.txt:1", "stands once"),
        ({"body.txt": "{% block a %}{{ super() }}{% endblock %}"}, "t/body.txt:1", "no layout has a block"),
        ({"body.txt": "{{ self.a() }}"}, "t/body.txt:1", "there is no block 'a'"),
        ({"body.txt": "{% block a %}{{ self.a() }}{% endblock %}"}, "t/body.txt:1", "contains itself"),
        ({"body.txt": "{% block a required %}{% endblock %}"}, "t/body.txt:1", "has to be filled"),
        (
            {"body.txt": '{% extends "_layout/b.txt" %}{% block body %}{{ super() | upper }}{% endblock %}',
             "_layout/b.txt": BASE},
            "t/body.txt:1", "stand alone",
        ),
        (
            {"body.txt": '{% extends "_layout/b.txt" %}', "_layout/b.txt": "x\n{{ y | nosuch }}"},
            "_layout/b.txt:2", "no filter named 'nosuch'",
        ),
    ],
)  # fmt: skip
def test_faults_name_file_and_line(
    files: dict[str, str], place: str, message: str, published: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(TemplateFault) as caught:
        published(files)
    assert f"{caught.value.file}:{caught.value.line}" == place
    assert message in caught.value.message


def test_includes_cannot_multiply_without_end(published: Callable[..., dict[str, Any]]) -> None:
    files = {f"p{n}.txt": f'{{% include "p{n + 1}.txt" %}}' * 10 for n in range(8)}
    with pytest.raises(TemplateFault, match="too large"):
        published({**files, "p8.txt": "{{ x }}", "body.txt": '{% include "p0.txt" %}'})
