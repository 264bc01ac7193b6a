"""A stranger's own file, through a relay that is not ours, with the public commands only."""

from __future__ import annotations

from html import unescape

from tests.acceptance.another_relay import TLS, serving
from tests.acceptance.conftest import OpenShop

NOW = "2027-01-15T10:00:00Z"
FILE = """\
Müşteri No;E-posta;Ad;Soyad;Dil;Saat Dilimi;Posta Kodu;İzin;Doğum Günü;Sadakat Puanı
K-1;ayse@posta.example;Ayşe;Yılmaz;tr_TR;Europe/Istanbul;34710;evet;1990-05-10;120
K-2;john@mail.example;John;"O'Neil; Jr.";en-GB;Europe/London;;yes;--07-01;
K-3;juergen@bücher.example;Jürgen;;de;Mars/Phobos;;EVET;;7
K-4;not an address;Ali;;tr;;;evet;;
;kim@posta.example;Kim;;tr;;;evet;;
K-6;gizli@posta.example;Can;;tr;;;belki;;
K-7;hayir@posta.example;Naz;;tr;;;hayır;;
K-8;"open@posta.example;Eda;;tr;;;evet;;
K-9;kisa@posta.example;Su
"""
MAPS = {
    "Müşteri No": "id",
    "E-posta": "email",
    "Ad": "first_name",
    "Soyad": "last_name",
    "Dil": "locale",
    "Saat Dilimi": "timezone",
    "Posta Kodu": "postal_code",
    "İzin": "consent",
    "Doğum Günü": "birthday",
}
CODE = "shop", "s3cret ç"


def test_a_strangers_customers_hear_from_us_through_their_own_relay(shop: OpenShop) -> None:
    here = shop("offer", fresh=True)
    here.write("kisiler.csv", b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    words = (
        "customers",
        "import",
        "kisiler.csv",
        *(f"--map={column}={field}" for column, field in MAPS.items()),
    )
    first = here.mailer(*words, "--json", now="2027-01-01T00:00:00Z", status=1)
    report = first.rows[0]
    assert [(fault["line"], fault["field"]) for fault in report["rejected"]] == [
        (5, "email"),
        (6, "id"),
        (7, "consent"),
        (9, ""),
        (10, ""),
    ]
    assert (report["created"], report["updated"]) == (4, 0)
    assert "line 4: timezone" in first.err
    again = here.mailer(*words, "--json", now="2027-01-01T00:00:00Z", status=1).rows[0]
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 4)

    with serving(*CODE) as inbox:
        here.relay(inbox.port, host="localhost", tls="starttls", username=CODE[0], password=CODE[1])
        here.mailer("campaigns", "run", "offer", now=NOW)
        here.run(NOW, env={"SSL_CERT_FILE": str(TLS / "ca.pem")})
    assert {row["customer"]: row["reason"] or row["state"] for row in here.deliveries()} == {
        "K-1": "sent",
        "K-2": "sent",
        "K-3": "sent",
        "K-7": "no_consent",
    }
    assert inbox.encrypted == [True] * 3
    mails = {mail["To"].addresses[0].display_name: mail for mail in inbox.mails}
    assert {name: mail["To"].addresses[0].addr_spec for name, mail in mails.items()} == {
        "Ayşe Yılmaz": "ayse@posta.example",
        "John O'Neil; Jr.": "john@mail.example",
        "Jürgen": "juergen@xn--bcher-kva.example",
    }
    assert sorted(rcpt for _sender, (rcpt,) in inbox.envelopes) == sorted(
        mail["To"].addresses[0].addr_spec for mail in mails.values()
    )
    says = {name: mail["Subject"] for name, mail in mails.items()}
    assert says["Ayşe Yılmaz"].startswith("Sezon sonu")
    assert says["John O'Neil; Jr."] == says["Jürgen"] == "End-of-season sale: 15% off, just for you"
    for mail in inbox.mails:
        assert not mail.defects
        assert mail["From"] == "Kardelen <merhaba@kardelen.example>"
        assert mail["List-Unsubscribe"].startswith("<http://127.0.0.1:8080/u/")
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["List-Id"]
        html = unescape(mail.get_body(("html",)).get_content())
        text = mail.get_body(("plain",)).get_content()
        first_name = mail["To"].addresses[0].display_name.split()[0]
        assert first_name in html
        assert first_name in text
        assert mail["List-Unsubscribe"].strip("<>") in text


def test_a_file_that_is_not_utf8_is_refused_whole(shop: OpenShop) -> None:
    here = shop()
    here.write("kunden.csv", "id,email,first_name\n1,a@x.example,Jürgen\n".encode("latin-1"))
    answer = here.mailer("customers", "import", "kunden.csv", status=1)
    assert answer.err.startswith("kunden.csv:2: is not UTF-8")
    assert len(answer.err.splitlines()) == 1
