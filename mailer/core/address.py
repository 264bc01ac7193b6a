"""Which text is an address we may write to (RFC 5321, RFC 6531), decided by its form alone."""

from __future__ import annotations

import email_validator

# A shop on its own network writes to `.local`, a rehearsal to `.test`: whether such a name can be reached is
# the relay's to say, not ours.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def read_address(text: str) -> str:
    """The address in `text`: an ASCII one as it was given, any other in its normal form (RFC 6532 §3.1).

    Raises:
        ValueError: with one sentence saying why it is no address.
    """
    try:
        found = email_validator.validate_email(text, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError as error:
        sentence = str(error).splitlines()[0]
        raise ValueError(sentence if sentence.endswith(".") else f"{sentence}.") from None
    return text if text.isascii() else found.normalized
