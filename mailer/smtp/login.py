"""AUTH (RFC 4954): which mechanism, and when a refusal is final."""

from __future__ import annotations

from aiosmtplib import SMTP, SMTPAuthenticationError

from mailer.core.delivery import Phase
from mailer.errors import RelayError
from mailer.smtp.relay import RelayConfig, Tls
from mailer.smtp.replies import read
from mailer.smtp.trouble import Trouble

_TEMPORARY = 4  # RFC 4954 §6: the relay cannot check the password now
_CREDENTIALS_INVALID = 535


async def log_in(client: SMTP, config: RelayConfig) -> None:
    """Log in by the best mechanism both sides know.

    The first that carries the password itself decides: a wrong one tried by every mechanism locks accounts.
    Without TLS, CRAM-MD5 goes first, as it does not show the password to the line.

    Raises:
        RelayError: the user name or password is wrong.
        Trouble: no common mechanism, or the relay cannot check now.
        aiosmtplib.SMTPException: the link failed.
    """
    telling = {"plain": client.auth_plain, "login": client.auth_login}
    proving = {"cram-md5": client.auth_crammd5}
    ways = proving | telling if config.tls is Tls.NONE else telling | proving
    offered = [name for name in ways if name in client.server_auth_methods]
    if not offered:
        raise Trouble(Phase.AUTH, detail="the relay offers no login we know (AUTH PLAIN, LOGIN or CRAM-MD5)")
    for name in offered:
        try:
            await ways[name](config.username, config.password)
        except SMTPAuthenticationError as error:
            reply = read(error.code, error.message)
            last = name == offered[-1]
            if error.code == _CREDENTIALS_INVALID and (last or name in telling):
                raise RelayError(
                    f"The relay {config} refused the user name or password ({reply}); "
                    "correct relay.username and relay.password."
                ) from None
            if last or error.code // 100 == _TEMPORARY:
                raise Trouble(Phase.AUTH, reply, "the relay did not let us log in") from None
        else:
            return
