"""Passwords that anybody would try first: a short list kept with the program, asked without any network."""

from __future__ import annotations

import re

from portal.text import fold

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
# Words that are no secret here: the portal's own name and what it is called about town.
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
    """Whether the password is common, one thing said again and again, a run of keys, or made of known words."""
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
    """What others know of this person: the parts of his address and name, and the portal's own words."""
    mailbox, _at, domain = email.partition("@")
    parts = [mailbox, domain.partition(".")[0], name, *re.split(r"[._+-]", mailbox), *name.split()]
    return {
        word for word in map(fold, (*parts, *OWN_WORDS)) if len(word) >= 3 or (word and not word.isascii())
    }
