"""Recording, renewing and taking back a consent the way a person does: through the pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from portal.consents.models import Consent
from portal.core.db import db
from tests.browsers import Browser
from tests.factories import Member, id_of


def terms(to: Iterable[Member], /, **typed: Any) -> dict[str, Any]:
    """A written consent of the person, as the form sends it."""
    return {
        "recipients": [str(id_of(one)) for one in to],
        "categories": ["basic"],
        "purpose": "働く準備について相談するため",
        "valid_from": "令和8年4月1日",
        "valid_until": "R9.3.31",
        "given_by": "self",
        "method": "written",
        **typed,
    }


def record(browser: Browser, person_id: UUID, typed: dict[str, Any]) -> Any:
    return browser.post(f"/people/{person_id}/consents/new", data=typed | {"confirmed": "1"})


def withdraw(browser: Browser, consent_id: UUID, **typed: Any) -> Any:
    return browser.post(f"/consents/{consent_id}/withdraw", data={"scope": "whole", **typed})


def consents() -> list[Consent]:
    """All that are on record, the oldest first."""
    with db.transaction() as session:
        return list(session.scalars(select(Consent).order_by(Consent.id)))


def how_many(table: type) -> int:
    with db.transaction() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()
