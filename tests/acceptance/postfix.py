"""A Postfix of a test's own: its configuration, queue and log in a folder of ours, on a port of the loopback.

Nothing of the machine's own Postfix is read, started or stopped; only its programs are used.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import ports

_PLACES = "/usr/sbin:/usr/local/sbin"
_PATIENCE = 60.0

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {commands}
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
disable_dns_lookups = yes
smtp_host_lookup = native
smtp_tls_security_level = none
biff = no
notify_classes =
relayhost = [127.0.0.1]:{onward}
transport_maps = texthash:{folder}/transport
bounce_queue_lifetime = 1h
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
showq     unix  n - n - - showq
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
tlsmgr    unix  - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """A running one."""

    port: int
    log: Path


def wanted() -> str:
    """The `postfix` command; the test is left out, and says so, where it cannot run."""
    found = shutil.which("postfix") or shutil.which("postfix", path=_PLACES)
    if found is None:
        sentence = (
            "No Postfix is here to bounce a mail; install the Debian package postfix (no service has to run)."
        )
        if os.environ.get("CI") == "true":
            pytest.fail(sentence)
        pytest.skip(sentence)
    if os.geteuid() != 0:
        pytest.skip("Only root can start a Postfix; run this test as root to see a real bounce come back.")
    return found


@contextmanager
def running(onward: int, routes: Mapping[str, int]) -> Iterator[Postfix]:
    """A Postfix that hands mail on to the port `onward`, mail for some domains to ports of their own."""
    command = wanted()
    daemons = subprocess.run(
        [Path(command).with_name("postconf"), "-h", "-d", "daemon_directory"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    # Its processes are of another user, who cannot pass through the folders of a test of root's.
    folder = Path(tempfile.mkdtemp(prefix="mailer-postfix-"))
    folder.chmod(0o755)
    held = ports.hold()
    port = ports.number(held)
    try:
        facts = {"folder": folder, "commands": Path(command).parent, "daemons": daemons, "onward": onward}
        (folder / "main.cf").write_text(_MAIN.format(**facts))
        (folder / "master.cf").write_text(_MASTER.format(port=port))
        lines = [f"{domain} smtp:[127.0.0.1]:{number}\n" for domain, number in routes.items()]
        (folder / "transport").write_text("".join(lines))
        (folder / "queue").mkdir()
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "postfix")
        _say(command, folder, "start")
        try:
            until_it_answers(port)
            yield Postfix(port, folder / "log")
        finally:
            _say(command, folder, "stop")
    finally:
        held.close()
        shutil.rmtree(folder, ignore_errors=True)


def _say(command: str, folder: Path, verb: str) -> None:
    done = subprocess.run(
        [command, "-c", str(folder), verb], check=False, capture_output=True, text=True, timeout=60
    )
    log = folder / "log"
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")


def until_it_answers(port: int) -> None:
    """Until a mail server greets there."""
    end = time.monotonic() + _PATIENCE
    while True:
        with socket.socket() as client:
            client.settimeout(_PATIENCE)
            if client.connect_ex(("127.0.0.1", port)) == 0 and client.recv(3) == b"220":
                return
        assert time.monotonic() < end, "nobody answers"
        time.sleep(0.05)
