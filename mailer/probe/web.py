"""One request to the public address: whether anybody answers there, with what, and what time it is for them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from mailer.core.doctor.seen import WebSeen

_CONNECT, _REPLY = 3.0, 4.0  # seconds
_MOST = 65_536  # bytes of an answer that we read
_STATUS = re.compile("[1-5][0-9][0-9]")


async def look(
    url: str,
    path: str,
    addresses: Sequence[str],
    seconds: Callable[[], float],
    *,
    form: str | None = None,
    patience: float = _REPLY,
) -> WebSeen:
    """What `path` below the address is answered, at the first of these addresses that takes a connection.

    With a `form` it is a POST. `seconds` is the time of this machine, `patience` the seconds an answer may take;
    without addresses the host itself is one.
    """
    place = urlsplit(url)
    host = place.hostname or ""
    secure = place.scheme == "https"
    trouble = "it has no address"
    for address in addresses or [host]:
        try:
            port = place.port or (443 if secure else 80)
            async with asyncio.timeout(_CONNECT):
                reader, writer = await asyncio.open_connection(
                    address,
                    port,
                    limit=_MOST,
                    ssl=ssl.create_default_context() if secure else None,
                    server_hostname=host if secure else None,
                )
        except ssl.SSLCertVerificationError as error:
            return WebSeen(trouble=f"its certificate is not valid ({error.verify_message.rstrip('.')})")
        except ssl.SSLError as error:
            trouble = f"TLS failed ({error.reason or error})"
        except TimeoutError:
            trouble = "it takes no connection in time"
        except (OSError, ValueError):
            trouble = "nothing listens there"
        else:
            try:
                async with asyncio.timeout(patience):
                    writer.write(_request(place.netloc.rpartition("@")[2], place.path + path, form))
                    return await _reply(reader, writer, seconds)
            except TimeoutError:
                return WebSeen(trouble="it takes the request and says nothing")
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    return WebSeen(trouble=trouble)


def _request(host: str, path: str, form: str | None) -> bytes:
    head = f"{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: mailer\r\nConnection: close\r\n"
    if form is None:
        return f"GET {head}\r\n".encode()
    kind = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
    return f"POST {head}{kind}\r\n{form}".encode()


async def _reply(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: Callable[[], float]
) -> WebSeen:
    try:
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        now = seconds()
        body = (await reader.read(_MOST)).decode("utf-8", "replace")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return WebSeen(trouble="it does not speak HTTP")
    first, _, fields = head.partition("\r\n")
    words = first.split(" ")
    if (
        len(words) < len(["HTTP/1.1", "200"])
        or not words[0].startswith("HTTP/")
        or not _STATUS.fullmatch(words[1])
    ):
        return WebSeen(trouble="it does not speak HTTP")
    return WebSeen(int(words[1]), body, ahead=_ahead(fields, now))


def _ahead(fields: str, now: float) -> float | None:
    for line in fields.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "date":
            with contextlib.suppress(ValueError):
                return now - parsedate_to_datetime(value.strip()).timestamp()
    return None
