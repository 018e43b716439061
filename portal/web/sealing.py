"""What an address or a cookie carries through the browser unread: typed names, and the places in lists sorted by them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

NONCE = 12


def cipher() -> AESGCM:
    secret = str(current_app.secret_key or "").encode()
    return AESGCM(hmac.digest(secret, b"sealed for the browser", hashlib.sha256))


def seal(text: str, about: str) -> str:
    """The text so that only this portal can read it, and only where it is `about` the same."""
    nonce = secrets.token_bytes(NONCE)
    return urlsafe_b64encode(nonce + cipher().encrypt(nonce, text.encode(), about.encode())).decode()


def unseal(sealed: str, about: str) -> str | None:
    """The text that was sealed; None for anything else."""
    try:
        stored = urlsafe_b64decode(sealed)
        return cipher().decrypt(stored[:NONCE], stored[NONCE:], about.encode()).decode()
    except (ValueError, InvalidTag):
        return None
