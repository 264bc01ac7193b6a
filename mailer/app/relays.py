"""The relays of the settings, as the smtp room takes them."""

from __future__ import annotations

import ssl
from pathlib import Path

from mailer.errors import SettingsError
from mailer.files.whole import read_whole
from mailer.settings import Settings
from mailer.smtp.relay import RelayConfig, Tls


def relays_of(settings: Settings, domain: str) -> list[RelayConfig]:
    """Every relay mails leave by; `domain` is what we call ourselves there."""
    return [
        RelayConfig(
            host=relay.host or "",
            port=relay.port,
            username=relay.username or "",
            password=relay.password.get_secret_value() if relay.password else "",
            tls=Tls(relay.tls),
            local_hostname=domain if domain.isascii() else "",
            verify=relay.verify,
            ca_file=relay.ca_file,
        )
        for relay in settings.ways
    ]


def check_authorities(settings: Settings) -> None:
    """See that the certificates of authorities can be read.

    Raises:
        SettingsError: a file that is not there, or holds none.
    """
    for number, relay in enumerate(settings.ways):
        if relay.ca_file is None:
            continue
        key = f"relays.{number}.ca_file" if settings.relays else "relay.ca_file"
        try:
            read_whole(Path(relay.ca_file))  # or a pipe would be waited for
            ssl.create_default_context(cafile=relay.ca_file)
        except OSError as error:
            why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            place = settings.places.get(key, str(settings.file))
            raise SettingsError(f"{place}: {key}: {relay.ca_file} cannot be read: {why}") from None
