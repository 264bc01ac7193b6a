"""What the private pages say, in every language they know."""

from __future__ import annotations

from collections.abc import Mapping

from mailer.web.desk.words import english_people, english_sending, turkish_people, turkish_sending

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {**english_sending.SENDING, **english_people.PEOPLE},
    "tr": {**turkish_sending.SENDING, **turkish_people.PEOPLE},
}
