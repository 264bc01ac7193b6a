"""What a process of ours says on stderr: one sentence for an error, and what goes on inside for --debug."""

from __future__ import annotations

import contextlib
import sys
import traceback

import structlog

from mailer.app.base import Tell
from mailer.core.fault_words import in_short
from mailer.errors import FileFault, MailerError


def say(sentence: str) -> None:
    """A sentence for whoever reads the log; mails do not wait for one that is full or gone."""
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(f"{sentence}\n")


def show_inside(*, debug: bool) -> None:
    """What goes on inside is for --debug; people get sentences."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("debug" if debug else "error"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def explain(error: BaseException, tell: Tell, *, debug: bool) -> int:
    """Tell of an error that ends the process, in one sentence; its exit status."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if debug:
        traceback.print_exception(error)
    if isinstance(error, MailerError):
        tell(whole(in_short([error, *error.others]) if isinstance(error, FileFault) else str(error)))
        return error.exit_status
    tell(
        f"Something we did not expect went wrong ({type(error).__name__}: {_briefly(error)}). "
        "Run it again with --debug to see where."
    )
    return 1


def _briefly(error: BaseException) -> str:
    """What it says first: a driver's goes on with the statement and all it was given, addresses too."""
    return next(iter(str(error).splitlines()), "")


def whole(sentence: str) -> str:
    """With a full stop."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
