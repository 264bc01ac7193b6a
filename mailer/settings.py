"""settings.yaml and MAILER_* variables → one frozen value. The only module that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from mailer.core.access import Api
from mailer.core.address import read_address
from mailer.core.consent_law import ConsentLaw
from mailer.core.dkim import Dkim
from mailer.core.fault_words import in_short
from mailer.core.listen import Listen
from mailer.core.metrics import MetricsAccess
from mailer.core.quiet import QuietHours
from mailer.core.relays import OneOfSeveral, Relay, dealt
from mailer.core.tenant import Tenant
from mailer.core.throttle import Pacing
from mailer.core.topics import Topics
from mailer.core.ways_back import Bounces, Webhooks
from mailer.errors import FileFault, SettingsError
from mailer.files import yaml
from mailer.files.faults import in_order, of_settings
from mailer.files.url import sqlite_file, sqlite_url
from mailer.files.variables import PREFIX, TESTS_OWN, overlay, without_blanks

_NOT_IN_A_BASE = ' \t\r\n<>"?#\\'  # links are made by writing behind it


def _base_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    if not rest.strip("/") or rest.startswith(("/", ":")) or any(mark in text for mark in _NOT_IN_A_BASE):
        raise ValueError(
            "write a scheme and a name, such as https://mail.kardelen.example, and nothing behind ? or #"
        )
    return f"{scheme.lower()}://{rest.rstrip('/')}"


def _key(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("an empty key is no secret; take it out")
    return secret


def _own_key(given: object) -> object:
    """An empty text means none, as with variables: with it anybody could sign."""
    return None if isinstance(given, str) and not given.strip() else given


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(f"{text!r} is no network; write it as 203.0.113.0/24 or 2001:db8::/32") from None


def _staff(text: str) -> str:
    try:
        read_address(text.strip())
    except ValueError as fault:
        raise ValueError(f"{text!r} is not an address: {fault}") from None
    return text.strip()


def _quiet(text: str) -> str:
    QuietHours.parse(text)
    return text


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cap(_Section):
    """How many commercial mails one customer gets."""

    day: Annotated[int, Field(ge=1)] = 1
    week: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _reachable(self) -> Cap:
        if self.day > self.week:
            raise ValueError(
                f"{self.day} a day are more than {self.week} a week, so that no day ever has as many; "
                f"write a week of {self.day} or more, or a day of {self.week} or less"
            )
        return self


class Approval(_Section):
    """Which incidents one program may not publish alone."""

    above: Annotated[int, Field(ge=0)] | None = None  # customers; none: it may publish each


class Policy(_Section):
    """What is asked of every commercial mail, and of who writes to many."""

    quiet_hours: Annotated[str, AfterValidator(_quiet)] = "21:00-09:00"
    cap: Cap = Cap()
    leap_day: Literal["feb28", "mar1"] = "feb28"
    hold_affected: bool = False  # commercial mail to whom an incident affects waits until it is over
    approval: Approval = Approval()


Network = Annotated[str, AfterValidator(_network)]


class Tracking(_Section):
    """What is learned of a mail after it left."""

    clicks: bool = True
    opens: bool = False
    utm: bool = False
    opt_in: bool = False  # clicks, too, only of customers who agreed
    machines: tuple[Network, ...] = ()  # whose requests are never a person's
    proxies: tuple[Network, ...] = ()  # ours: whom they pass on is believed
    spool: Annotated[int, Field(ge=1, le=1_000_000)] = 512  # MB


class Sender(_Section):
    """How the sender processes work."""

    processes: Annotated[int, Field(ge=1, le=256)] | None = None  # none: one a core
    claim_size: Annotated[int, Field(ge=1, le=10_000)] = 500


class Settings(_Section):
    """Every setting, validated. Paths are absolute."""

    database_url: SecretStr = SecretStr("sqlite:///var/mailer.db")
    state_dir: Path | None = None
    public_url: Annotated[str, AfterValidator(_base_url)] = "http://127.0.0.1:8080"
    secret_key: Annotated[SecretStr | None, BeforeValidator(_own_key)] = None
    previous_secret_keys: tuple[Annotated[SecretStr, AfterValidator(_key)], ...] = ()
    listen: Listen = "127.0.0.1:8080"
    jobs_dir: Path = Path("jobs")
    templates_dir: Path = Path("templates")
    tenant: Tenant = Tenant()
    staff: tuple[Annotated[str, AfterValidator(_staff)], ...] = ()
    relay: Relay = Relay()
    relays: tuple[OneOfSeveral, ...] = ()
    pacing: Pacing = Pacing()
    dkim: Dkim = Dkim()
    bounces: Bounces = Bounces()
    webhooks: Webhooks = Webhooks()
    policy: Policy = Policy()
    tracking: Tracking = Tracking()
    topics: Topics = {}
    sender: Sender = Sender()
    api: Api = Api()
    metrics: MetricsAccess = MetricsAccess()
    consent: ConsentLaw = ConsentLaw()
    file: Path = Path("settings.yaml")  # where they were read: set by `load`, never written
    places: dict[str, str] = {}  # key → `file:line` or the variable that set it; set by `load`

    @model_validator(mode="after")
    def _signs_its_own(self) -> Settings:
        self.dkim.check_senders(self.tenant.address, self.tenant.service_address)
        return self

    @model_validator(mode="after")
    def _one_way_out(self) -> Settings:
        if self.relays and self.relay != Relay():
            raise ValueError("relay and relays are both set; write every relay below relays, or keep the one")
        keys = [each.key for each in self.relays]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"relays: {key} is there twice; give it a weight instead")
        return self

    @property
    def ways(self) -> tuple[Relay, ...]:
        """The relays mails leave by; none: the built-in mailbox."""
        return self.relays or ((self.relay,) if self.relay.host is not None else ())

    @property
    def connections(self) -> int:
        """Connections to all relays, over all senders."""
        ways = self.ways or (self.relay,)
        return len(dealt([each.connections for each in ways], [each.share for each in ways]))

    @property
    def state(self) -> Path:
        """The folder for key, mailbox, spool and journal."""
        assert self.state_dir is not None  # noqa: S101 - `load` always sets it
        return self.state_dir


def load(file: Path, *, must_exist: bool = False, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: an unknown key, a wrong value or a contradiction, with file and line or variable.
    """
    variables = os.environ if environment is None else environment
    document = yaml.Document(str(file), {}, {})
    if must_exist or file.is_symlink() or file.exists():  # one that leads nowhere was meant to say something
        try:
            document = yaml.read(file)
        except FileFault as fault:
            raise SettingsError(str(fault), [fault]) from None
    faults = list(document.faults)
    values = without_blanks(document.values)
    for own in ("file", "places"):
        if own in document.values:
            del values[own]
            faults.append(FileFault("unknown key; take it out", str(file), document.line((own,)), own))
    base = file.resolve().parent
    named, unusable = overlay(values, variables, base)
    faults += unusable
    settings = Settings()
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += of_settings(error, document, named, whole=not faults)
    if faults:
        faults = in_order(faults)
        raise SettingsError(in_short(faults), faults)
    url = _absolute_url(settings.database_url.get_secret_value(), base)
    return settings.model_copy(
        update={
            "file": file.resolve(),
            "places": {".".join(map(str, path)): f"{file}:{line}" for path, line in document.lines.items()}
            | {".".join(map(str, path)): variable for path, variable in named.items()},
            "database_url": SecretStr(url),
            "state_dir": _state_dir(settings.state_dir, url, base),
            "jobs_dir": base / settings.jobs_dir,
            "templates_dir": base / settings.templates_dir,
            "relay": settings.relay.under(str(base)),
            "relays": tuple(each.under(str(base)) for each in settings.relays),
            "dkim": settings.dkim.under(str(base)),
            "bounces": settings.bounces.under(str(base)),
            "consent": settings.consent.under(str(base)),
        }
    )


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _absolute_url(url: str, base: Path) -> str:
    """`sqlite:///relative` counts from the settings file's folder."""
    scheme, separator, path = url.partition(":///")
    if separator and scheme.startswith("sqlite") and path and not path.startswith("/"):
        return f"{scheme}:///{Path(sqlite_url(base).partition(':///')[2]) / path}"
    return url


def _state_dir(given: Path | None, url: str, base: Path) -> Path:
    if given is not None:
        return base / given
    scheme, _, path = url.partition(":///")
    return sqlite_file(url).parent if scheme.startswith("sqlite") and path else base / "var"


def child_environment(more: Mapping[str, str]) -> dict[str, str]:
    """What a child process of ours gets as its environment: ours, and `more`."""
    return {**os.environ, **more}


def become(environment: Mapping[str, str]) -> None:
    """From now on this process has the environment it is given, and no other."""
    os.environ.clear()
    os.environ.update(environment)


def forget_variables() -> None:
    """Take our variables out of this process, so that a file alone decides here and in children of ours."""
    for variable in [
        each for each in os.environ if each.startswith(PREFIX) and not each.startswith(TESTS_OWN)
    ]:
        del os.environ[variable]
