"""The command line: global options, the verbs, and one sentence for every error."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, TextIO, cast

import typer
from typer.main import get_command

from mailer.app.voice import explain, show_inside, whole
from mailer.cli import (
    bench,
    campaigns,
    consent,
    coupons,
    data,
    doctor,
    inbound,
    incidents,
    ledger,
    mails,
    operate,
    parts,
    people,
    rehearse,
    report,
    segments,
    tokens,
)
from mailer.cli.invocation import read_instant, this
from mailer.cli.output import ReaderGone, Sheet, Unprintable, tell
from mailer.errors import UsageError

cli = typer.Typer(
    name="mailer",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Lifecycle e-mail that can say who got what, when, and why not.",
    epilog="--settings, --now, --json and --debug may stand anywhere on the line.",
)

#: Options that may stand anywhere on the line: (name, takes a value).
_GLOBAL = {"--settings": True, "--now": True, "--json": False, "--debug": False, "--version": False}


_NO_NUMBER = "Input should be a valid integer, unable to parse string as an integer"


def _say_version(*, asked: bool) -> None:
    if asked:
        print(f"mailer {version('mailer')}")  # noqa: T201 - stdout is the product here
        raise typer.Exit


@cli.callback()
def options(
    settings: Annotated[
        Path | None, typer.Option(help="The settings file. Default: settings.yaml in this folder.")
    ] = None,
    now: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Act as if it were this instant (RFC 3339).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON lines.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and what goes on inside.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda asked: _say_version(asked=asked),
            help="Say which version this is.",
        ),
    ] = False,
) -> None:
    """Take the options every verb shares."""
    if settings is not None:
        this.settings_path, this.settings_given = settings, True
    this.now = read_instant(now, "--now") if now is not None else None
    this.json, this.debug = as_json, debug
    show_inside(debug=debug)


for part in (
    operate, parts, inbound, data, people, segments, campaigns, rehearse, incidents, ledger, report, coupons,
    tokens, consent, mails, doctor, bench,
):  # fmt: skip
    part.register(cli)
_COMMAND = get_command(cli)
_LAST_STREAM = 2  # stderr's number
_OTHERS = 0o022  # whoever else has an account may put no key, journal or mail of their own into our folders


def arranged(arguments: Sequence[str]) -> list[str]:
    """The words with the global options first, wherever they stood.

    Raises:
        UsageError: one of them lacks its value.
    """
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, _value = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif name not in _GLOBAL or (equals and not _GLOBAL[name]):
            rest.append(word)
        elif _GLOBAL[name] and not equals:
            value = next(words, None)
            if value is None:
                raise UsageError(f"{word} needs a value. Try 'mailer --help'.")
            first += [word, value]
        else:
            first.append(word)
    return first + rest


def verb(arguments: Sequence[str]) -> str:
    """The command that was meant, as far as the words name one: not every error says whose it is."""
    path, here = ["mailer"], _COMMAND
    words = iter(arguments)
    for word in words:
        if word in _GLOBAL:
            next(words, None) if _GLOBAL[word] else None
        elif word.partition("=")[0] not in _GLOBAL:
            further = getattr(here, "commands", {}).get(word)
            if further is None:
                break
            path, here = [*path, word], further
    return " ".join(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; never returns."""
    _have_streams()
    os.umask(os.umask(_OTHERS) | _OTHERS)
    sys.stdout = cast("TextIO", Sheet(sys.stdout))
    gc.freeze()  # what was imported stays: looking through it again and again is a fifth of the work
    # Rows come and go by the thousand and leave no circles; looking each 700 times was a seventh of the work.
    gc.set_threshold(20_000, 20, 20)
    sys.exit(status(sys.argv[1:] if arguments is None else arguments))


def status(arguments: Sequence[str]) -> int:
    """Run one command line; its exit status."""
    try:
        answer = _COMMAND.main(arranged(arguments), prog_name="mailer", standalone_mode=False)
    except typer.TyperException as error:
        said = error.format_message().replace("Value error, ", "").replace(_NO_NUMBER, "write a whole number")
        if said:  # else the help was printed, for want of a verb
            context: typer.Context | None = getattr(error, "ctx", None)
            tell(f"{whole(said)} Try '{context.command_path if context else verb(arguments)} --help'.")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        tell("Stopped.")
        return 130
    except ReaderGone:
        return _closed_pipe()
    except Unprintable as fault:
        tell(f"What there is to print cannot be written: {fault}. Make room, or print it elsewhere.")
        _closed_pipe()
        return 1
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - the last resort
        if (word := _no_text(error, arguments)) is not None:
            tell(f"{word!r} is no text in UTF-8; write it in the encoding of your terminal's locale.")
            return 2
        return explain(error, tell, debug=this.debug)
    return answer if isinstance(answer, int) else 0


def _no_text(error: BaseException, words: Sequence[str]) -> str | None:
    """The word of the command line that was to be written somewhere and holds bytes that are no letters, if any."""
    if not isinstance(error, UnicodeEncodeError):
        return None
    return next(filter(_has_bytes, words), None)


def _has_bytes(word: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in word)  # as Python keeps them (PEP 383)


def _have_streams() -> None:
    """Whoever started us may have closed some: what we open must not be taken for one of them."""
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= _LAST_STREAM:
        os.set_inheritable(nowhere, True)
    os.close(nowhere)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(
                sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)
            )
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out.encoding.lower().replace("_", "-") not in {"utf-8", "utf8"}:
        # What programs and files get is UTF-8 (RFC 8259 §8.1); a terminal gets what it can show.
        out.reconfigure(errors="replace") if out.isatty() else out.reconfigure(encoding="utf-8")


def _closed_pipe() -> int:
    """Whoever read our output (head, less) has seen enough."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # what is left in the buffer goes there at exit
    return 0
