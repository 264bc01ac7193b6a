"""A nameserver that answers from a script: the counterpart of `mailer doctor`, on loopback, over UDP and TCP.

A zone is a mapping of `TYPE name` to records as a zone file writes them, or to what becomes of the question:

    SERVFAIL, REFUSED    answered with that
    SILENT               not answered
    GARBAGE              answered with something that is no DNS message

Names that no key speaks of do not exist (NXDOMAIN); those that another type speaks of have no such record.
A CNAME is followed within the zone. What does not fit a datagram is truncated, and comes over TCP.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = Mapping[str, str | Sequence[str]]
_MOST = 1232  # octets of a datagram
_SPECIAL = {"SERVFAIL": dns.rcode.SERVFAIL, "REFUSED": dns.rcode.REFUSED}


class Nameserver:
    """The zone, and what was asked."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.asked: list[str] = []
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def answer(self, wire: bytes, *, most: int = 65_535) -> bytes | None:
        """What is said to a question; None: nothing."""
        query = dns.message.from_wire(wire)
        [asked] = query.question
        kind, name = dns.rdatatype.to_text(asked.rdtype), asked.name.to_text(omit_final_dot=True).lower()
        self.asked.append(f"{kind} {name}")
        reply = dns.message.make_response(query, recursion_available=True)
        for _step in range(10):
            found = self.zone.get(f"{kind} {name}")
            if found == "SILENT":
                return None
            if found == "GARBAGE":
                return wire[:2] + b"\x80"
            if isinstance(found, str) and found in _SPECIAL:
                reply.set_rcode(_SPECIAL[found])
                break
            if found is not None:
                reply.answer.append(_records(name, kind, found))
                break
            led = self.zone.get(f"CNAME {name}")
            if led is None:
                if not any(key.split(" ")[1] == name for key in self.zone):
                    reply.set_rcode(dns.rcode.NXDOMAIN)
                break
            reply.answer.append(_records(name, "CNAME", led))
            name = str(led).rstrip(".").lower()
        if len(made := reply.to_wire()) <= most:
            return made
        short = dns.message.make_response(query, recursion_available=True)
        short.flags |= dns.flags.TC
        return short.to_wire()


def _records(name: str, kind: str, found: str | Sequence[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(
        f"{name}.", 60, "IN", kind, [found] if isinstance(found, str) else list(found)
    )


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Nameserver) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if (answer := self._server.answer(data, most=_MOST)) is not None:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def serving(zone: Zone) -> AsyncIterator[Nameserver]:
    """A nameserver on a port of 127.0.0.1 until the block ends."""
    server = Nameserver(zone)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            [length] = struct.unpack("!H", await reader.readexactly(2))
            answer = server.answer(await reader.readexactly(length))
            if answer is not None:
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    loop = asyncio.get_running_loop()
    while True:
        tcp = await asyncio.start_server(stream, "127.0.0.1", 0)
        server.port = tcp.sockets[0].getsockname()[1]
        try:
            udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(server), local_addr=("127.0.0.1", server.port)
            )
        except OSError:  # whoever has it for datagrams need not have it for streams
            tcp.close()
        else:
            break
    try:
        yield server
    finally:
        udp.close()
        tcp.close()
        await asyncio.sleep(0.01)  # transports close in the loop's next rounds


@contextmanager
def running(zone: Zone) -> Iterator[Nameserver]:
    """The same for tests that are not async, in a thread of its own."""
    loop, servers = asyncio.new_event_loop(), list[Nameserver]()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(zone) as server:
            servers.append(server)
            await stop.wait()

    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    while not servers:
        thread.join(0.005)
    try:
        yield servers[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
