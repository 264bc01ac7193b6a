"""What a person at the keyboard does by mistake, and what a template may not learn."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import time

from tests import started
from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import PATIENCE, SCRIPT, Shop, wait_until

NOW = "2027-01-15T08:00:00Z"
LETTER = "purpose: service\ntrigger: manual\n"
SECONDS = 5.0  # from `halt` until no mail starts any more


def a_shop(here: Shop, count: int) -> Shop:
    here.campaign("letter", LETTER)
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example"} for n in range(count)), now="2026-01-05T08:00:00Z"
    )
    return here


def at_a_terminal(here: Shop, typed: str) -> tuple[int, str]:
    """`mailer campaigns run letter` by somebody who is asked and answers."""
    outer, inner = pty.openpty()
    running = subprocess.Popen(
        [SCRIPT, "campaigns", "run", "letter", "--now", NOW],
        cwd=here.folder, env=started.environment(), stdin=inner, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    os.close(inner)
    os.write(outer, f"{typed}\n".encode())
    _out, said = running.communicate(timeout=PATIENCE)
    os.close(outer)
    return running.returncode, said


def test_a_large_send_by_hand_asks_for_its_exact_number(shop: OpenShop) -> None:
    here = a_shop(shop(), 101)
    status, said = at_a_terminal(here, "100")
    assert status == 2
    assert "goes to an audience of 101. Type that number to go on:" in said
    assert "nothing was sent" in said
    assert here.runs() == []
    assert at_a_terminal(here, "101")[0] == 0
    assert [run["audience"] for run in here.runs()] == [101]


def test_nothing_starts_once_somebody_pulled_the_switch(shop: OpenShop, relay: StartRelay) -> None:
    count = 200
    post = relay({"dot": "wait 0.2|250 2.0.0 kept"})
    here = a_shop(shop(), count)
    here.relay(post.port, connections=4)
    here.set(sender={"processes": 2, "claim_size": 20})
    here.mailer("campaigns", "run", "letter")
    running = here.start("run")
    post.wait_for_dots(10, running)
    here.mailer("halt", "--note", "wrong price")
    pulled = time.time()
    wait_until(lambda: time.time() > pulled + SECONDS + 0.5)
    begun = [note["at"] for note in post.notes if note["phase"] == "data"]
    assert len(begun) < count
    assert [at for at in begun if at > pulled + SECONDS] == []
    said = re.compile(r"Everything is halted since \S+Z \(wrong price\); mailer unhalt lets it go on\.")
    assert said.search(here.mailer("runs").err)
    here.mailer("unhalt")
    post.wait_for_dots(len(begun) + 10, running)
    running.signal(15)
    running.end()
    became = {row["address"]: row["state"] for row in here.deliveries()}
    assert len(became) == count
    assert {address for address, state in became.items() if state == "sent"} == set(post.accepted)
    assert set(became.values()) == {"sent", "queued"}
    assert len(post.accepted) == len(set(post.accepted))


def test_no_template_learns_a_secret(shop: OpenShop) -> None:
    here = a_shop(shop(), 1)
    here.set(
        secret_key="GEHEIM-1-with-letters-enough-to-do",
        relay={"host": "127.0.0.1", "port": 9, "username": "u", "password": "GEHEIM-2"},
    )
    everything = "".join(
        f"{{{{ {name} }}}} {{% for key in {name} %}}{{{{ {name}[key] }}}} {{% endfor %}}\n"
        for name in ("tenant", "campaign", "links", "run", "customer")
    )
    here.write("templates/letter/body.txt", everything)
    answer = here.mailer(
        "preview",
        "letter",
        "--customer",
        "c0",
        "--format",
        "text",
        now=NOW,
        env={"MAILER_TEST_SECRET": "GEHEIM-3"},
    )
    assert "GEHEIM" not in answer.out + answer.err
    assert "c0@x.example" in answer.out
    assert "Kardelen" in answer.out
