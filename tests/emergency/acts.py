"""What people do about emergency access, through the pages, as a browser would."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal.audit.models import AuditEntry
from portal.core.db import db
from tests.browsers import PASSWORD, Browser
from tests.wall.pages import Form, Page

HANAKO = {
    "family": "髙橋",
    "given": "花子",
    "family_kana": "たかはし",
    "given_kana": "はなこ",
    "address": "見本市一丁目一番",
    "telephone": "090-0000-0001",
}
NAME, BORN = "髙橋 花子", "1986-05-01"
BIRTHDAY = date.fromisoformat(BORN)
WHY = {
    "reason": "life",
    "text": "電話で本人から、薬を大量に飲んだと聞いた。以後、応答がない。",
    "difficult": "y",
    "categories": ["health"],
}


def find(client: Browser, name: str = NAME, birth: str = BORN) -> Any:
    return client.post("/emergency/", data={"by": "name", "name": name, "birth": birth})


def find_by_number(client: Browser, agency_id: Any, number: str) -> Any:
    return client.post("/emergency/", data={"by": "number", "agency": str(agency_id), "number": number})


def form_to(answer: Any, action: str) -> Form:
    """The form on this page that is sent to an address that ends so."""
    forms = Page(answer.text, answer.request.path).forms
    return next(form for form in forms if form.action.endswith(action) and form.method == "post")


def sent(form: Form, **typed: Any) -> dict[str, Any]:
    return {**form.typed(), **typed}


def start(client: Browser, found: Any) -> Any:
    """From the list of those who fit to the page that asks why."""
    return client.post("/emergency/ask", data=sent(form_to(found, "/ask")))


def to_check(client: Browser, asked: Any, **typed: Any) -> Any:
    return client.post(
        "/emergency/ask", data=sent(form_to(asked, "/ask"), **{**WHY, "step": "check", **typed})
    )


def confirm(client: Browser, checked: Any, password: str = PASSWORD) -> Any:
    return client.post("/emergency/ask", data=sent(form_to(checked, "/ask"), step="open", password=password))


def use(client: Browser, name: str = NAME, birth: str = BORN, **typed: Any) -> Any:
    """All the way; the answer to the last step."""
    return confirm(client, to_check(client, start(client, find(client, name, birth)), **typed))


def access_of(answer: Any) -> UUID:
    """Which one a page of one's own list or a redirect leads to first."""
    found = re.search(r"/emergency/([0-9a-f-]{36})", answer.headers.get("Location", "") or answer.text)
    assert found
    return UUID(found[1])


def events(*codes: str) -> list[AuditEntry]:
    db.end()
    wanted = select(AuditEntry).where(AuditEntry.event.in_(codes)).order_by(AuditEntry.seq)
    return list(db.read().scalars(wanted))
