"""What a template sees: plain words, numbers and dates, built from a claimed delivery. No objects, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mailer.core.coupon import E4
from mailer.core.customer import Customer
from mailer.core.handoff import CouponView, SendJob
from mailer.core.incident_texts import in_tongue


@dataclass(frozen=True, slots=True)
class Sender:
    """The tenant as mails show it."""

    name: str
    from_: str  # Name <address>
    postal_address: str
    currency: str
    country: str
    locale: str
    website: str = ""  # the shop's, without a stroke at its end


def customer_scene(customer: Customer) -> dict[str, Any]:
    """The customer, their attributes by name beside the standard fields; the standard fields win."""
    name = " ".join(part for part in (customer.first_name, customer.last_name) if part)
    return {
        **customer.attributes,
        "id": customer.id,
        "email": customer.email,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "name": name,
        "locale": customer.locale,
        "timezone": customer.timezone,
        "country": customer.country,
        "postal_code": customer.postal_code,
        "created_at": customer.created_at,
        "services": list(customer.services),
        "attributes": dict(customer.attributes),
    }


def coupon_scene(coupon: CouponView) -> dict[str, Any]:
    """A coupon, its amount in the currency's unit."""
    return {
        "code": coupon.code,
        "percent": coupon.percent,
        "amount": None if coupon.amount_e4 is None else Decimal(coupon.amount_e4) / E4,
        "currency": coupon.currency,
        "valid_until": coupon.valid_until,
    }


def scene(job: SendJob, description: str, sender: Sender, links: Mapping[str, str]) -> dict[str, Any]:
    """Everything in scope for one delivery."""
    context = job.context
    seen: dict[str, Any] = {
        "customer": customer_scene(job.customer),
        "campaign": {"name": job.campaign, "description": description},
        "run": {"occurrence": job.occurrence},
        "tenant": {
            "name": sender.name,
            "from": sender.from_,
            "postal_address": sender.postal_address,
            "currency": sender.currency,
            "country": sender.country,
            "locale": sender.locale,
            "website": sender.website,
        },
        "links": dict(links),
        "posts": list(job.content.get("posts", [])),
        "points": list(context.get("points", [])),
    }
    if job.coupon is not None:
        seen["coupon"] = coupon_scene(job.coupon)
    if "incident" in job.content:
        locale = job.customer.locale or sender.locale
        seen["incident"] = {**_said(job.content["incident"], locale), "kind": job.kind}
    properties = context.get("properties")
    if properties is not None:
        seen["event"] = {"name": context.get("event", ""), **properties}
        if str(context.get("event", "")).startswith("order."):
            seen["order"] = dict(properties)
    return seen


def _said(incident: Mapping[str, Any], locale: str) -> dict[str, Any]:
    """An incident in the reader's language, as far as somebody wrote it."""
    said = dict(incident)
    titles, messages = said.pop("titles", {}), said.pop("messages", {})
    said["title"] = in_tongue(said["title"], titles, locale)
    said["message"] = in_tongue(said["message"], messages, locale)
    return said
