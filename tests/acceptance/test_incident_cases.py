"""An outage told through the commands: who hears what, and who does not."""

from __future__ import annotations

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import small


def test_case_11_one_notice_lists_every_affected_point(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop("outage", "offer"), relay()
    here.relay(post.port)
    someone = {"locale": "tr", "consent": "yes"}
    here.customers(
        {"id": "1", "email": "Ayse@x.example", **someone},
        {"id": "2", "email": "ayse@X.example", **someone},
        {"id": "3", "email": "can@x.example", **someone},
        now="2027-01-14T00:00:00Z",
    )
    here.write(
        "points.csv",
        "customer,id,service,postal_code,label\n3,ev,fibre,34710,Ev\n3,is,fibre,34722,Dükkân\n3,yazlik,fibre,48400,Yazlık\n",
    )
    here.mailer("points", "import", "points.csv", now="2027-01-14T00:00:00Z")
    here.mailer("campaigns", "run", "offer", now="2027-01-15T08:00:00Z")
    here.mailer("incidents", "open", "--title", "Kesinti", "--postal", "347*", now="2027-01-15T08:00:00Z")
    here.run("2027-01-15T08:00:00Z")
    rows = here.deliveries()
    assert sorted((row["campaign"], row["customer"], row["state"], row["reason"]) for row in rows) == [
        ("offer", "1", "sent", None),
        ("offer", "2", "skipped", "duplicate"),
        ("offer", "3", "sent", None),  # its turn had come when the outage was published
        ("outage", "3", "sent", None),
    ]
    assert post.accepted[0] == "can@x.example"  # the outage goes before everything else
    notice = post.mails()[0].get_body(("plain",)).get_content()
    assert "Ev" in notice
    assert "Dükkân" in notice
    assert "Yazlık" not in notice


def test_two_files_of_one_name_are_two_lists(shop: OpenShop) -> None:
    here, now = small(shop("outage"), "outage"), "2027-01-15T08:00:00Z"
    here.customers(*({"id": each, "email": f"{each}@x.example"} for each in "abc"), now=now)
    here.write("anadolu/affected.txt", "a\nb\n")
    here.write("avrupa/affected.txt", "c\n")
    both = ("--list", "anadolu/affected.txt", "--list", "avrupa/affected.txt")
    assert here.mailer("incidents", "preview", *both, "--json", now=now).rows[0]["count"] == 3
    line = ("--title", "Anadolu", "--message", "Arıza", "--eta", "2h", "--list", "anadolu/affected.txt")
    assert here.mailer("incidents", "preview", *line, "--json", now=now).rows[0]["count"] == 2
    assert here.mailer("incidents", "preview", *line, "--state", "bad", now=now, status=2).err
    for odd in (("--state", "resolved"), ("--lead", "48h")):  # what opening it refuses
        asked = [
            here.mailer("incidents", verb, *line, *odd, now=now, status=2) for verb in ("preview", "open")
        ]
        assert asked[0].err == asked[1].err
    here.mailer("incidents", "open", *line, now=now)
    here.mailer("incidents", "open", "--title", "Avrupa", "--list", "avrupa/affected.txt", now=now)
    here.run(now)
    told = [(row["occurrence"], row["customer"]) for row in here.deliveries()]
    assert sorted(told) == [("1:1", "a"), ("1:1", "b"), ("2:1", "c")]


def test_everybody_is_told_in_their_own_language(shop: OpenShop, relay: StartRelay) -> None:
    here, post, now = shop("outage"), relay(), "2027-01-15T08:00:00Z"
    here.relay(post.port)
    home = {"postal_code": "34710", "services": "fibre"}
    here.customers(
        {"id": "ayse", "email": "ayse@x.example", "locale": "tr", **home},
        {"id": "john", "email": "john@x.example", "locale": "en-GB", **home},
        {"id": "none", "email": "none@x.example", **home},
        now=now,
    )
    titles = ("--title", "Moda'da kablo koptu", "--title", "en=A cable was cut in Moda")
    message = ("--message", "Ekibimiz yolda.", "--message", "en=Our crew is on its way.")
    here.mailer("incidents", "open", *titles, *message, "--postal", "34710", now=now)
    here.run(now)
    texts = {mail["To"]: mail.get_body(("plain",)).get_content() for mail in post.mails()}
    read = {to.partition("@")[0]: ("cut in Moda" in text, "crew is on" in text) for to, text in texts.items()}
    assert read == {"ayse": (False, False), "none": (False, False), "john": (True, True)}
    assert all(("kablo koptu" in text) is not ("cut in Moda" in text) for text in texts.values())
    shown = here.mailer("incidents", "show", "1", "--json").rows[0]["updates"][0]
    assert (shown["title"], shown["titles"]) == ("Moda'da kablo koptu", {"en": "A cable was cut in Moda"})
    assert shown["messages"] == {"en": "Our crew is on its way."}
    twice = here.mailer("incidents", "update", "1", "--message", "Bir", "--message", "İki", now=now, status=2)
    assert "Say --message once without a language" in twice.err
