"""The keys that sign mails, from the files the settings name."""

from __future__ import annotations

from pathlib import Path

from mailer.errors import SettingsError
from mailer.files.whole import read_whole
from mailer.render.dkim import Signer, SigningKey, read_key
from mailer.settings import Settings


def signers(settings: Settings) -> dict[str, Signer]:
    """What signs mails from each address: with the same keys, for the domains of the settings.

    Raises:
        SettingsError: a key file cannot be read, or holds no key that could sign.
    """
    dkim = settings.dkim
    keys: list[SigningKey] = []
    for key, selector, file in dkim.files:
        place = settings.places.get(f"dkim.{key}", str(settings.file))
        try:
            keys.append(read_key(read_whole(Path(file)), selector, rsa=key == "key_file"))
        except OSError as error:
            raise SettingsError(f"{place}: dkim.{key}: {file} cannot be read: {error.strerror}") from None
        except ValueError as fault:
            raise SettingsError(f"{place}: dkim.{key}: {file} {fault}") from None
    tenant = settings.tenant
    return {
        tenant.service_address: Signer(dkim.for_service or "", keys),
        tenant.address: Signer(dkim.domain or "", keys),
    }
