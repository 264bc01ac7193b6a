"""Mails as they come back, each in the words of its writer; `TOKEN` stands where ours is."""

from __future__ import annotations

TO = "b+4d-1-aaaa-0123456789abcdef01234567@bounce.shop.example"
TOKEN = "4d-1-aaaa-0123456789abcdef01234567"
MESSAGE_ID = "<77.0123456789abcdef0123@shop.example>"

ORIGINAL = f"""\
Return-Path: <{TO}>
From: Kardelen <merhaba@kardelen.example>
To: ayse@away.example
Subject: Merhaba
Message-ID: {MESSAGE_ID}
Content-Type: text/plain
"""

HEAD = """\
From: MAILER-DAEMON@mx.away.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
"""


def dsn(
    *,
    action: str = "failed",
    status: str = "5.1.1",
    code: str = "smtp; 550 5.1.1 <ayse@away.example>: User unknown",
    to: str = TO,
    kind: str = "message/delivery-status",
    original: str = "message/rfc822",
    more: str = "",
    recipients: int = 1,
) -> bytes:
    """A report as RFC 3464 has it."""
    block = (
        f"Final-Recipient: rfc822; ayse@away.example\nOriginal-Recipient: rfc822;ayse@away.example\n"
        f"Action: {action}\nStatus: {status}\nRemote-MTA: dns; mx.away.example\nDiagnostic-Code: {code}\n"
    )
    blocks = "\n".join([block] * recipients)
    return (
        HEAD.format(to=to)
        + 'Content-Type: multipart/report; report-type=delivery-status; boundary="b0"\n\n'
        + "--b0\nContent-Type: text/plain\n\nI'm sorry to have to inform you.\n\n"
        + f"--b0\nContent-Type: {kind}\n\nReporting-MTA: dns; mx.shop.example\nArrival-Date: today\n\n{blocks}{more}\n"
        + f"--b0\nContent-Type: {original}\n\n{ORIGINAL}\nMerhaba!\n--b0--\n"
    ).encode()


def arf(*, kind: str = "abuse", sender: str = "", original: str = "message/rfc822") -> bytes:
    """A complaint as RFC 5965 has it."""
    said = f"Feedback-Type: {kind}\nUser-Agent: Away/1.0\nVersion: 1\nOriginal-Rcpt-To: <ayse@away.example>\n"
    return (
        "From: feedback@away.example\nTo: fbl@shop.example\nSubject: complaint\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b0"\n\n'
        "--b0\nContent-Type: text/plain\n\nAn abuse report.\n\n"
        f"--b0\nContent-Type: message/feedback-report\n\n{said}{sender}\n"
        f"--b0\nContent-Type: {original}\n\n{ORIGINAL}\nMerhaba!\n--b0--\n"
    ).encode()


QMAIL = f"""\
From: MAILER-DAEMON@old.example
To: {TO}
Subject: failure notice

Hi. This is the qmail-send program at old.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ayse@away.example>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 User unknown
Giving up on 192.0.2.1.

--- Below this line is a copy of the message.

""".encode()

EXIM = f"""\
X-Failed-Recipients: ayse@away.example
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@old.example>
To: {TO}
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ayse@away.example
    SMTP error from remote mail server after RCPT TO:<ayse@away.example>:
    host mx.away.example [192.0.2.1]: 552 5.2.2 mailbox full
""".encode()

NO_BOUNCES = {
    "vacation": f"From: ayse@away.example\nTo: {TO}\nAuto-Submitted: auto-replied\nSubject: away\n\n"
    "550 5.1.1 I am away; user unknown at this beach.\n",
    "vacation by the mail system": f"From: postmaster@away.example\nTo: {TO}\nAuto-Submitted: auto-replied (vacation)\n"
    "X-Autoreply: yes\nSubject: away\n\n<ayse@away.example>: 550 5.1.1\n",
    "precedence": f"From: ayse@away.example\nTo: {TO}\nPrecedence: auto_reply\n\nOut of office.\n",
    "somebody's answer": f"From: ayse@away.example\nTo: {TO}\n\nPlease stop, 550 5.1.1 user unknown!\n",
    "a bounce that somebody quotes": f"From: ayse@away.example\nTo: {TO}\nContent-Type: multipart/mixed; boundary=q\n\n"
    "--q\nContent-Type: text/plain\n\nWhat is this?\n--q\nContent-Type: message/rfc822\n\n"
    + dsn().decode()
    + "\n--q--\n",
    "receipt": f"From: ayse@away.example\nTo: {TO}\nContent-Type: multipart/report; boundary=q\n\n"
    "--q\nContent-Type: message/disposition-notification\n\nDisposition: automatic/displayed\n\n--q--\n",
    "delivered": dsn(action="delivered", status="2.0.0").decode(),
    "relayed": dsn(action="relayed", status="2.0.0").decode(),
    "not spam": arf(kind="not-spam").decode(),
    "authentication": arf(kind="auth-failure").decode(),
    "nothing": "",
    "daemon with nothing to say": f"From: MAILER-DAEMON@x.example\nTo: {TO}\n\nHello.\n",
}
