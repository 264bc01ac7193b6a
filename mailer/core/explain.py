"""States and reasons in sentences, for people who ask "did it go out, and if not, why not?"."""

from __future__ import annotations

from collections.abc import Mapping

from mailer.core.delivery import Failure, Hold, Skip, State

_STATES: Mapping[str, Mapping[str, str]] = {
    "en": {
        State.QUEUED: "waits for its time and a sender",
        State.SENDING: "is being handed to the relay",
        State.SENT: "accepted by the relay",
        State.DEFERRED: "the relay could not take it yet; it is tried again",
        State.FAILED: "could not be delivered",
        State.IN_DOUBT: "left us, but the relay's answer was lost; settle it by hand",
        State.SKIPPED: "was left out",
        State.CANCELLED: "was called off before it left",
        State.EXPIRED: "became too late to be useful",
    },
    "tr": {
        State.QUEUED: "zamanının gelmesini ve bir göndericiyi bekliyor",
        State.SENDING: "şu anda posta sunucusuna veriliyor",
        State.SENT: "posta sunucusu kabul etti",
        State.DEFERRED: "posta sunucusu henüz alamadı, yeniden denenecek",
        State.FAILED: "teslim edilemedi",
        State.IN_DOUBT: "bizden çıktı, ancak posta sunucusunun yanıtı alınamadı; elle sonuçlandırılmalı",
        State.SKIPPED: "gönderim dışında bırakıldı",
        State.CANCELLED: "yola çıkmadan iptal edildi",
        State.EXPIRED: "geç kaldığı için gönderilmedi",
    },
}

_REASONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        Skip.NO_CONSENT: "has not agreed to commercial mail",
        Skip.SUPPRESSED: "the address is suppressed: it is dead, complained, or was blocked by hand",
        Skip.UNSUBSCRIBED: "unsubscribed",
        Skip.CAPPED: "another mail had priority that day or week",
        Skip.HOLDOUT: "is in the share left out for comparison",
        Skip.DUPLICATE: "an older record with the same address was written to",
        Skip.MISSED: "was found too late to be caught up",
        Skip.TOO_SOON: "too soon after the last one, or after the date was entered",
        Skip.NOT_ELIGIBLE: "has no address, or is no longer in the audience",
        Skip.GOAL_MET: "has already done what the mail asks for",
        Skip.POOL_EMPTY: "the coupon pool was empty",
        Skip.BUDGET: "the coupon budget was used up",
        Skip.UNCONFIRMED_DATE: "the date looks like a system's placeholder",
        Skip.PAUSED: "the campaign was paused",
        Hold.AFFECTED: "waits until the incident that affects the customer is over",
        Failure.REFUSED: "the relay refused it for good",
        Failure.NOT_REPRESENTABLE: "the relay cannot carry this address",
        Failure.RENDER: "the template could not be filled in",
        Failure.HEADER: "its data would have changed a header",
        Failure.TOO_LARGE: "the message is too large",
        Failure.BOUNCED: "it came back",
    },
    "tr": {
        Skip.NO_CONSENT: "ticari e-posta onayı yok",
        Skip.SUPPRESSED: "adres gönderime kapalı: kullanılmıyor, şikâyet etmiş ya da elle engellenmiş",
        Skip.UNSUBSCRIBED: "abonelikten çıkmış",
        Skip.CAPPED: "o gün ya da hafta için öncelik başka bir e-postadaydı",
        Skip.HOLDOUT: "karşılaştırma için ayrılan kontrol grubunda",
        Skip.DUPLICATE: "aynı adresi taşıyan daha eski bir kayda yazıldı",
        Skip.MISSED: "zamanı çok geçmişti, sonradan gönderilmedi",
        Skip.TOO_SOON: "bir öncekinin ya da tarihin girilmesinin üzerinden yeterince zaman geçmemiş",
        Skip.NOT_ELIGIBLE: "e-posta adresi yok ya da artık hedef kitlede değil",
        Skip.GOAL_MET: "e-postanın istediğini zaten yapmış",
        Skip.POOL_EMPTY: "kupon havuzunda kod kalmamıştı",
        Skip.BUDGET: "kupon bütçesi dolmuştu",
        Skip.UNCONFIRMED_DATE: "tarih, sistemin boş alana yazdığı bir değere benziyor",
        Skip.PAUSED: "kampanya duraklatılmıştı",
        Hold.AFFECTED: "müşteriyi etkileyen kesintinin bitmesini bekliyor",
        Failure.REFUSED: "posta sunucusu kesin olarak reddetti",
        Failure.NOT_REPRESENTABLE: "posta sunucusu bu adresi taşıyamıyor",
        Failure.RENDER: "şablon bu müşteri için doldurulamadı",
        Failure.HEADER: "müşteri verisi e-postanın başlık alanlarını bozacaktı",
        Failure.TOO_LARGE: "ileti çok büyük",
        Failure.BOUNCED: "geri döndü",
    },
}

#: By the bare word, as rows have it.
_WORDS = {
    language: {str(reason): said for reason, said in reasons.items()}
    for language, reasons in _REASONS.items()
}


def why(state: str, reason: str | None, language: str = "en") -> str:
    """A delivery's state, and its reason where it has one, in words."""
    said = _WORDS[language].get(reason) if reason else None
    return said or _STATES[language][State(state)]


def because(reason: str, language: str = "en") -> str:
    """A reason in words; a word nobody knows as it is."""
    return _WORDS[language].get(reason, reason)
