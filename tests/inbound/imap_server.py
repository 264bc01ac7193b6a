"""An IMAP server as small as our reader needs one (RFC 9051): a folder of mails, and those it makes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_LITERAL_END = b")"


@dataclass
class Store:
    """What it holds, and what it was asked."""

    password: str = "geheim"
    moves: bool = True  # whether it has MOVE (RFC 6851)
    port: int = 0
    folders: dict[str, dict[int, bytes]] = field(default_factory=lambda: {"INBOX": {}})
    asked: list[str] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)

    def add(self, data: bytes) -> int:
        number = 1 + max([0, *(uid for folder in self.folders.values() for uid in folder)])
        self.folders["INBOX"][number] = data
        return number

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await Talk(self, reader, writer).run()
        writer.close()


@dataclass
class Talk:
    """One connection."""

    store: Store
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    folder: str = "INBOX"

    async def run(self) -> None:
        self.say(b"* OK ready")
        while line := (await self.reader.readline()).decode().rstrip("\r\n"):
            tag, _, rest = line.partition(" ")
            verb, _, words = rest.partition(" ")
            if verb.upper() == "UID":
                verb, _, words = words.partition(" ")
                verb = f"uid_{verb}"
            self.store.asked.append(rest)
            answer = getattr(self, f"on_{verb.lower()}")(words)
            self.say(f"{tag} {answer or 'OK done'}".encode())
            await self.writer.drain()
            if verb.upper() == "LOGOUT":
                return

    def say(self, line: bytes) -> None:
        self.writer.write(line + b"\r\n")

    def on_capability(self, _words: str) -> str:
        self.say(b"* CAPABILITY IMAP4rev1 UIDPLUS" + (b" MOVE" if self.store.moves else b""))
        return ""

    def on_login(self, words: str) -> str:
        return "" if words == f'"b" "{self.store.password}"' else "NO no"

    def on_list(self, words: str) -> str:
        wanted = words.rsplit(maxsplit=1)[-1].strip('"')
        for name in self.store.folders:
            if wanted in ("*", name):
                self.say(f'* LIST () "/" "{name}"'.encode())
        return ""

    def on_create(self, words: str) -> str:
        self.store.folders[words.strip('"')] = {}
        return ""

    def on_select(self, words: str) -> str:
        self.folder = words.strip('"')
        if self.folder not in self.store.folders:
            return "NO none"
        self.say(f"* {len(self.store.folders[self.folder])} EXISTS".encode())
        return "OK [READ-WRITE] selected"

    def on_uid_search(self, words: str) -> str:
        gone = self.store.deleted if "UNDELETED" in words else set()
        found = (str(uid) for uid in self.store.folders[self.folder] if uid not in gone)
        self.say(b"* SEARCH " + " ".join(found).encode())
        return ""

    def on_uid_fetch(self, words: str) -> str:
        found = re.fullmatch(r"(\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", words)
        assert found is not None, words
        data = self.store.folders[self.folder].get(int(found[1]))
        if data is not None:
            part = data[: int(found[2])]
            self.say(f"* 1 FETCH (UID {found[1]} BODY[]<0> {{{len(part)}}}".encode())
            self.writer.write(part)
            self.say(_LITERAL_END)
        return ""

    def on_uid_move(self, words: str) -> str:
        self.on_uid_copy(words)
        self.store.folders[self.folder].pop(int(words.split(maxsplit=1)[0]))
        return ""

    def on_uid_copy(self, words: str) -> str:
        uid, folder = words.split()
        self.store.folders[folder.strip('"')][int(uid)] = self.store.folders[self.folder][int(uid)]
        return ""

    def on_uid_store(self, words: str) -> str:
        self.store.deleted.add(int(words.split(maxsplit=1)[0]))
        return ""

    def on_expunge(self, _words: str) -> str:
        for uid in self.store.deleted:
            self.store.folders[self.folder].pop(uid, None)
        return ""

    on_uid_expunge = on_expunge

    def on_logout(self, _words: str) -> str:
        self.say(b"* BYE bye")
        return ""


@asynccontextmanager
async def serving(**options: object) -> AsyncIterator[Store]:
    """Serve until the block ends."""
    store = Store(**options)  # type: ignore[arg-type]
    server = await asyncio.start_server(store.serve, "127.0.0.1", 0)
    store.port = server.sockets[0].getsockname()[1]
    try:
        yield store
    finally:
        server.close()
