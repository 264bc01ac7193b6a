"""Whether this machine will do."""

from __future__ import annotations

from mailer.core.doctor.finding import Area, Finding, Verdict
from mailer.core.doctor.seen import FileSeen, MachineSeen, WebSeen

_MB = 1_000_000
_LEAST, _LITTLE = 200 * _MB, 2_000 * _MB
_GROUP, _OTHERS = 0o070, 0o007
_ZONES = 400
_DRIFT = 60.0  # seconds
_SHORT = 32  # characters of a secret key
_SAME = 8  # different ones among them, at least

#: What people write where they mean to think of something later.
_WORDS = frozenset(
    {
        "secret",
        "changeme",
        "change-me",
        "change_me",
        "password",
        "mailer",
        "test",
        "default",
        "example",
        "key",
    }
)


def check(seen: MachineSeen) -> list[Finding]:
    """Disk, database, secrets and time zones."""
    return [*_disk(seen), _database(seen), *_secrets(seen), _zones(seen)]


def weakness(secret: str) -> str:
    """What is wrong with a secret key somebody chose; empty: nothing."""
    bare = secret.strip().lower()
    if bare.strip("0123456789!.-_ ") in _WORDS or len(set(bare)) < _SAME:
        return "is one that anybody would try first"
    if len(secret) < _SHORT:
        return f"has {len(secret)} characters, and {_SHORT} are the least that cannot be tried out"
    return ""


def clock(seen: WebSeen) -> list[Finding]:
    """Whether our clock agrees with that of the web server."""
    if seen.ahead is None:
        return []
    if abs(seen.ahead) <= _DRIFT:
        return [_one("clock", Verdict.OK, "The clock agrees with that of the web server.", "")]
    way = "before" if seen.ahead > 0 else "behind"
    what = f"The clock is {abs(seen.ahead):.0f} seconds {way} that of the web server; mails go out at the wrong time."
    return [_one("clock", Verdict.WARN, what, "", "Let the machine keep its clock by NTP.")]


def _disk(seen: MachineSeen) -> list[Finding]:
    if seen.state_trouble:
        what = f"Nothing can be written into {seen.state_dir}: {seen.state_trouble}."
        todo = "Make the folder, owned by the account mailer runs as, or set state_dir."
        return [_one("state", Verdict.FAULT, what, "state_dir", todo)]
    found = [_one("state", Verdict.OK, f"{seen.state_dir} can be written to.", "state_dir")]
    if seen.free is not None:
        verdict = Verdict.FAULT if seen.free < _LEAST else Verdict.WARN if seen.free < _LITTLE else Verdict.OK
        todo = "" if verdict is Verdict.OK else "Make room: when the disk is full, sending stops."
        found.append(
            _one("disk", verdict, f"{seen.free // _MB:,} MB are free in {seen.state_dir}.", "state_dir", todo)
        )
    return found


def _database(seen: MachineSeen) -> Finding:
    if seen.database_trouble:
        said = f"{seen.database_trouble.rstrip('.')}."
        what = said if said.startswith("The database ") else f"The database cannot be used: {said}"
        return _one("database", Verdict.FAULT, what, "database_url", "Start it, or correct database_url.")
    if seen.schema is None:
        what = f"The database {seen.database} is empty."
        return _one("database", Verdict.WARN, what, "database_url", "Run mailer migrate, or mailer up.")
    if seen.schema != seen.known_schema:
        what = (
            f"The database {seen.database} is of schema {seen.schema}, this program of {seen.known_schema}."
        )
        newer = seen.schema > seen.known_schema
        todo = "Install the newer program." if newer else "Run mailer migrate."
        return _one("database", Verdict.FAULT, what, "database_url", todo)
    return _one(
        "database",
        Verdict.OK,
        f"The database {seen.database} answers; its schema is up to date.",
        "database_url",
    )


def _secrets(seen: MachineSeen) -> list[Finding]:
    found: list[Finding] = []
    if seen.secret_key:
        what = (
            f"The secret key in the settings {seen.secret_key}; whoever guesses it makes links in your name."
        )
        todo = "Take it out, so that one is made in state_dir; write the old one into previous_secret_keys."
        found.append(_one("secret", Verdict.FAULT, what, "secret_key", todo))
    elif seen.secret_key is not None:
        found.append(
            _one("secret", Verdict.OK, "The secret key is not one that can be guessed.", "secret_key")
        )
    return found + [finding for each in seen.secrets for finding in _file(each)]


def _file(file: FileSeen) -> list[Finding]:
    if file.mode is None:
        return []  # whoever needs it says so
    if not file.mode & (_GROUP | _OTHERS):
        return [_one("files", Verdict.OK, f"{file.what} can be read by its owner alone.", file.name)]
    whom = "everybody on this machine" if file.mode & _OTHERS else "its group"
    return [
        _one(
            "files", Verdict.WARN, f"{file.what} can be read by {whom}.", file.name, f"chmod 600 {file.name}"
        )
    ]


def _zones(seen: MachineSeen) -> Finding:
    if seen.zones < _ZONES:
        what = (
            f"Only {seen.zones} time zones are known; birthdays and quiet hours need those of every customer."
        )
        return _one("zones", Verdict.FAULT, what, "tzdata", "Install the requirements anew.")
    return _one("zones", Verdict.OK, f"{seen.zones} time zones are known ({seen.zone_data}).", "tzdata")


def _one(check_: str, verdict: Verdict, what: str, where: str, todo: str = "") -> Finding:
    return Finding(Area.MACHINE, f"machine.{check_}", verdict, what, where, todo)
