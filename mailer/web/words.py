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
        "choices_topics": "Choose what we may send to this address.",
        "choices_none": "This address gets no offers or news from us.",
        "counting": "You may count whether I follow the links of your e-mails",
        "counting_opens": "You may count whether I open your e-mails and follow their links",
        "save": "Save",
        "all_button": "Unsubscribe from everything",
        "saved_title": "Your choice is saved",
        "saved": "We keep to it from now on. A mail that is on its way already may still arrive.",
        "confirm_title": "Do you want our e-mails?",
        "confirm": "Press the button, and {tenant} sends offers and news to this address. "
        "If it was not you who asked for them, just close this page: nothing will come.",
        "confirm_button": "Yes, I want them",
        "confirm_kept": "You can stop them at any time, by a link in every e-mail.",
        "confirmed_title": "Thank you, that is settled",
        "confirmed": "From now on {tenant} sends offers and news to this address.",
        "too_old_title": "This link is too old",
        "too_old": "It worked for a limited time only. Please sign up again, and we send you a new one.",
        "barred_title": "This address gets no e-mails from us",
        "barred": "They were stopped: by unsubscribing, by a complaint, or because one came back. "
        "If you want them, please sign up again or write to us.",
        "nobody_title": "This address is not with us any more",
        "nobody": "So nothing was written down.",
        "survey_title": "How likely are you to recommend us?",
        "survey": "Choose a number and send it off. Nothing is recorded before you do.",
        "survey_least": "not at all",
        "survey_most": "very likely",
        "survey_missing": "Please choose a number from 0 to 10.",
        "survey_button": "Send my answer",
        "answered_title": "Thank you for your answer",
        "answered": "It helps {tenant} to do better.",
        "done_title": "You are unsubscribed",
        "done": "{tenant} sends no more offers or news to this address. "
        "A mail that is on its way already may still arrive.",
        "test_title": "Nothing was changed",
        "test": "This link comes from a test mail, so nothing was written down.",
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
        "choices_topics": "Bu adrese neler gönderebileceğimizi seçin.",
        "choices_none": "Bu adrese kampanya ve haber göndermiyoruz.",
        "counting": "E-postalarınızdaki bağlantılara tıklayıp tıklamadığım kaydedilebilir",
        "counting_opens": "E-postalarınızı açıp açmadığım ve bağlantılara tıklayıp tıklamadığım kaydedilebilir",
        "save": "Kaydet",
        "all_button": "Tümünden çık",
        "saved_title": "Tercihleriniz kaydedildi",
        "saved": "Bundan sonra tercihlerinize uyacağız. Yola çıkmış bir e-posta yine de ulaşabilir.",
        "confirm_title": "E-postalarımızı almak ister misiniz?",
        "confirm": "Düğmeye bastığınızda {tenant} bu adrese kampanya ve haber gönderir. "
        "Bunu siz istemediyseniz sayfayı kapatmanız yeterli; size bir şey gönderilmez.",
        "confirm_button": "Evet, istiyorum",
        "confirm_kept": "Dilediğiniz an, her e-postadaki bağlantıyla vazgeçebilirsiniz.",
        "confirmed_title": "Teşekkürler, onayınızı aldık",
        "confirmed": "{tenant} bundan böyle bu adrese kampanya ve haber gönderecek.",
        "too_old_title": "Bu bağlantının süresi dolmuş",
        "too_old": "Yalnızca belirli bir süre geçerliydi. Lütfen yeniden kaydolun, size yenisini gönderelim.",
        "barred_title": "Bu adrese e-posta göndermiyoruz",
        "barred": "Abonelikten çıkıldığı, şikâyet edildiği ya da bir e-posta geri döndüğü için gönderim durduruldu. "
        "E-postalarımızı istiyorsanız lütfen yeniden kaydolun veya bize yazın.",
        "nobody_title": "Bu adres artık bizde kayıtlı değil",
        "nobody": "Bu yüzden hiçbir şey kaydedilmedi.",
        "survey_title": "Bizi bir yakınınıza tavsiye eder misiniz?",
        "survey": "Bir sayı seçip gönderin. Siz göndermeden hiçbir şey kaydedilmez.",
        "survey_least": "hiç etmem",
        "survey_most": "kesinlikle ederim",
        "survey_missing": "Lütfen 0 ile 10 arasında bir sayı seçin.",
        "survey_button": "Yanıtımı gönder",
        "answered_title": "Yanıtınız için teşekkürler",
        "answered": "Görüşünüz, {tenant} olarak kendimizi geliştirmemize yardımcı olacak.",
        "done_title": "Abonelikten çıktınız",
        "done": "{tenant} bu adrese artık kampanya ve haber göndermeyecek. Yola çıkmış bir e-posta yine de ulaşabilir.",
        "test_title": "Hiçbir şey değişmedi",
        "test": "Bu bağlantı bir deneme e-postasından geldiği için hiçbir şey kaydedilmedi.",
        "bad_link_title": "Bu bağlantı çalışmıyor",
        "bad_link": "Bağlantı bize ait değil ya da bir bölümü eksik. "
        "Lütfen e-postadan yeniden açın veya tamamını kopyalayın.",
        "away_title": "Lütfen birkaç dakika sonra yeniden deneyin",
        "away": "İsteğinizi şu anda kaydedemiyoruz; henüz hiçbir şey değişmedi.",
        "missing_title": "Böyle bir sayfa yok",
        "missing": "Lütfen adresi kontrol edin veya bağlantıyı e-postadan yeniden açın.",
        "private_title": "Bu sayfa herkese açık değil",
        "private": "Yalnızca mailer'ın çalıştığı makinede, {address} adresinde açılır.",
        "method_title": "Bu işlem burada yapılamaz",
        "method": "Bu sayfa yalnızca açılabilir, üzerindeki düğmeye basılabilir.",
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
