"""The sentences a customer's story is told in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

SAID: Mapping[str, Mapping[str, str]] = {
    "en": {
        "day": "%Y-%m-%d",
        "name": "{campaign} of {occurrence}{kind}",
        "kind": ", {kind} notice",
        "stored": "The shop told us of this customer.",
        "word_import": "The shop says that they {did} ({source}{version}).",
        "word_person": "Somebody of the shop wrote down that they {did} ({source}{version}).",
        "word": "They {did} ({source}{version}).",
        "version": ", text {version}",
        "lapsed": "lost their consent to commercial mail",
        "counted_clicks": "agreed that we count their clicks",
        "counted": "agreed that we count what they open and click",
        "not_counted": "asked us not to count what they open and click",
        "topic_granted": "agreed to mail on the topic {topic}",
        "topic_revoked": "wanted no more mail on the topic {topic}",
        "granted": "agreed to {purpose} mail",
        "revoked": "wanted no more {purpose} mail",
        "commercial": "commercial",
        "accepted": "{name} was accepted by the relay{again}{reply}.",
        "again": " at attempt {attempt}",
        "stands": "{name} {why}.",
        "left_out": "was not sent: {why}",
        "failed": "could not be delivered: {why}",
        "no_address": "there is no address",
        "told": "{name} {what}{more}.",
        "deferred": "could not be taken yet and is tried again",
        "in_doubt": "left us, and the relay's answer was lost",
        "cancelled": "was called off before it left",
        "expired": "became too late to be useful",
        "retried": "was queued again by hand",
        "delayed": "has not been delivered yet, says the receiving side",
        "bounced": "came back",
        "complained": "was called unwanted by its reader",
        "unsubscribed": "made them unsubscribe",
        "held": "we did not begin it: a halt, a pause, or this sender was late",
        "settled_sent": "was in doubt and counts as sent",
        "settled_resend": "was in doubt and goes out again",
        "opened_human": "was opened by a person",
        "opened_machine": "was opened by a machine, not a person",
        "opened_unknown": "was opened by somebody, person or machine",
        "clicked_human": "had a link followed by a person",
        "clicked_machine": "had a link followed by a machine, not a person",
        "clicked_unknown": "had a link followed by somebody, person or machine",
        "redeemed": "had its code used",
        "redeemed_for": "had its code used for the order {order}",
        "answered": "They answered the survey with {score}.",
        "coupon": "They were given the code {code}{until}.",
        "until": ", good until {day}",
        "affected": "Is affected by incident {incident}, {title}{now}.",
        "now_unreachable": ", and cannot be reached by mail",
        "now_left": ", and is no longer",
        "now_duplicate": ", and is told under another record with this address",
        "barred": "{what}: {because}.",
        "bar_all": "No mail at all goes to this address any more",
        "bar_tracking": "What is opened and clicked at this address is not counted",
        "bar_topic": "No mail on the topic {topic} goes to this address any more",
        "bar": "No {scope} mail goes to this address any more",
        "won": "{names} had the place",
        "won_all": "{names} had the places of that day or week",
        "winner": "{name} (delivery {number})",
    },
    "tr": {
        "day": "%d.%m.%Y",
        "name": "{campaign} ({occurrence}{kind})",
        "kind": ", {kind}",
        "kind_first": "ilk bildirim",
        "kind_update": "güncelleme",
        "kind_closure": "kapanış bildirimi",
        "kind_unaffected": "artık etkilenmediği bildirimi",
        "stored": "Mağaza bu müşteriyi bize bildirdi.",
        "word_import": "Mağazanın bildirdiğine göre müşteri {did} ({source}{version}).",
        "word_person": "Mağazadan birinin kaydettiğine göre müşteri {did} ({source}{version}).",
        "word": "Müşteri {did} ({source}{version}).",
        "version": ", metin {version}",
        "lapsed": "için ticari e-posta onayı düştü",
        "counted_clicks": "tıklamalarının sayılmasını kabul etti",
        "counted": "açtıklarının ve tıkladıklarının sayılmasını kabul etti",
        "not_counted": "açtıklarının ve tıkladıklarının sayılmamasını istedi",
        "topic_granted": "“{topic}” konulu e-postaları kabul etti",
        "topic_revoked": "artık “{topic}” konulu e-posta almak istemedi",
        "granted": "{purpose} e-posta almayı kabul etti",
        "revoked": "artık {purpose} e-posta almak istemedi",
        "commercial": "ticari",
        "accepted": "{name}: posta sunucusu kabul etti{again}{reply}.",
        "again": " ({attempt}. deneme)",
        "stands": "{name}: {why}.",
        "left_out": "gönderilmedi; {why}",
        "failed": "teslim edilemedi; {why}",
        "no_address": "e-posta adresi yok",
        "told": "{name}: {what}{more}.",
        "deferred": "posta sunucusu henüz alamadı, yeniden denenecek",
        "in_doubt": "bizden çıktı, ancak posta sunucusunun yanıtı alınamadı",
        "cancelled": "yola çıkmadan iptal edildi",
        "expired": "geç kaldığı için gönderilmedi",
        "retried": "elle yeniden sıraya alındı",
        "delayed": "alıcı tarafın bildirdiğine göre henüz teslim edilmedi",
        "bounced": "geri döndü",
        "complained": "alıcısı istenmeyen e-posta olarak bildirdi",
        "unsubscribed": "bu e-postadan abonelikten çıkıldı",
        "held": "başlanmadı: gönderim durdurulmuş ya da duraklatılmıştı veya gönderici gecikti",
        "settled_sent": "sonucu belirsizdi, gönderilmiş sayıldı",
        "settled_resend": "sonucu belirsizdi, yeniden gönderilecek",
        "opened_human": "bir kişi açtı",
        "opened_machine": "bir kişi değil, bir yazılım açtı",
        "opened_unknown": "açıldı; bir kişi mi, bir yazılım mı belli değil",
        "clicked_human": "bir kişi içindeki bağlantıya tıkladı",
        "clicked_machine": "bir kişi değil, bir yazılım içindeki bağlantıyı izledi",
        "clicked_unknown": "içindeki bağlantı izlendi; bir kişi mi, bir yazılım mı belli değil",
        "redeemed": "kodu kullanıldı",
        "redeemed_for": "kodu {order} numaralı siparişte kullanıldı",
        "answered": "Müşteri ankete {score} puan verdi.",
        "coupon": "Müşteriye {code} kodu verildi{until}.",
        "until": "; son kullanma günü {day}",
        "affected": "Müşteri {incident} numaralı olaydan etkileniyor: {title}{now}.",
        "now_unreachable": "; e-postayla ulaşılamıyor",
        "now_left": "; artık etkilenmiyor",
        "now_duplicate": "; aynı adresi taşıyan başka bir kayıt üzerinden bilgilendiriliyor",
        "barred": "{what}: {because}.",
        "bar_all": "Bu adrese artık hiçbir e-posta gönderilmiyor",
        "bar_tracking": "Bu adreste açılanlar ve tıklananlar sayılmıyor",
        "bar_topic": "Bu adrese artık “{topic}” konulu e-posta gönderilmiyor",
        "bar": "Bu adrese artık {scope} e-posta gönderilmiyor",
        "reason_unsubscribed": "abonelikten çıkıldı",
        "reason_complaint": "şikâyet edildi",
        "reason_bounced": "e-postalar geri döndü",
        "reason_manual": "elle engellendi",
        "reason_erased": "müşteri silindi",
        "won": "yerini şu gönderim aldı: {names}",
        "won_all": "o gün ya da haftanın yerlerini şu gönderimler aldı: {names}",
        "winner": "{name}, kayıt {number}",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Voice:
    """Says things in one of the languages."""

    language: str = "en"

    def __call__(self, key: str, **values: object) -> str:
        """The sentence, or part of one."""
        return SAID[self.language][key].format(**values)

    def word(self, kind: str, word: str) -> str:
        """A word of ours as people say it; one that has no other form as it is."""
        said = SAID[self.language]
        return said.get(f"{kind}_{word}", said.get(word, word) if kind == "purpose" else word)

    def day(self, day: date) -> str:
        """A day as they write it."""
        return day.strftime(SAID[self.language]["day"])
