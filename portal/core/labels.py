"""Words for pages: the marker that collects them for translation, and enums that carry their word."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


def N_(message: str) -> str:  # noqa: N802
    """Mark a Japanese message for the catalogue; the page translates it when it prints it."""
    return message


class Labelled(StrEnum):
    """An enum whose members have a stored code and a Japanese word: `BASIC = "basic", N_("基本情報")`."""

    word: str

    def __new__(cls, code: str, word: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.word = word
        return member
