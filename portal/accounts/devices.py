"""What a request comes from: the cookie by which a device is known to accounts, and words for a browser."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

from flask import Response, current_app, request
from itsdangerous import BadData, URLSafeSerializer

from portal.accounts.attempts import Device, keyed
from portal.accounts.signing_in import address_of
from portal.web import proxies

KEPT = timedelta(days=365)
# The computer at the counter is shared: accounts that have not signed in there for long are dropped.
ACCOUNTS_PER_DEVICE = 20

SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Mac OS X|Macintosh", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)
BROWSERS = (
    ("Edg(e|A|iOS)?/", "Edge"),
    ("Firefox/|FxiOS/", "Firefox"),
    ("Chrome/|CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)


def secret() -> str:
    return str(current_app.secret_key)


def cookie_name() -> str:
    """The device cookie's name, with the same prefix as the session's against other hosts under https."""
    return "__Host-device" if current_app.config["SESSION_COOKIE_SECURE"] else "device"


def signer() -> URLSafeSerializer:
    return URLSafeSerializer(secret(), salt="device")


def known() -> tuple[str, list[str]]:
    """The device's own mark and the accounts that have signed in on it; nothing for a device never seen."""
    try:
        mark, accounts = signer().loads(request.cookies.get(cookie_name(), ""))
        return str(mark), [str(account) for account in accounts]
    except (BadData, ValueError, TypeError):
        return "", []


def tag(email: str) -> str:
    return keyed(secret(), "account tag", address_of(email))[:16]


def device_for(email: str) -> Device:
    """The device that a sign-in attempt for this account is counted under."""
    mark, accounts = known()
    return Device(proxies.source(), mark if tag(email) in accounts else "")


def remember(response: Response, email: str) -> None:
    """Note on the device that this account has signed in here."""
    mark, accounts = known()
    mine = tag(email)
    kept = [mine, *(account for account in accounts if account != mine)][:ACCOUNTS_PER_DEVICE]
    value = signer().dumps([mark or secrets.token_urlsafe(16), kept])
    response.set_cookie(
        cookie_name(),
        str(value),
        max_age=KEPT,
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
        httponly=True,
        samesite="Lax",
    )


def words_for(user_agent: str) -> str:
    """The system and browser in words, such as Windows・Edge; empty when they are unknown."""
    named = (
        next((word for pattern, word in words if re.search(pattern, user_agent)), "")
        for words in (SYSTEMS, BROWSERS)
    )
    return "・".join(word for word in named if word)
