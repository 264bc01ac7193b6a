"""Mailboxes that mail comes back to: what was taken is put away, what was not stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mailer.core.ways_back import Imap
from mailer.errors import SettingsError
from mailer.inbound.imap import ImapBox, Unreachable
from mailer.inbound.maildir import MaildirBox
from mailer.inbound.parts import LOOKED_AT
from tests.inbound.imap_server import serving
from tests.inbound.mails import dsn


class Hand:
    """Takes every mail but those that say `not now`."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    async def take(self, data: bytes) -> bool:
        self.seen.append(data)
        return b"not now" not in data


def config(port: int, **more: Any) -> Imap:
    given: dict[str, Any] = {
        "host": "127.0.0.1", "port": port, "username": "b", "password": SecretStr("geheim"), "tls": "none",
    }  # fmt: skip
    return Imap(**(given | more))


def a_maildir(folder: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


async def test_a_maildir_is_emptied_into_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = a_maildir(tmp_path / "box")
    (folder / "new" / "1.a").write_bytes(dsn())
    (folder / "cur" / "2.b:2,S").write_bytes(b"not now")
    (folder / "cur" / "3.c:2,S").write_bytes(b"x" * (LOOKED_AT + 5))
    (folder / "tmp" / "4.d").write_bytes(b"half")
    (folder / "new" / "5.e").symlink_to("/etc/hostname")
    hand = Hand()
    assert await MaildirBox(folder).look(hand.take) == 3
    assert [len(each) for each in hand.seen] == [len(dsn()), len(b"not now"), LOOKED_AT]
    put_away = sorted(path.name for path in (folder / ".handled" / "cur").iterdir())
    assert put_away == ["1.a:2,S", "3.c:2,S", "5.e:2,S"]
    assert [path.name for path in (folder / "cur").iterdir()] == ["2.b:2,S"]
    assert (folder / "tmp" / "4.d").exists()
    assert await MaildirBox(folder).look(hand.take) == 0


async def test_mails_that_somebody_else_moves_meanwhile_stop_nothing(tmp_path: Path) -> None:
    """Another machine that looks into it, or the mail server, which renames what was seen."""
    folder = a_maildir(tmp_path / "box")
    for name in ("1.a", "2.b", "3.c", "4.d"):
        (folder / "new" / name).write_bytes(dsn())

    async def take(_data: bytes) -> bool:
        (folder / "new" / "1.a").unlink(missing_ok=True)  # after it was read
        if (folder / "new" / "2.b").exists():  # before it was
            (folder / "new" / "2.b").rename(folder / "cur" / "2.b:2,S")
        return True

    box = MaildirBox(folder)
    assert await box.look(take) == 2
    assert await box.look(take) == 1
    assert sorted(path.name[:3] for path in (folder / ".handled" / "cur").iterdir()) == ["2.b", "3.c", "4.d"]


async def test_a_folder_that_is_no_maildir_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"bounces.maildir: .*no-box cannot be read as a Maildir"):
        await MaildirBox(tmp_path / "no-box").look(Hand().take)


@pytest.mark.parametrize("moves", [True, False])
async def test_a_mailbox_over_imap_is_emptied_too(moves: bool) -> None:
    async with serving(moves=moves) as store:
        store.add(dsn())
        store.add(b"not now")
        store.add(b"y" * (LOOKED_AT + 5))
        hand = Hand()
        assert await ImapBox(config(store.port)).look(hand.take) == 2
        assert [len(each) for each in hand.seen] == [len(dsn()), len(b"not now"), LOOKED_AT]
        assert list(store.folders["INBOX"].values()) == [b"not now"]
        assert len(store.folders["handled"]) == 2
        assert await ImapBox(config(store.port)).look(hand.take) == 0
        assert sum(each.startswith("CREATE") for each in store.asked) == 1


async def test_a_wrong_password_is_told_and_not_shown() -> None:
    async with serving() as store:
        with pytest.raises(SettingsError) as caught:
            await ImapBox(config(store.port, password=SecretStr("falsch"))).look(Hand().take)
    assert str(caught.value) == "bounces.imap.password: 127.0.0.1 does not let b in."


async def test_a_server_that_is_away_is_asked_again() -> None:
    async with serving() as store:
        port = store.port
    with pytest.raises(Unreachable, match=r"the mailbox at 127.0.0.1 cannot be read"):
        await ImapBox(config(port)).look(Hand().take)
    async with serving() as store:
        with pytest.raises(Unreachable, match="cannot be read"):
            await ImapBox(config(store.port, folder="None")).look(Hand().take)
        with pytest.raises(Unreachable, match="cannot be read"):  # it speaks no TLS
            await ImapBox(config(store.port, tls="implicit")).look(Hand().take)


async def test_what_somebody_deleted_and_is_there_still_is_left_alone() -> None:
    async with serving() as store:
        store.deleted.add(store.add(dsn()))
        store.add(b"x")
        hand = Hand()
        assert await ImapBox(config(store.port)).look(hand.take) == 1
        assert hand.seen == [b"x"]
