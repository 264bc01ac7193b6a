from __future__ import annotations

import inspect
from traceback import walk_tb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Template

from mailer.errors import RenderError
from mailer.render.environment import DERIVED, HTML, TEXT, Sandbox
from mailer.render.gathering import OUTPUT_LIMIT, gathered

CONTEXT: dict[str, Any] = {
    "customer": {
        "name": "Ayşe & <Co>",
        "city": "İzmir",
        "points": 7,
        "none": None,
        "tags": ["a", "<b>"],
        "items": 3,
    },
    "tenant": {"name": "Kardelen", "inner": {"name": "x"}},
    "word": "bare",
    "posts": [{"title": f"<{number}>", "kids": [{"title": "kid"}] * number} for number in range(3)],
}

#: What templates are made of; `{}` stands for what is inside.
LEAVES = (
    "plain\n",
    "{{ customer.name }}",
    "{{ customer.city | default('nowhere') }}",
    "{{ customer.gone | default('<nowhere>') }}",
    "{{ customer.none | default('nothing', true) }}",
    "{{ customer.none | default('kept') }}",
    "{{ customer.gone }}",
    "{{ nobody.name | default('?') }}",
    "{{ nobody.name }}",
    "{{ word.name | default('no such') }}",
    "{{ word.upper() }}",
    "{{ customer.items }}",
    "{{ customer.points + 1 }}",
    "{{ tenant.inner.name }}{{ customer['name'] }}",
    "{{ customer.tags | join('-') }}",
    "{% set customer = tenant %}{{ customer.name }}",
    "{% set mine = customer %}{{ mine.name }}",
    "{{ loop.index if loop is defined else '' }}",
    "{{ post.title | default('none') }}",
    "{{ 'ş' }}",
)
NESTS = (
    "{{% if customer.points > 3 %}}{}{{% else %}}other{{% endif %}}",
    "{{% if customer.none %}}never{{% elif tenant.name %}}{}{{% endif %}}",
    "{{% if 0 %}}no{{% else %}}{}{{% endif %}}",
    "{{% if false %}}no{{% elif none %}}no{{% else %}}{}{{% endif %}}",
    "{{% for post in posts %}}[{}]{{% endfor %}}",
    "{{% for post in posts if post.title %}}{}{{% else %}}none{{% endfor %}}",
    "{{% for customer in posts %}}{{{{ customer.title }}}}{}{{% endfor %}}",
    "{{% for nobody in [] %}}never{{% else %}}{}{{% endfor %}}",
    "{{% filter upper %}}{}{{% endfilter %}}",
    "{{% set kept %}}{}{{% endset %}}{{{{ kept }}}}",
    "{{% macro said(tenant) %}}{{{{ tenant.name }}}}{}{{% endmacro %}}{{{{ said(customer) }}}}",
    "{{% for post in posts recursive %}}({{{{ post.title }}}}{{{{ loop(post.kids) if post.kids }}}}{}){{% endfor %}}",
    "{{% macro around() %}}<{{{{ caller() }}}}>{{% endmacro %}}{{% call around() %}}{}{{% endcall %}}",
    "{{% with tenant = customer %}}{{{{ tenant.name }}}}{}{{% endwith %}}",
)
SOURCES = st.recursive(
    st.lists(st.sampled_from(LEAVES), min_size=1, max_size=4).map("".join),
    lambda inner: st.tuples(st.sampled_from(NESTS), inner, inner).map(
        lambda each: each[0].format(each[1]) + each[2]
    ),
    max_leaves=6,
)


def outcome(template: Template) -> str:
    """What comes of it, or what is wrong and where."""
    try:
        return template.render(CONTEXT)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to be the same
        line = 0
        for frame, number in walk_tb(error.__traceback__):
            if frame.f_globals.get("__jinja_template__") is template:
                line = template.get_corresponding_lineno(number)
        return f"{type(error).__name__} {error} {line}"


@pytest.mark.parametrize("sandbox", [HTML, TEXT, DERIVED], ids=["html", "text", "derived"])
@given(source=SOURCES)
def test_says_what_jinja_says_and_fails_where_it_fails(sandbox: Sandbox, source: str) -> None:
    lines = "\n".join(source.split("plain"))
    assert outcome(sandbox.ready(lines)) == outcome(sandbox.from_string(lines))


@pytest.mark.parametrize("source", [*LEAVES, *(nest.format("x") for nest in NESTS)])
def test_each_shape_is_gathered(source: str) -> None:
    assert gathered(TEXT.compile(source, raw=True)) is not None
    assert not inspect.isgeneratorfunction(TEXT.ready(source).root_render_func)


def test_what_is_no_dict_is_asked_as_ever() -> None:
    class Mine(dict[str, str]):
        pass

    template = TEXT.ready("{{ word.name | default('?') }} {{ mine.a }}")
    assert template.render(word=None, mine=Mine(a="b")) == "? b"


def test_blocks_stay_as_jinja_has_them() -> None:
    source = "a{% block inner %}{{ word }}{% endblock %}"
    assert gathered(TEXT.compile(source, raw=True)) is None
    assert TEXT.ready(source).render(CONTEXT) == "abare"


@pytest.mark.parametrize("loops", ["{% block b %}{}{% endblock %}", "{}"], ids=["a generator", "gathered"])
def test_a_loop_ends_when_it_has_said_too_much(loops: str) -> None:
    inner = "{% for a in range(1000) %}{% for b in range(1000) %}{{ long }}{% endfor %}{% endfor %}"
    made = TEXT.ready(loops.replace("{}", inner))
    told: list[int] = []

    class Long:
        def __str__(self) -> str:
            told.append(1)
            return "x" * 1_000

    with pytest.raises(RenderError, match="longer than 2,000,000 characters"):
        made.render(long=Long())
    assert OUTPUT_LIMIT // 1_000 <= len(told) <= OUTPUT_LIMIT // 1_000 + 1_000


@pytest.mark.parametrize(
    "code",
    [
        "def root(context):\n    return ['said otherwise']",
        "def root(context):\n    heard = yield 'a piece'",
        "def root(context):\n    yield 'a piece'\n    return",
        "def root(context):\n    yield from context",
    ],
)
def test_code_of_another_shape_is_left_alone(code: str) -> None:
    assert gathered(code) is None
