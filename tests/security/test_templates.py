"""Hostile templates and hostile data, from the files to the bytes of a message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.core.message import Letter, Message, Rendered
from mailer.errors import HeaderRefused, RenderError, TemplateFault
from mailer.files.templates import TemplateFolder
from mailer.render.mime import assemble
from mailer.render.publish import publish
from mailer.render.renderer import Template

CONTEXT: dict[str, Any] = {
    "customer": {"id": "7", "first_name": "Ayşe", "name": "Ayşe"},
    "x": "x",
    "items": [1, 2],
    "tenant": {"name": "Kardelen"},
}


def template(root: Path, files: Mapping[str, str]) -> Template:
    (root / "t").mkdir(exist_ok=True)
    for name, text in {"subject.txt": "Hi", **files}.items():
        (root / "t" / name).write_text(text, encoding="utf-8")
    return Template(publish("t", TemplateFolder(root), "https://shop.example"))


def render(root: Path, files: Mapping[str, str], context: Mapping[str, Any] = CONTEXT) -> Rendered:
    return template(root, files).render(context, "", "en", ZoneInfo("UTC"))


REFUSED = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ x.__init__.__globals__ }}",
    "{{ x | attr('__init__') }}",
    "{{ customer | map(attribute='__class__') | list | first }}",
    "{{ [x] | map(attribute='__class__.__mro__') | first }}",
    "{{ lipsum.__globals__ }}",
    "{{ lipsum(1000) }}",
    "{{ cycler('a').next.__globals__ }}",
    "{{ joiner.__init__ }}",
    "{{ namespace(a=1) }}",
    "{{ dict(a=1) }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ loop.__class__ }}",
    "{% for i in items %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m.__call__.__globals__ }}",
    "{{ range.__self__ }}",
    "{{ customer.get.__self__ }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ '{a.__class__}'.format_map({'a': x}) }}",
    "{% set f = 'a'.format %}{{ f(1) }}",
    "{{ ('{:>200000000}' | string)['format'](1) }}",
    "{{ 'x' * 200000000 }}",
    "{{ 200000000 * 'x' }}",
    "{{ [x] * 200000000 }}",
    "{{ '%200000000d' % 1 }}",
    "{{ '%200000000d' | format(1) }}",
    "{{ '%*d' | format(200000000, 1) }}",
    "{{ 'x' | center(200000000) }}",
    "{{ 'x'.center(200000000) }}",
    "{{ 'x'.ljust(200000000) }}",
    "{{ 'x' | indent(200000000) }}",
    "{{ range(200000000) | list }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 10 ** 100000 }}",
    "{{ customer.pop('id') }}",
    "{{ customer.update({'id': 8}) }}",
    "{{ items.append(3) }}",
    "{{ items.clear() }}",
    "{{ now.strftime('%200000000d') }}",
    "{% include '../../etc/passwd' %}",
    "{% include '/etc/passwd' %}",
    "{% include customer.name %}",
    "{% include ['../../etc/passwd'] %}",
    "{% extends '../../etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import system %}",
    "{% do x %}",
    "{% debug %}",
    "{% trans %}x{% endtrans %}",
    "{% autoescape false %}{{ x }}{% endautoescape %}",
    "{{ x | safe }}",
    "{{ x | forceescape }}",
    "{{ x | urlize }}",
    "{{ customer | xmlattr }}",
    "{{ customer | tojson }}",
    "{{ customer | pprint }}",
    "{{ config }}",
    "{{ request.application }}",
    "{{ env }}",
]


@pytest.mark.parametrize("part", ["body.html", "body.txt", "subject.txt"])
@pytest.mark.parametrize("source", REFUSED)
def test_hostile_templates_end_in_a_fault(source: str, part: str, tmp_path: Path) -> None:
    context = {**CONTEXT, "now": datetime(2027, 1, 1, tzinfo=UTC)}
    with pytest.raises((TemplateFault, RenderError)):
        render(tmp_path, {"body.txt": "x", part: source}, context)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(999) %}" * 4 + "{% endfor %}" * 4,
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for a in range(999) %}{{ 'x' * 9999 }}{% endfor %}",
    ],
    ids=["loops", "recursion", "size"],
)
def test_templates_without_end_are_ended(source: str, tmp_path: Path) -> None:
    made = template(tmp_path, {"body.txt": source})
    with pytest.raises(RenderError):
        made.render(CONTEXT, "", "en", ZoneInfo("UTC"), seconds=0.3)
    # The next message is none the worse for it.
    assert (
        template(tmp_path, {"body.txt": "fine"}).render(CONTEXT, "", "en", ZoneInfo("UTC")).text == "fine\n"
    )


@pytest.mark.parametrize("name", ["../t", "..", "/etc", "t/../t", "", ".", "t\0"])
def test_a_template_name_leads_nowhere_else(name: str, tmp_path: Path) -> None:
    template(tmp_path, {"body.txt": "x"})
    with pytest.raises(TemplateFault):
        publish(name, TemplateFolder(tmp_path / "t"), "https://shop.example")


BODY = """<!doctype html><html><head><title>{{ n }}</title>
<style>p { color: red } @media print { p { color: {# #}blue } }
</style></head><body><!-- {{ n }} --><!--[if mso]><v:rect href="{{ n }}" alt="{{ n }}"><![endif]-->
<p title="{{ n }}" style="width: {{ n }}">{{ n }}</p><a href="{{ n }}" alt='{{ n }}'>x</a>
<a href="https://shop.example/?n={{ n }}">y</a><img src="{{ n }}" alt="{{ n | upper }}">
<table>{% for i in [n, n] %}<tr class="{{ i }}"><td>{{ i | title }}{{ i ~ '!' }}</td></tr>{% endfor %}</table>
{% set m %}<b>{{ n }}</b>{% endset %}{{ m }}{{ [n, n] | join('<br>' | safe) }}{{ n | default('x') | trim }}
{% macro k(v) %}<i title="{{ v }}">{{ v }}{{ caller() }}</i>{% endmacro %}{% call k(n) %}{{ n }}{% endcall %}
</body></html>"""


class Shape(HTMLParser):
    """Tags, attribute names and where links lead: what data must not change."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[Any] = []
        self.schemes: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, [name for name, _ in attrs]))
        self.schemes |= {
            str(value).partition(":")[0].lower() for name, value in attrs if name in ("href", "src")
        }

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(tag)

    def handle_comment(self, data: str) -> None:
        if data.startswith("[if"):
            self.seen.append(Shape(data.partition(">")[2].rpartition("<!")[0]).seen)
        else:
            self.seen.append("comment")


EVIL = [
    "{{7*7}}", "{% include 'x' %}", "{#", "<script>alert(1)</script>", "</title><script>", "--><script>",
    "<![endif]-->", '" onmouseover="alert(1)', "' onmouseover='x", "x onmouseover=alert(1)", "javascript:alert(1)",
    "data:text/html,x",
    " jAvAsCrIpT:alert(1)", "java\nscript:alert(1)", "&#106;avascript:alert(1)", 'https://e.example/"><script>',
    "mailto:a@b.example?cc=<x>", "red;background:url(//e.example)", "}</style><script>", "\x00<b>", "`x`", "\u2028",
    "&lt;b&gt;", "jx0q0z", "<!--jx0q1z-->",
]  # fmt: skip
EXPECTED = {"#", "https", "mailto", "http"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return template(tmp_path_factory.mktemp("templates"), {"body.html": BODY, "body.txt": "{{ n }}"})


def shape(page: Template, data: str) -> tuple[Shape, Rendered]:
    made = page.render({"n": data}, "", "en", ZoneInfo("UTC"))
    assert made.html is not None
    return Shape(made.html), made


@pytest.mark.parametrize("data", EVIL, ids=ascii)
def test_hostile_data_changes_no_markup(data: str, page: Template) -> None:
    plain, _ = shape(page, "Ayşe")
    evil, made = shape(page, data)
    assert evil.seen == plain.seen
    assert evil.schemes <= EXPECTED
    assert "49" not in made.text


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.text(
        st.sampled_from("<>\"'`=/&;:#-![]{}% \n\tjavscriptonmhe\0\u2028x") | st.characters(), max_size=60
    )
)
def test_no_data_changes_the_markup(data: str, page: Template) -> None:
    plain, _ = shape(page, "Ayşe")
    evil, _ = shape(page, data)
    assert evil.seen == plain.seen
    assert evil.schemes <= EXPECTED


def letter(**changes: Any) -> Letter:
    base: dict[str, Any] = {
        "from_name": "Kardelen", "from_address": "hi@kardelen.example", "to_name": "A",
        "to_address": "a@b.example", "message_id": "<1@kardelen.example>", "date": datetime(2027, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Letter(**{**base, **changes})


def headers(message: Message) -> list[str]:
    return message_from_bytes(message.data, policy=policy.SMTP).keys()


HEADER_EVIL = [
    "a\rb", "a\nb", "a\r\nBcc: e@e.example", "a\0b", "a\x0bb", "a\x0cb", "a\u0085b", "a\u2028b", "a\u2029b",
    "=?utf-8?q?a=0D=0ABcc:_e@e.com?=", "x =?us-ascii?b?DQpCY2M6IGVAZS5jb20=?= y", "=?utf-8?q?a?=",
]  # fmt: skip


@pytest.mark.parametrize("data", HEADER_EVIL, ids=ascii)
def test_hostile_names_reach_no_header(data: str, tmp_path: Path) -> None:
    made = render(tmp_path, {"subject.txt": "Hi {{ n }}\n", "body.txt": "{{ n }}"}, {"n": data})
    with pytest.raises(HeaderRefused):
        assemble(made, letter())
    plain = render(tmp_path, {"subject.txt": "Hi", "body.txt": "{{ n }}"}, {"n": data})
    with pytest.raises(HeaderRefused):
        assemble(plain, letter(to_name=data))
    # In a body the same text is only text.
    assert "Bcc" not in headers(assemble(plain, letter()))


@pytest.mark.parametrize(
    "data", ["{{7*7}}", "<script>", "a, b", "a@e.example", "<e@e.example>", '"x" <e@e.example>', "A (c)"]
)
def test_odd_names_stay_names(data: str, tmp_path: Path) -> None:
    made = assemble(
        render(tmp_path, {"subject.txt": "Hi {{ n }}", "body.txt": "x"}, {"n": data}), letter(to_name=data)
    )
    message = message_from_bytes(made.data, policy=policy.SMTP)
    assert message["Subject"] == f"Hi {data}"
    [who] = message["To"].addresses
    assert (who.display_name, who.addr_spec) == (data, "a@b.example")


def test_a_very_long_subject_is_refused(tmp_path: Path) -> None:
    made = render(tmp_path, {"subject.txt": "{{ n }}", "body.txt": "x"}, {"n": "x" * 3000})
    with pytest.raises(HeaderRefused):
        assemble(made, letter())
