"""What the public pages say, in the languages they know."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "tr")

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "ask_title": "Unsubscribe",
        "ask": "Stop offers and news from {tenant} to this address?",
        "kept": "Notices about your orders and services still reach you.",
        "button": "Unsubscribe",
        "choices_title": "Your e-mails from {tenant}",
        "choices": "Offers and news are sent to this address. You can stop them here.",
        "done_title": "You are unsubscribed",
        "done": "{tenant} sends no more offers or news to this address. "
        "A mail that is on its way already may still arrive.",
        "test_title": "Nothing was changed",
        "test": "This link comes from a test mail, so there was nothing to stop.",
        "bad_link_title": "This link does not work",
        "bad_link": "It is not one of ours, or a part of it is missing. "
        "Please open it again from the mail, or copy it whole.",
        "away_title": "Please try again in a few minutes",
        "away": "We cannot write this down right now, so nothing was changed yet.",
        "missing_title": "There is no such page",
        "missing": "Please check the address, or open the link again from the mail.",
        "private_title": "This page is not public",
        "private": "It answers only on the machine mailer runs on: open it there, at {address}.",
        "method_title": "This page cannot do that",
        "method": "It can be opened, and its button pressed; nothing else.",
        "trouble_title": "Something went wrong",
        "trouble": "This page could not be made. Please try again in a few minutes.",
    },
    "tr": {
        "ask_title": "Abonelikten çık",
        "ask": "{tenant} bu adrese kampanya ve haber göndermeyi bıraksın mı?",
        "kept": "Siparişlerinizle ve hizmetlerinizle ilgili bilgilendirmeler size ulaşmaya devam eder.",
        "button": "Abonelikten çık",
        "choices_title": "{tenant} e-postalarınız",
        "choices": "Kampanyalar ve haberler bu adrese gönderiliyor. Buradan durdurabilirsiniz.",
        "done_title": "Abonelikten çıktınız",
        "done": "{tenant} bu adrese artık kampanya ve haber göndermeyecek. Yola çıkmış bir e-posta yine de ulaşabilir.",
        "test_title": "Hiçbir şey değişmedi",
        "test": "Bu bağlantı bir deneme e-postasından geliyor; durdurulacak bir gönderi yok.",
        "bad_link_title": "Bu bağlantı çalışmıyor",
        "bad_link": "Bağlantı bize ait değil ya da bir bölümü eksik. "
        "Lütfen e-postadan yeniden açın veya tamamını kopyalayın.",
        "away_title": "Lütfen birkaç dakika sonra yeniden deneyin",
        "away": "İsteğinizi şu anda kaydedemiyoruz; henüz hiçbir şey değişmedi.",
        "missing_title": "Böyle bir sayfa yok",
        "missing": "Lütfen adresi kontrol edin veya bağlantıyı e-postadan yeniden açın.",
        "private_title": "Bu sayfa herkese açık değil",
        "private": "Yalnızca mailer'ın çalıştığı makinede, {address} adresinde açılır.",
        "method_title": "Bu sayfa bunu yapamaz",
        "method": "Açılabilir ve düğmesine basılabilir; başka bir şey yapılamaz.",
        "trouble_title": "Bir şeyler ters gitti",
        "trouble": "Bu sayfa hazırlanamadı. Lütfen birkaç dakika sonra yeniden deneyin.",
    },
}  # fmt: skip


def words(language: str) -> Mapping[str, str]:
    """Every sentence in one of LANGUAGES."""
    return _WORDS[language]


def choose(accept_language: str, fallback: str) -> str:
    """The best of LANGUAGES for an Accept-Language field (RFC 9110 §12.5.4).

    Args:
        accept_language: the field as it came; empty: the reader says nothing.
        fallback: a locale for readers who say nothing, such as the tenant's; English where we do not know it.
    """
    weights: dict[str, float] = {}
    for part in accept_language.split(",")[:32]:
        range_, _, parameters = part.strip().partition(";")
        weight = _weight(parameters)
        language = _language(range_)
        weights[language] = max(weight, weights.get(language, 0.0))
    known = {language: weights[language] for language in LANGUAGES if weights.get(language)}
    if known:
        return max(known, key=lambda language: known[language])
    says_nothing = not accept_language.strip() or weights.get("*", 0.0) > 0
    return _language(fallback) if says_nothing and _language(fallback) in LANGUAGES else "en"


def _language(tag: str) -> str:
    return tag.strip().lower().replace("_", "-").partition("-")[0]


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0
