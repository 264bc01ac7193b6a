"""The relays of the settings, as the smtp room takes them."""

from __future__ import annotations

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
