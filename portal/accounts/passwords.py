"""Passwords: what may be one, those that anybody would try first, and their argon2id hashes."""

from __future__ import annotations

import re
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

from portal.core.errors import Invalid, TooMany
from portal.core.labels import N_
from portal.core.text import fold

# Long passwords from published lists, and what people type when fifteen characters are asked for; folded.
COMMON = frozenset(
    fold(line)
    for line in [
        "passwordpassword",
        "passwordpassword1",
        "password1234567",
        "password12345678",
        "password123456789",
        "mypasswordispassword",
        "thisismypassword",
        "thisisapassword",
        "letmeinletmein",
        "letmeinplease",
        "iloveyouiloveyou",
        "correcthorsebatterystaple",
        "correct",
        "horse",
        "battery",
        "staple",
        "trustno1trustno1",
        "welcomewelcome",
        "adminadminadmin",
        "administrator1234",
        "administratoradministrator",
        "rootrootrootroot",
        "changemechangeme",
        "changeitchangeit",
        "qwertyuiopasdfgh",
        "qwertyuiopasdfghjkl",
        "qwertyuiopasdfghjklzxcvbnm",
        "qwertyqwertyqwerty",
        "qwerty123456789",
        "1qaz2wsx3edc4rfv",
        "1qaz2wsx3edc4rfv5tgb",
        "zaq12wsxcde34rfv",
        "q1w2e3r4t5y6u7i8",
        "q1w2e3r4t5y6u7i8o9p0",
        "asdfghjklasdfghjkl",
        "zxcvbnmzxcvbnm",
        "abcdefghijklmno",
        "abcdefghijklmnop",
        "abcdefghijklmnopqrstuvwxyz",
        "abc123abc123abc123",
        "aaaabbbbccccdddd",
        "sunshinesunshine",
        "footballfootball",
        "baseballbaseball",
        "monkeymonkeymonkey",
        "dragondragondragon",
        "superman123456789",
        "princessprincess",
        "computercomputer",
        "internetinternet",
        "arigatougozaimasu",
        "arigatogozaimasu",
        "otsukaresamadesu",
        "yoroshikuonegaishimasu",
        "yoroshikuonegai",
        "konnichiwakonnichiwa",
        "ohayougozaimasu",
        "sakurasakurasakura",
        "nihonnihonnihon",
        "japanjapanjapan",
        "tokyotokyotokyo",
        "ありがとうございます",
        "よろしくおねがいします",
        "おつかれさまです",
        "いろはにほへとちりぬるを",
        "あいうえおかきくけこさしすせそ",
        "パスワードパスワード",
        "パスワードです",
    ]
) | {fold("correct horse battery staple"), fold("the quick brown fox jumps over the lazy dog")}
# Words that are no secret here: the portal's own name and what people call it.
OWN_WORDS = (
    "tsunagu",
    "tunagu",
    "つなぐ",
    "つなく",
    "password",
    "ぱすわーど",
    "asagao",
    "あさがお",
    "administrator",
)
RUNS = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn",
)
RUNS_BOTH_WAYS = tuple(run for line in RUNS for run in (line, line[::-1]))
# What is left once the known words are taken out must still be worth guessing.
ENOUGH_LEFT = 8


def is_guessable(password: str, *, email: str, name: str) -> bool:
    """Whether the password is common, a repetition, a run of keys, or made of known words."""
    plain = fold(password)
    if plain in COMMON or len(set(plain)) < 5 or repeats(plain) or runs(plain):
        return True
    left = plain
    for word in sorted(known_words(email, name), key=len, reverse=True):
        left = left.replace(word, "")
    return left != plain and len(re.sub("[0-9]", "", left)) < ENOUGH_LEFT


def repeats(plain: str) -> bool:
    """One piece of up to half the length, over and over: kotobakotobakotoba."""
    return any(
        (plain[:size] * (len(plain) // size + 1))[: len(plain)] == plain
        for size in range(1, len(plain) // 2 + 1)
    )


def runs(plain: str) -> bool:
    """Digits, letters or keys in a row: 123456789012345."""
    return any(plain in run * 3 for run in RUNS_BOTH_WAYS)


def known_words(email: str, name: str) -> set[str]:
    """What others know of this person: the parts of their address and name, and the portal's own words."""
    mailbox, _at, domain = email.partition("@")
    parts = [mailbox, domain.partition(".")[0], name, *re.split(r"[._+-]", mailbox), *name.split()]
    return {
        word for word in map(fold, (*parts, *OWN_WORDS)) if len(word) >= 3 or (word and not word.isascii())
    }


# Passwords: what may be one, and their argon2id hashes, at most two at a time in one process.

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
        """Wait for one of the places in which passwords are hashed.

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
        """Whether the password matches this hash; without a hash the same work is done, in the same time."""
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
