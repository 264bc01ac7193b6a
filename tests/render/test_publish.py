from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mailer.errors import TemplateFault
from mailer.files.templates import TemplateFolder
from mailer.render.publish import publish


def test_a_published_template_is_plain_json(published: Callable[..., dict[str, Any]]) -> None:
    files = {
        "body.html": "<p>{{ 'a.png' | inline }}",
        "body.tr.mjml": "<mjml><mj-body/></mjml>",
        "images/a.png": b"x",
    }
    parts = published(files)
    assert json.loads(json.dumps(parts)) == parts
    assert (parts["format"], parts["template"]) == (1, "t")
    assert {part: sorted(variants) for part, variants in parts["parts"].items()} == {
        "subject": [""],
        "html": ["", "tr"],
    }


def test_publishing_twice_gives_the_same(published: Callable[..., dict[str, Any]]) -> None:
    files = {"body.html": "<style>p{color:red}</style><p>{{ x }}</p>", "body.txt": "{{ x }}"}
    assert published(files) == published(files)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "t: there is no such template folder"),
        ({"body.txt": "x"}, "t: there is no subject.txt"),
        ({"subject.txt": "x", "promo.html": "x"}, "t: there is no body"),
        (
            {"subject.txt": "x", "body.html": "x", "body.mjml": "x"},
            "t/body.mjml: body.html is the same part",
        ),
        (
            {"subject.txt": "x", "body.tr-TR.txt": "x", "body.tr_TR.txt": "x"},
            "t/body.tr_TR.txt: body.tr-TR.txt is the same part",
        ),
    ],
)
def test_a_template_has_what_a_message_needs(
    files: dict[str, str], message: str, folder: Callable[..., TemplateFolder]
) -> None:
    with pytest.raises(TemplateFault) as caught:
        publish("t", folder(files), "https://shop.example")
    assert str(caught.value).startswith(message)


def test_one_fault_in_a_layout_is_where_it_was_written(published: Callable[..., dict[str, Any]]) -> None:
    files = {
        "body.html": '{% extends "_layout/base.html" %}\n{% block a %}x{% endblock %}',
        "_layout/base.html": "<style>p { color: red }</style>\n{% block a %}{% endblock %}\n<a href={{ u }}>",
    }
    with pytest.raises(TemplateFault, match=r"^_layout/base\.html:3: put the value in quotes"):
        published(files)


def test_every_fault_of_the_files_is_kept(published: Callable[..., dict[str, Any]]) -> None:
    files = {
        "subject.txt": "{{ a | nope }}", "body.html": "<p>{{ a | safe }}\n{{ b | nope }}</p>", "body.tr.html": "{{ a",
    }  # fmt: skip
    with pytest.raises(TemplateFault) as caught:
        published(files)
    found = [caught.value, *caught.value.others]
    assert [(each.file, each.line) for each in found] == [
        ("t/body.html", 1), ("t/body.html", 2), ("t/body.tr.html", 1), ("t/subject.txt", 1),
    ]  # fmt: skip
