"""What a member of staff types into the form of a new referral."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.browsers import Browser
from tests.factories import Member, id_of


def proposal(person_id: UUID, recipient: Member, **more: Any) -> dict[str, Any]:
    """The whole form, as a browser sends it; `more` overrides."""
    fields: dict[str, Any] = {
        "person": str(person_id),
        "kind": "referral",
        "to": str(id_of(recipient)),
        "service": "",
        "basis": "consent",
        "categories": ["basic"],
        "need": "働く準備を始めたい",
        "appointment_at": ["", ""],
        "appointment_place": "",
        "anonymous_age_band": "",
    }
    for number in range(3):
        fields |= {f"goal_domain-{number}": "daily", f"goal_text-{number}": ""}
    return fields | more


def id_from(location: str) -> UUID:
    return UUID(location.split("/referrals/")[1].split("/")[0].split("?")[0])


def draft(browser: Browser, fields: dict[str, Any]) -> UUID:
    """Fill in the form and go on to the check page; returns the draft's id."""
    answer = browser.post("/referrals/new", data=fields)
    assert answer.status_code == 302, answer.text
    assert answer.location.endswith("/send")
    return id_from(answer.location)


def send(browser: Browser, fields: dict[str, Any]) -> UUID:
    """Draft, look at the check page, and send."""
    referral_id = draft(browser, fields)
    assert browser.get(f"/referrals/{referral_id}/send").status_code == 200
    answer = browser.post(f"/referrals/{referral_id}/send", data={"version": "1"})
    assert answer.status_code == 302, answer.text
    assert answer.location.endswith(f"/referrals/{referral_id}?sent=1")
    return referral_id


def step(browser: Browser, referral_id: UUID, action: str, version: int, **typed: Any) -> None:
    answer = browser.post(f"/referrals/{referral_id}/{action}", data={"version": version, **typed})
    assert answer.status_code == 302, answer.text
