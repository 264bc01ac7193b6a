"""Tracked links: they lead where a mail of ours led, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.links import Counting, LinkMaker, Wanted, agrees, clicked, opened, with_picture
from mailer.core.token import BadToken, Keyring, Stem, sign

KEYS = Keyring.single("k" * 32)
BASE = "https://mail.kardelen.example"
ALL = Wanted(clicks=True, opens=True)
YES, CLICKS, NO = Counting.YES, Counting.CLICKS, Counting.NO


def maker(wanted: Wanted = ALL) -> LinkMaker:
    return LinkMaker(KEYS, BASE, wanted)


def follow(link: str) -> tuple[str, int]:
    assert link.startswith(f"{BASE}/c/"), link
    return clicked(KEYS, link.removeprefix(f"{BASE}/c/"))


@pytest.mark.parametrize(
    "url",
    [
        "https://kardelen.example/davet",
        "http://kardelen.example:8080/a?b=c&d=%20e#f",
        "HTTPS://KARDELEN.EXAMPLE",
        "https://kardelen.example/?x[]=1&y={a|b}",
        "https://kardelen.example/" + "a" * 1_900,
    ],
)
def test_a_link_leads_where_it_led(url: str) -> None:
    track = maker().track(7, "offer", None)
    assert track
    assert follow(track(url)) == (url, 7)
    assert track(url) == track(url)


def test_letters_of_other_alphabets_travel_encoded() -> None:
    track = maker().track(7, "offer", None)
    assert track
    assert follow(track("https://kardelen.example/fırsat?ad=Ayşe"))[0] == (
        "https://kardelen.example/f%C4%B1rsat?ad=Ay%C5%9Fe"
    )


HOSTILE = [
    "//evil.example/", r"\\evil.example\\", "/local", "javascript:alert(1)", "data:text/html,x", "ftp://a.example/",
    "https:evil.example", "https:///evil.example", r"https:/\evil.example", "https://good.example@evil.example/",
    r"https://good.example\@evil.example/", "https://a.example/\r\nSet-Cookie: x=1", "https://a.example/\n",
    "https://a.example/ b", "https://a.example/\x00", "https://a.example/\x7f", "https://a.example/\u2028",
    'https://a.example/"onmouseover=x', "https://a.example/<script>", "https://", "http://", "https://a.example:",
    "https://[::1]/", "https://kardeşen.example/", "https://a.example/" + "a" * 2_000, "", "mailto:a@b.example",
    "#", "tel:+90", " https://a.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
def test_what_is_not_plainly_an_address_is_left_as_it_is(url: str) -> None:
    track = maker().track(7, "offer", None)
    assert track
    if url != "https://a.example/\u2028":  # that one travels encoded
        assert track(url) == url
        with pytest.raises(BadToken):  # even one who had our key could not
            clicked(KEYS, Stem(KEYS, "click", url).token(7))


@given(st.text(max_size=60))
def test_no_redirect_leaves_its_header_or_the_web(text: str) -> None:
    for url in (text, f"https://a.example/{text}", f"https://{text}/"):
        track = maker().track(7, "offer", None)
        assert track
        said = track(url)
        if said != url:
            where = follow(said)[0]
            assert where.isascii()
            assert where.isprintable()
            assert where.lower().startswith(("http://", "https://"))
            assert not set(where) & set(' \\"<>\r\n')


def test_links_of_our_own_are_left_alone() -> None:
    track = maker(Wanted(clicks=True, utm=True)).track(7, "offer", None)
    assert track
    for own in (f"{BASE}/u/token", f"{BASE}/p/token", f"{BASE}/images/x.png"):
        assert track(own) == own
    assert track(f"{BASE}.evil.example/") != f"{BASE}.evil.example/"


@pytest.mark.parametrize(
    ("wanted", "agreed", "tracks"),
    [
        (Wanted(clicks=True), None, True),
        (Wanted(clicks=True), YES, True),
        (Wanted(clicks=True), NO, False),
        (Wanted(clicks=True, opt_in=True), None, False),
        (Wanted(clicks=True, opt_in=True), YES, True),
        (Wanted(clicks=True, opt_in=True), CLICKS, True),
        (Wanted(opens=True), YES, False),
    ],
)
def test_who_is_counted(wanted: Wanted, agreed: Counting | None, tracks: bool) -> None:
    assert (maker(wanted).track(7, "offer", agreed) is not None) is tracks


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ("yes", YES), ("Evet", YES), (True, YES), ("1", YES), ("clicks", CLICKS), (" No ", NO), (False, NO), ("0", NO),
        ("hayır", NO), ("HAYIR", NO), ("hayir", NO), ("n", NO), (0, NO), (1, YES),
        ("perhaps", None), ("", None), (2, None), (None, None), ([], None),
    ],
)  # fmt: skip
def test_an_attribute_says_yes_and_no_as_a_file_does(said: object, agreed: Counting | None) -> None:
    assert agrees({"tracking": said}) is agreed


@pytest.mark.parametrize(
    ("wanted", "agreed", "delivery", "shown"),
    [
        (ALL, YES, 7, True),
        (ALL, None, 7, False),
        (ALL, CLICKS, 7, False),
        (ALL, NO, 7, False),
        (ALL, YES, 0, False),
        (Wanted(), YES, 7, False),
    ],
)
def test_a_picture_is_only_for_those_who_agreed(
    wanted: Wanted, agreed: Counting | None, delivery: int, shown: bool
) -> None:
    picture = maker(wanted).picture(delivery, agreed)
    assert (picture is not None) is shown
    if picture:
        assert opened(KEYS, picture.removeprefix(f"{BASE}/o/")) == delivery


@pytest.mark.parametrize(
    ("url", "tagged"),
    [
        ("https://a.example/", "https://a.example/?utm_source=mailer&utm_medium=email&utm_campaign=offer"),
        (
            "https://a.example/?b=1#c",
            "https://a.example/?b=1&utm_source=mailer&utm_medium=email&utm_campaign=offer#c",
        ),
        ("https://a.example/?utm_source=own", "https://a.example/?utm_source=own"),
        (f"{BASE}/u/x", f"{BASE}/u/x"),
        ("mailto:a@b.example", "mailto:a@b.example"),
    ],
)
def test_utm_parameters(url: str, tagged: str) -> None:
    plain = maker(Wanted(utm=True)).track(7, "offer", NO)
    both = maker(Wanted(utm=True, clicks=True)).track(7, "offer", None)
    assert plain
    assert both
    assert plain(url) == tagged
    assert both(url) == url if tagged == url and "utm" not in url else follow(both(url))[0] == tagged


def test_each_link_is_for_one_thing() -> None:
    click = Stem(KEYS, "click", "https://a.example/").token(7)
    for token in (sign(KEYS, "open", [7]), sign(KEYS, "unsubscribe", ["https://a.example/", 7]), click[:-1]):
        with pytest.raises(BadToken):
            clicked(KEYS, token)
    for claims in ([7], ["https://a.example/"], ["https://a.example/", "7"], [7, "https://a.example/"]):
        with pytest.raises(BadToken):
            clicked(KEYS, sign(KEYS, "click", claims))
    with pytest.raises(BadToken):
        opened(KEYS, click)


def test_many_addresses_are_not_kept_for_ever() -> None:
    links = maker()
    track = links.track(7, "offer", None)
    assert track
    for number in range(5_000):
        track(f"https://a.example/{number}")
    assert len(links._stems) <= 2_048


def test_the_picture_stands_at_the_end() -> None:
    assert with_picture("<body>x</body></html>", "https://m/o/t") == (
        '<body>x<img src="https://m/o/t" width="1" height="1" alt="" style="display:block;border:0"></body></html>'
    )
    assert with_picture("x", "y").startswith("x<img")
