"""What every verb shares: the settings file, the clock, how to print, and how errors end."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typer

from mailer import settings as settings_file
from mailer.app import App, fixed_clock, mailbox_of, system_clock
from mailer.cli.output import Output, ReaderGone, tell
from mailer.core import rehearsal
from mailer.errors import UsageError
from mailer.mailbox.storage import Mailbox
from mailer.settings import Settings


@dataclass
class Invocation:
    """One call of the program."""

    settings_path: Path = Path("settings.yaml")
    settings_given: bool = False
    now: datetime | None = None
    json: bool = False
    debug: bool = False
    stopped: str = "Stopped."  # what Ctrl-C leaves behind, for whoever pressed it

    @property
    def out(self) -> Output:
        """Where facts go."""
        return Output(as_json=self.json)

    @property
    def clock(self) -> Callable[[], datetime]:
        """The clock of this process: the system's, or the one `--now` stopped."""
        return system_clock if self.now is None else fixed_clock(self.now)

    def settings(self) -> Settings:
        """The settings.

        Raises:
            SettingsError: they cannot be used.
        """
        return settings_file.load(self.settings_path, must_exist=self.settings_given)

    @asynccontextmanager
    async def app(self, *, load: bool = True, upgrade: bool = False) -> AsyncIterator[App]:
        """The product, opened."""
        async with App.open(self.settings(), self.clock, tell, load=load, upgrade=upgrade) as app:
            yield app

    def mailbox(self) -> Mailbox:
        """The built-in mailbox, which needs no database."""
        return mailbox_of(self.settings(), self.clock)

    def order(self) -> dict[str, Any]:
        """What sender processes of ours are told, so that they share settings and clock."""
        known = self.settings_given or self.settings_path.exists()
        return {
            "settings": str(self.settings_path.resolve()) if known else None,
            "now": self.now.isoformat() if self.now is not None else None,
            "debug": self.debug,
        }


this = Invocation()

#: Years a clock may be set to: from its epoch on, and with room for every `valid` and `within` behind the last.
_YEARS = range(1970, 9000)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a verb's work to its end.

    Raises:
        ReaderGone: nobody reads its output any more.
    """
    try:
        asyncio.run(_interruptible(work))
        sys.stdout.flush()  # what is left in the buffer may find nobody either
    except KeyboardInterrupt:  # typer ends the process without a word
        tell(this.stopped)
        raise typer.Exit(130) from None
    except BrokenPipeError:  # not for typer to see, which would end the process
        raise ReaderGone from None


async def _interruptible(work: Coroutine[Any, Any, None]) -> None:
    """Do it, and break off at Ctrl-C; a second one does not wait.

    `asyncio.run` does the same, but it misses what comes between its look at signals and its wait for the next thing to
    do: a command that waits for somebody's pipe would go on waiting.
    """
    loop, mine = asyncio.get_running_loop(), asyncio.current_task()
    heard = False

    def stop() -> None:
        nonlocal heard
        heard = True
        loop.remove_signal_handler(signal.SIGINT)
        if mine is not None:
            mine.cancel()

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGINT, stop)
    try:
        await work
    except asyncio.CancelledError:
        if heard:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def read_instant(text: str, option: str) -> datetime:
    """An RFC 3339 instant, such as 2027-01-15T08:00:00Z.

    Raises:
        UsageError: anything else, or a year that nobody plans for.
    """
    try:
        found = datetime.fromisoformat(text.upper())  # RFC 3339 §5.6: T and Z may be small
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(f"{option} {text!r} is not an instant; write it as 2027-01-15T08:00:00Z.")
    if found.year not in _YEARS:
        raise UsageError(
            f"{option} {text!r} lies in a year no clock is set to; write one from {_YEARS[0]} to {_YEARS[-1]}."
        )
    return found.astimezone(UTC)


def read_moment(text: str, option: str, zone: ZoneInfo) -> datetime:
    """An instant, or a day with or without a time on the clocks of `zone`; see `core.rehearsal.read_moment`.

    Raises:
        UsageError: anything else.
    """
    try:
        return rehearsal.read_moment(text, zone)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {text!r} is not a time; write 2027-05-10, 2027-05-10T10:00 or 2027-05-10T07:00:00Z."
        ) from None
