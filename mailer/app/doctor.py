"""`mailer doctor`, wired: what an installation is, and who looks at which part of it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailer.app.base import seconds, system_clock
from mailer.app.relays import relays_of
from mailer.core.dkim import domain_name
from mailer.core.doctor import (
    apart,
    dkim_check,
    dmarc_check,
    machine_check,
    names_check,
    relay_check,
    spf_check,
    web_check,
)
from mailer.core.doctor.dns import Question
from mailer.core.doctor.finding import Area, Finding, Verdict
from mailer.core.doctor.seen import FileSeen, MachineSeen, RelaySeen
from mailer.core.doctor.sending import Ip, PublicKey, Sending
from mailer.errors import MailerError
from mailer.files import catalog
from mailer.files.key import NAME as SECRET
from mailer.files.url import sqlite_file
from mailer.files.whole import read_whole
from mailer.flow.doctor import Doctor, Seeing
from mailer.probe import machine, names, web
from mailer.probe.resolver import Resolver
from mailer.render.dkim import SigningKey, read_key
from mailer.settings import Settings
from mailer.smtp.look import look as look_at_relay
from mailer.smtp.relay import RelayConfig
from mailer.store import migrate
from mailer.store.engine import Database

_PATIENCE = 6.0  # seconds for the database
_SECRETS = ("password", "secret_key", "signing_key")  # what settings are called that nobody else should read


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person at the terminal adds to the settings."""

    ips: Sequence[Ip] = ()
    selectors: Sequence[str] = ()
    nameserver: str | None = None


async def examine(settings: Settings, asked: Asked) -> list[Finding]:
    """Everything that can be found out about an installation, within ten seconds.

    Raises:
        UsageError: the nameserver cannot be read as one.
    """
    resolver = Resolver(asked.nameserver)
    sending = await asyncio.to_thread(_sending, settings, asked)
    relays = relays_of(settings, domain_name(settings.tenant.address.rpartition("@")[2]))
    checks = [
        spf_check.check,
        dkim_check.check,
        dmarc_check.check,
        names_check.reverse,
        names_check.returns,
        names_check.sender,
        *apart.checks(sending),
    ]
    looks = [Seeing(Area.MACHINE, "machine.state", "This machine", partial(_machine, settings))]
    if sending.commercial:
        checks += [web_check.address, web_check.signed]
        looks.append(
            Seeing(
                Area.UNSUBSCRIBE, "unsubscribe.answers", settings.public_url, partial(_web, resolver, sending)
            )
        )
    looks += [Seeing(Area.RELAY, "relay.use", f"The relay {each}", partial(_relay, each)) for each in relays]
    if not relays:
        looks.append(Seeing(Area.RELAY, "relay.use", "The relay", _no_relay))
    return await Doctor(resolver, sending).examine(checks, looks)


def _sending(settings: Settings, asked: Asked) -> Sending:
    """The installation as the world will see it."""
    tenant, bounces, hooks = settings.tenant, settings.bounces, settings.webhooks
    domain = domain_name(tenant.address.rpartition("@")[2])
    told = any((hooks.ses, hooks.sendgrid, hooks.mailgun, hooks.postmark))
    campaigns = [each for each in catalog.read(settings.jobs_dir).campaigns.values() if each.enabled]
    sending = Sending(
        from_address=tenant.address,
        from_domain=domain,
        return_domain=bounces.address.rpartition("@")[2] if bounces.address else domain,
        own_returns=bounces.address is not None or told,
        takes_returns=bounces.reads or told,
        takes_complaints=bounces.complaints is not None or told,
        dkim_domain=settings.dkim.domain,
        keys=_keys(settings),
        selectors=tuple(asked.selectors),
        relays=tuple(each.host or "" for each in settings.ways),
        ips=tuple(asked.ips),
        public_url=settings.public_url,
        public_host=(urlsplit(settings.public_url).hostname or "").rstrip("."),
        commercial=not campaigns or any(each.purpose == "commercial" for each in campaigns),
        service=any(each.purpose == "service" for each in campaigns),
        tenant=tenant.name,
        postal_address=tenant.postal_address,
    )
    if not sending.service or tenant.service_address == tenant.address:
        return sending
    own = domain_name(tenant.service_address.rpartition("@")[2])
    other = replace(
        sending,
        from_address=tenant.service_address,
        from_domain=own,
        return_domain=sending.return_domain if bounces.address else own,
        dkim_domain=settings.dkim.for_service,
        from_setting="tenant.service_from",
    )
    return replace(sending, apart=other) if sending.commercial else other


def _keys(settings: Settings) -> list[PublicKey]:
    found: list[PublicKey] = []
    for setting, selector, file in settings.dkim.files:
        kind = "rsa" if setting == "key_file" else "ed25519"
        public, trouble = "", ""
        try:
            public = _public(read_key(read_whole(Path(file)), selector, rsa=kind == "rsa"))
        except OSError as error:
            trouble = f"{file} cannot be read: {error.strerror}"
        except ValueError as fault:
            trouble = f"{file} {fault}"
        found.append(PublicKey(selector, kind, public, file, trouble))
    return found


def _public(key: SigningKey) -> str:
    """The public half as its record has it (RFC 6376 §3.6.1, RFC 8463 §4)."""
    half = key.key.public_key()
    if isinstance(key.key, RSAPrivateKey):
        return base64.b64encode(half.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    return base64.b64encode(half.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


async def _no_relay() -> list[Finding]:
    return relay_check.no_relay()


async def _relay(config: RelayConfig) -> list[Finding]:
    if not relay_check.is_here(config.host) and (trouble := await names.trouble(config.host)):
        seen = RelaySeen(str(config), config.host, config.tls.value, trouble=trouble, phase="connect")
    else:
        seen = await look_at_relay(config)
    return relay_check.check(seen, system_clock())


async def _web(resolver: Resolver, sending: Sending) -> list[Finding]:
    host = sending.public_host
    addresses: list[str] = []
    if not relay_check.is_here(host) and not host.replace(".", "").isdecimal() and ":" not in host:
        answers = await asyncio.gather(*(resolver.ask(Question.of(host, kind)) for kind in ("A", "AAAA")))
        addresses = [value for each in answers for value in each.values]
        if not addresses:
            return []  # the address itself is at fault, and that is said
    seen = await web.look(sending.public_url, "/health", addresses, seconds)
    found = web_check.answer(sending, seen) + machine_check.clock(seen)
    if any(each.verdict is Verdict.OK for each in found if each.check == "unsubscribe.answers"):
        form = "List-Unsubscribe=One-Click"
        said = await web.look(sending.public_url, "/u/doctor", addresses, seconds, form=form)
        found += web_check.posted(sending, said)
    return found


async def _machine(settings: Settings) -> list[Finding]:
    database, local = await asyncio.gather(_database(settings), asyncio.to_thread(_local, settings))
    return machine_check.check(
        replace(
            local,
            database=database.database,
            database_trouble=database.database_trouble,
            schema=database.schema,
            known_schema=database.known_schema,
        )
    )


async def _database(settings: Settings) -> MachineSeen:
    """How the database is. A file that is not there yet is not made."""
    url, state = settings.database_url.get_secret_value(), str(settings.state)
    seen = MachineSeen(state, known_schema=migrate.revisions()[-1])
    if url.startswith("sqlite"):
        file = sqlite_file(url)
        if not await asyncio.to_thread(file.exists):
            return replace(seen, database=str(file))
    elif (host := urlsplit(url).hostname) and (trouble := await names.trouble(host)):
        return replace(seen, database_trouble=trouble)
    try:
        async with asyncio.timeout(_PATIENCE):
            db = await Database.connect(url)
            try:
                return replace(seen, database=db.where, schema=await migrate.standing(db))
            finally:
                await db.close()
    except TimeoutError:
        return replace(seen, database_trouble="it does not answer in time")
    except MailerError as error:
        return replace(seen, database_trouble=str(error))


def _local(settings: Settings) -> MachineSeen:
    trouble = machine.writable(settings.state)
    count, edition = machine.zones()
    chosen = settings.secret_key
    return MachineSeen(
        str(settings.state),
        trouble,
        None if trouble else machine.free(settings.state),
        secrets=_secrets(settings),
        secret_key=None if chosen is None else machine_check.weakness(chosen.get_secret_value()),
        zones=count,
        zone_data=edition,
    )


def _secrets(settings: Settings) -> list[FileSeen]:
    """The files that nobody else should read."""
    found = [machine.mode(settings.state / SECRET, "The secret key")] if settings.secret_key is None else []
    keys = [file for file in (settings.dkim.key_file, settings.dkim.ed25519_key_file) if file is not None]
    found += [machine.mode(Path(file), "The key that signs") for file in keys]
    passwords = [
        key
        for key, place in settings.places.items()
        if key.rpartition(".")[2] in _SECRETS and place.startswith(str(settings.file))
    ]
    if passwords:
        found.append(machine.mode(settings.file, f"The settings file, with {passwords[0]},"))
    return found
