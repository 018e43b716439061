"""Passwords: what may be one, and their argon2id hashes, at most two at a time in one process."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from threading import BoundedSemaphore
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from portal.accounts.blocklist import is_guessable
from portal.errors import Invalid, TooMany
from portal.words import N_

SHORTEST = 15
# Beyond this a password is no password but an attack on the hash.
LONGEST = 256
# Each hashing takes 64 MiB: signing in must not become a way to eat the machine's memory.
AT_ONCE = 2
WAIT_SECONDS = 5.0


def normalised(password: str) -> str:
    """The same characters, whichever keyboard typed them: full width and half width are one password."""
    return unicodedata.normalize("NFKC", password)


def check_new(password: str, *, email: str, name: str, field: str = "password") -> None:
    """Raise `Invalid` unless this may become the password of this person."""
    plain = normalised(password)
    if len(plain) < SHORTEST:
        raise Invalid(
            N_("パスワードは15文字以上にしてください。短い文を使うと覚えやすくなります。"), field=field
        )
    if len(plain) > LONGEST:
        raise Invalid(N_("パスワードは256文字以内にしてください。"), field=field)
    if is_guessable(plain, email=email, name=name):
        raise Invalid(
            N_("推測されやすいパスワードです。名前・メールアドレス・よくある並びを使わないでください。"),
            field=field,
        )


class Hashing:
    """The hasher of this process. `configure` sets the profile; until then nothing can be hashed."""

    hasher: PasswordHasher

    def __init__(self, *, at_once: int = AT_ONCE, wait_seconds: float = WAIT_SECONDS) -> None:
        self.places = BoundedSemaphore(at_once)
        self.wait_seconds = wait_seconds

    def configure(self, profile: Mapping[str, Any]) -> None:
        self.hasher = PasswordHasher(
            time_cost=profile["time_cost"],
            memory_cost=profile["memory_kib"],
            parallelism=profile["parallelism"],
            type=Type.ID,
        )
        self.__dict__.pop("dummy", None)

    @cached_property
    def dummy(self) -> str:
        """A hash that no password fits: checked where there is no account, so that both take as long."""
        return self.hasher.hash(secrets.token_urlsafe(32))

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places at the hasher.

        Raises:
            TooMany: none became free in time.
        """
        if not self.places.acquire(timeout=self.wait_seconds):
            raise TooMany(N_("ただいま混み合っています。少し待ってから、もう一度お試しください。"))
        try:
            yield
        finally:
            self.places.release()

    def hash(self, password: str) -> str:
        with self.place():
            return self.hasher.hash(normalised(password))

    def fits(self, stored: str | None, password: str) -> bool:
        """Whether the password is the one of this hash; without a hash the same work is done in vain."""
        if len(password) > LONGEST:
            password = password[:LONGEST]
            stored = None
        with self.place():
            try:
                return self.hasher.verify(stored or self.dummy, normalised(password)) and bool(stored)
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with another profile than today's."""
        return self.hasher.check_needs_rehash(stored)


hashing = Hashing()
