"""Other ways to send the same mails, each a process of its own: loops over SMTP libraries, and nodemailer's pool."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path

from mailer.bench.postfix import SESSIONS, Sink
from mailer.bench.process import run
from mailer.core.message import Message
from mailer.errors import MailerError

_NODE_SCRIPT = Path(__file__).parent / "files" / "nodemailer.cjs"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another sender. Its rate is flat, so `mails` are few: it is given seconds, not minutes."""

    name: str
    command: tuple[str, ...]  # followed by the port, the number of mails and the file they are in
    mails: int


@dataclass(frozen=True, slots=True)
class PeerRun:
    """What one run took, as the process itself measured it from the first mail to the last reply."""

    mails: int
    seconds: float
    cpu: float
    peak_mb: float


_LOOPS = (sys.executable, "-m", "mailer.bench.loops")
LOOPS = (
    Peer(f"aiosmtplib, {SESSIONS} connections", (*_LOOPS, "aiosmtplib", str(SESSIONS)), 3_000),
    Peer("aiosmtplib, 1 connection", (*_LOOPS, "aiosmtplib", "1"), 2_000),
    Peer("smtplib, 1 connection", (*_LOOPS, "smtplib", "1"), 2_000),
    Peer("smtplib, ready bytes", (*_LOOPS, "bytes", "1"), 5_000),
)


async def nodemailer() -> Peer | None:
    """Its pool, where node is and nodemailer is installed: here, above, or for everybody. None: it is not."""
    node = shutil.which("node")
    if node is None:
        return None
    places = [str(Path.cwd())]
    npm = shutil.which("npm")
    if npm is not None:
        places.append(str(Path((await run([npm, "root", "-g"])).out.strip()).parent))
    for place in places:
        command = (node, str(_NODE_SCRIPT), place, str(SESSIONS))
        try:
            await run(command)
        except MailerError:
            continue
        return Peer(f"nodemailer, pool of {SESSIONS}", command, 3_000)
    return None


async def play(peer: Peer, to: Sink, file: Path, most: int) -> PeerRun:
    """Let another sender send, at most so many.

    Raises:
        MailerError: it failed.
    """
    mails = min(peer.mails, most)
    usage = await run([*peer.command, str(to.port), str(mails), str(file)])
    said = json.loads(usage.out)
    return PeerRun(mails, said["seconds"], said["cpu"], usage.peak_mb)


def write_mails(file: Path, mails: Sequence[Message]) -> None:
    """The mails as others take them: whole, and in parts for who makes MIME of them."""
    rows = []
    for mail in mails:
        parsed = message_from_bytes(mail.data, policy=policy.default)
        html, text = parsed.get_body(("html",)), parsed.get_body(("plain",))
        rows.append(
            {
                "from": mail.mail_from,
                "to": mail.rcpt_to,
                "raw": mail.data.decode("utf-8", "surrogateescape"),
                "subject": str(parsed["Subject"]),
                "html": html.get_content() if html else "",
                "text": text.get_content() if text else "",
            }
        )
    file.write_text(json.dumps(rows), "utf-8")
