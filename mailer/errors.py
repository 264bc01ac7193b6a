"""The tree of errors. Each carries its facts, and its text is one sentence for a person.

MailerError
├── UsageError              wrong words on the command line, or of a program         (exit 2)
│   ├── Missing             an incident nobody opened
│   └── Conflict            it does not fit what stands: closed, published, or changed meanwhile
├── SettingsError           settings.yaml or MAILER_* cannot be used                 (exit 2)
├── FileFault               a file of ours: where (file, line, key) and what to do
│   ├── CampaignFault       one campaign file cannot be loaded; the others are
│   ├── SegmentFault        a segment that cannot be read, or is unknown
│   ├── TemplateFault       a template part is missing, unreadable or unsafe
│   └── FeedFault           a newsletter's feed cannot be read now; it is tried again
├── RenderError             one message cannot be rendered: → failed(render)
│   ├── HeaderRefused       data that would change a header: → failed(header)
│   ├── NotRepresentable    an address or text SMTP cannot carry here: → failed(not_representable)
│   └── TooLarge            → failed(too_large)
├── RelayError              the relay cannot be used as set (TLS, AUTH): nothing was sent
├── StoreError              the database is away, too old, or too new for this program
│   └── StoreBusy           locked for too long, or a conflict: the same act may succeed when tried again
└── Fenced                  this sender's lease ran out: its deliveries are no longer its own
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MailerError(Exception):
    """Anything we can explain in one sentence."""

    exit_status = 1


class UsageError(MailerError):
    """The command cannot be done as asked."""

    exit_status = 2


class Missing(UsageError):
    """There is no such thing."""


class Conflict(UsageError):
    """What is asked for could be, but not of this as it stands."""


class SettingsError(MailerError):
    """Settings that cannot be used; `faults` are all that is wrong with them, where there may be several."""

    exit_status = 2

    def __init__(self, message: str = "", faults: Sequence[FileFault] = ()) -> None:
        """Say the first; keep all."""
        super().__init__(message)
        self.faults = tuple(faults)


#: The key of a fault that keeps nothing from working, but that a person should look at.
WARNING = "warning"


@dataclass
class FileFault(MailerError):
    """A fault in a file people write: what is wrong, and where."""

    message: str
    file: str = ""
    line: int | None = None
    key: str | None = None
    others: tuple[FileFault, ...] = ()  # found beside it, and named where every fault is

    def __str__(self) -> str:
        """`file:line: key: message`, leaving out what is not known."""
        place = self.file + (f":{self.line}" if self.line is not None else "")
        return ": ".join(part for part in (place, self.key, self.message) if part)


class CampaignFault(FileFault):
    """A campaign file that cannot be loaded."""


class SegmentFault(FileFault):
    """A segment that cannot be read or is not known."""


class TemplateFault(FileFault):
    """A template part that is missing, cannot be read, or is unsafe."""


class FeedFault(FileFault):
    """A feed that cannot be had or read; `file` is its name."""


class RenderError(MailerError):
    """One message cannot be made from its template and data; `file` and `line` say where, if known."""

    reason = "render"

    def __init__(self, message: str = "", *, file: str = "", line: int | None = None) -> None:
        """Say what is wrong and, if known, where in the template."""
        super().__init__(message)
        self.message, self.file, self.line = message, file, line

    def __str__(self) -> str:
        """`file:line: message`, leaving out what is not known."""
        place = self.file + (f":{self.line}" if self.file and self.line is not None else "")
        return f"{place}: {self.message}" if place else self.message


class HeaderRefused(RenderError):
    """Data that would break out of a header field (RFC 5322 §2.2)."""

    reason = "header"


class NotRepresentable(RenderError):
    """An address this relay cannot carry (no SMTPUTF8, RFC 6531)."""

    reason = "not_representable"


class TooLarge(RenderError):
    """A message over the size the relay or we accept."""

    reason = "too_large"


class RelayError(MailerError):
    """The relay cannot be used as the settings say."""


class StoreError(MailerError):
    """The database cannot be used."""


class StoreBusy(StoreError):
    """The database was locked for too long, or two changes met; trying again may succeed."""


class Fenced(MailerError):
    """The lease of this sender ran out: it must stop, and nothing it holds may start."""


def why(error: Exception) -> str:
    """What is wrong, where an error ends nothing; of a fault of ours its kind, too."""
    if isinstance(error, MailerError):
        return str(error)
    return f"something we did not expect went wrong ({type(error).__name__}: {error})"
