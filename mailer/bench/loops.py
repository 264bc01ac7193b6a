"""What people write first: a loop over smtplib or aiosmtplib. Run as a process of its own by `mailer.bench.peers`.

    python -m mailer.bench.loops smtplib|aiosmtplib|bytes CONNECTIONS PORT COUNT FILE

FILE holds mails as JSON. An `EmailMessage` is made of each one's subject, text and HTML and sent; with `bytes` ready
ones are sent by smtplib, with nothing made at all. The clock starts when the connections stand; what it says is
printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

import aiosmtplib

from mailer.bench.postfix import HOST

Mails = list[dict[str, str]]


def letter(mail: dict[str, str]) -> EmailMessage:
    """A mail as the standard library makes it."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = mail["from"], mail["to"], mail["subject"]
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(domain="shop.example")
    made.set_content(mail["text"])
    made.add_alternative(mail["html"], subtype="html")
    return made


def smtplib_loop(port: int, count: int, mails: Mails, *, ready: bool) -> dict[str, float]:
    """One connection, kept."""
    raw = [mail["raw"].encode("utf-8", "surrogateescape") for mail in mails]
    with smtplib.SMTP(HOST, port) as relay:
        relay.ehlo()
        begun, cpu = time.perf_counter(), time.process_time()
        for number in range(count):
            mail = mails[number % len(mails)]
            if ready:
                relay.sendmail(mail["from"], mail["to"], raw[number % len(mails)])
            else:
                relay.send_message(letter(mail))
        return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


async def aiosmtplib_loop(connections: int, port: int, count: int, mails: Mails) -> dict[str, float]:
    """So many connections, kept, each with its loop."""
    relays = [
        aiosmtplib.SMTP(hostname=HOST, port=port, use_tls=False, start_tls=False) for _ in range(connections)
    ]
    for relay in relays:
        await relay.connect()
        await relay.ehlo()
    numbers = iter(range(count))

    async def loop(relay: aiosmtplib.SMTP) -> None:
        for number in numbers:
            await relay.send_message(letter(mails[number % len(mails)]))

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(loop(relay) for relay in relays))
    said = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    for relay in relays:
        await relay.quit()
    return said


def main(words: list[str]) -> None:
    """Send, and say what it took."""
    kind, connections, port, count, file = words
    mails: Mails = json.loads(Path(file).read_text("utf-8"))
    if kind == "aiosmtplib":
        said = asyncio.run(aiosmtplib_loop(int(connections), int(port), int(count), mails))
    else:
        said = smtplib_loop(int(port), int(count), mails, ready=kind == "bytes")
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1:])
