"""Feed documents, good and hostile, as posts."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.post import is_link, one_line
from mailer.errors import FeedFault
from mailer.feed import document
from mailer.feed.document import read

NOON = datetime(2027, 3, 23, 12, tzinfo=UTC)
ATOM = "http://www.w3.org/2005/Atom"


def rss(*items: str) -> bytes:
    return f"<rss version='2.0'><channel>{''.join(f'<item>{item}</item>' for item in items)}</channel></rss>".encode()


def atom(*entries: str) -> bytes:
    return f"<feed xmlns='{ATOM}'>{''.join(f'<entry>{entry}</entry>' for entry in entries)}</feed>".encode()


def test_rss_as_most_write_it() -> None:
    [post] = read(
        rss(
            "<title>Kış &amp;amp; çorba&#10;üç tarif</title><link> https://k.example/c </link>"
            "<guid isPermaLink='false'>7</guid><pubDate>Tue, 23 Mar 2027 15:00:00 +0300</pubDate>"
            "<description>&lt;p&gt;Sıcak &lt;b&gt;çorba&lt;/b&gt;&lt;/p&gt;&lt;script&gt;x()&lt;/script&gt;"
            "</description>"
        ),
        "",
    )
    assert (post.id, post.title, post.url) == ("7", "Kış & çorba üç tarif", "https://k.example/c")
    assert (post.summary, post.at) == ("Sıcak çorba", NOON)


def test_atom_as_most_write_it() -> None:
    [post] = read(
        atom(
            "<id>urn:7</id><title type='html'>A &amp;lt;3 &lt;i&gt;B&lt;/i&gt;</title>"
            "<link rel='self' href='/self'/><link href='/post'/>"
            "<published>2027-03-23T15:00:00+03:00</published><updated>2027-03-25T00:00:00Z</updated>"
            "<summary type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>Bir</p><p>iki</p></div></summary>"
        ),
        "https://k.example/feed.xml",
    )
    assert (post.id, post.title, post.url) == ("urn:7", "A <3 B", "https://k.example/post")
    assert (post.summary, post.at) == ("Bir iki", NOON)


@pytest.mark.parametrize(
    ("item", "at"),
    [
        pytest.param("<pubDate>Tue, 23 Mar 2027 12:00:00 GMT</pubDate>", NOON, id="GMT"),
        pytest.param("<pubDate>23 Mar 2027 12:00 -0000</pubDate>", NOON, id="no weekday, no zone"),
        pytest.param(
            "<d:date xmlns:d='http://purl.org/dc/elements/1.1/'>2027-03-23T12:00:00Z</d:date>",
            NOON,
            id="dc:date",
        ),
        pytest.param("<pubDate>yesterday</pubDate>", None, id="words"),
        pytest.param("<pubDate>Fri, 31 Dec 9999 23:59:59 -2300</pubDate>", None, id="after the last day"),
        pytest.param("", None, id="none"),
    ],
)
def test_dates(item: str, at: datetime | None) -> None:
    [post] = read(rss(f"<title>A</title><link>https://k.example/</link>{item}"), "")
    assert post.at == at


@pytest.mark.parametrize(
    ("item", "url"),
    [
        pytest.param("<guid>https://k.example/7</guid>", "https://k.example/7", id="the guid is the link"),
        pytest.param("<link>/7</link>", "https://feed.example/7", id="relative"),
        pytest.param("<link>//other.example/7</link>", "https://other.example/7", id="of the same scheme"),
        pytest.param("<link>javascript:alert(1)</link>", None, id="javascript"),
        pytest.param(
            "<link>JaVaScRiPt&#9;:alert(1)//https://k.example</link>", None, id="javascript with a tab"
        ),
        pytest.param("<link>data:text/html,x</link>", None, id="data"),
        pytest.param("<link>file:///etc/passwd</link>", None, id="file"),
        pytest.param("<link>https://bank.example@evil.example/</link>", None, id="another name before it"),
        pytest.param("<link>https://k.example/&quot;onclick=x</link>", None, id="a quote"),
        pytest.param("<link>https://k.example/a b</link>", None, id="a blank"),
        pytest.param("<link>https://[x/</link>", None, id="half a bracket"),
        pytest.param("<guid isPermaLink='false'>https://k.example/7</guid>", None, id="no permalink"),
        pytest.param(f"<link>https://k.example/{'x' * 2000}</link>", None, id="without end"),
    ],
)
def test_only_links_a_reader_may_be_sent_to(item: str, url: str | None) -> None:
    posts = read(rss(f"<title>A</title>{item}"), "https://feed.example/feed.xml")
    assert [post.url for post in posts] == ([url] if url else [])


@pytest.mark.parametrize(
    ("written", "title"),
    [
        pytest.param("a\u202egnp.exe\u2066", "agnp.exe", id="turned round"),
        pytest.param("a\u0085b\u2028c", "a b c", id="line breaks nobody sees"),
        pytest.param("\ufeffa\u200bb", "ab", id="invisible"),
        pytest.param("<b>a</b>", None, id="markup instead of text"),
        pytest.param("{{ 7*7 }}", "{{ 7*7 }}", id="a template's words are words"),
        pytest.param("ş" * 300, "ş" * 199 + "…", id="long"),
        pytest.param("👩‍🌾", "👩‍🌾", id="joined pictures"),
    ],
)
def test_titles_are_one_line(written: str, title: str | None) -> None:
    posts = read(rss(f"<title>{written}</title><link>https://k.example/</link>"), "")
    assert [post.title for post in posts] == ([title] if title else [])


def test_a_post_without_a_title_begins_with_its_summary() -> None:
    [post] = read(rss("<link>https://k.example/</link><description>Kısa not</description>"), "")
    assert post.title == "Kısa not"


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><rss>&l9;</rss>', "document type", id="billion laughs"),
        pytest.param('<!DOCTYPE x SYSTEM "http://127.0.0.1/x"><rss/>', "document type", id="a DTD elsewhere"),
        pytest.param('<!DOCTYPE r [<!ENTITY p SYSTEM "file:///etc/passwd">]><rss>&p;</rss>', "document type", id="XXE"),
        pytest.param("<rss>&nbsp;</rss>", "this is not XML: undefined entity", id="an entity of HTML"),
        pytest.param("<html><body>404</body></html>", "neither RSS 2.0 nor Atom", id="a page"),
        pytest.param("", "this is not XML: no element found", id="nothing"),
        pytest.param("<rss><channel><item>", "this is not XML: no element found", id="cut off"),
        pytest.param("\0" * 100, "this is not XML", id="zeros"),
        pytest.param("<a>" * 101, "too deeply", id="deep"),
        pytest.param(f"<rss>{'<a/>' * 200_001}</rss>", "too many elements", id="many"),
        pytest.param(b"<rss>\xfe</rss>", "this is not XML: not well-formed", id="not the UTF-8 it is"),
        pytest.param(b"<?xml version='1.0' encoding='big5'?><rss/>", "an encoding that cannot", id="many bytes"),
        pytest.param(b"<?xml version='1.0' encoding='klingon'?><rss/>", "an encoding that cannot", id="unknown"),
        pytest.param(b"<?xml version='1.0' encoding='utf-16'?><rss/>", "this is not XML", id="another than it says"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(data: str | bytes, said: str) -> None:
    with pytest.raises(FeedFault) as fault:
        read(data if isinstance(data, bytes) else data.encode(), "")
    assert said in str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-9", "windows-1254"])
def test_encodings_of_turkish(encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?>{rss('<title>Işıl ğ</title><link>https://k.example/</link>').decode()}"
    [post] = read(text.encode(encoding), "")
    assert post.title == "Işıl ğ"


def test_a_feed_with_very_many_posts_is_read_from_its_beginning() -> None:
    posts = read(rss(*(f"<title>{n}</title><link>https://k.example/{n}</link>" for n in range(1_500))), "")
    assert [post.title for post in posts] == [str(n) for n in range(document.MOST_ITEMS)]


@pytest.mark.parametrize("odd", ["<![foo[ x ]]>", "<![CDfoo b>", "<![foo b"])
def test_what_the_parser_of_markup_does_not_know_costs_the_rest_of_a_summary(odd: str) -> None:
    item = f"<title>Ay</title><link>https://k.example/1</link><description>{escape('<p>Ay ' + odd)}</description>"
    [post] = read(rss(item), "")
    assert post.summary.startswith("Ay")


@pytest.mark.parametrize("piece", ["<a ", "<x/", "<!--", "<a b=", "<a b='", "</"])
def test_tags_without_an_end_cost_no_time(piece: str) -> None:
    text = escape("Ay &lt; Güneş " + piece * 7_000)
    item = f"<title>Ay</title><link>https://k.example/1</link><description>{text}</description>"
    began = time.process_time()
    posts = read(rss(*[item] * 20), "")
    assert time.process_time() - began < 5, "seconds; it took a minute"
    assert [post.summary.split()[:3] for post in posts] == [["Ay", "<", "Güneş"]] * 20


@given(st.binary(max_size=200), st.text(max_size=50))
def test_nothing_but_posts_and_faults_comes_out(junk: bytes, text: str) -> None:
    wrapped = (
        b"<rss><channel><item><title>" + text.encode("utf-8", "replace") + b"</title><link>https://k/</link>"
    )
    for data in (junk, wrapped + junk + b"</item></channel></rss>"):
        try:
            posts = read(data, "https://k.example/")
        except FeedFault:
            continue
        assert all(is_link(post.url) and post.title == one_line(post.title, 200) != "" for post in posts)
