"""Cleaning and folding of typed text, before anything stores, compares or searches it."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

# Escapes a literal % or _. Not a backslash, which only PostgreSQL uses by default.
LIKE_ESCAPE = "!"
# No name is longer, and SQLite refuses a pattern of more than 50,000 bytes.
LONGEST_QUERY = 200


class TextCode(StrEnum):
    """Why a typed text was refused."""

    CONTROL_CHARACTER = "control_character"
    BROKEN_CHARACTER = "broken_character"


class UnusableText(ValueError):
    """A typed text that nothing can store or show; `code` says why."""

    def __init__(self, code: TextCode) -> None:
        super().__init__(code.value)
        self.code = code


# CR LF, CR, NEL, line and paragraph separator: what other systems end a line with.
_NEWLINES = re.compile("\r\n|[\r\u0085\u2028\u2029]")
# NUL and the other C0 and C1 controls, but for tab and newline.
_CONTROLS = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f]")
# Lone surrogates cannot be written as UTF-8; U+FFFE, U+FFFF and their like are no characters and break XML.
_PLANE_ENDS = "".join(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
_BROKEN = re.compile(f"[\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")
# Zero-width and bidirectional controls: they change what a reader sees, not what is said.
# Variation selectors (U+FE00-FE0F, U+E0100-E01EF) stay: they choose the form of a character in a name.
_INVISIBLE = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# Of these, only the zero-width joiner says something: it makes one picture of several emoji. It stays between two of them,
# also behind the first one's form or colour of skin, and is taken out elsewhere. Python has no table of what Unicode calls
# Extended_Pictographic; these blocks hold every emoji that is joined, and no letter, digit or kanji.
_JOINER = "\u200d"
_PICTURE = "[\u2190-\u21ff\u2600-\u2775\u2794-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff]"
_FORM = "[\ufe0f\U0001f3fb-\U0001f3ff]"
_DISGUISES = re.compile(_INVISIBLE.pattern.replace("\u200b-\u200f", "\u200b\u200c\u200e\u200f"))
_JOINERS = re.compile(f"((?:(?<={_PICTURE})|(?<={_PICTURE}{_FORM})){_JOINER}(?={_PICTURE}))|{_JOINER}")


def clean_text(text: str) -> str:
    """The text as it may be stored: newlines are \\n, without zero-width and bidirectional controls; joined emoji stay joined.

    Everything else stays as typed, character forms, outer spaces and four-byte characters included. Raises
    UnusableText (a ValueError) for NUL and other control characters except newline and tab, and for what is
    no character at all.
    """
    text = _NEWLINES.sub("\n", _without_invisible(text))
    if _CONTROLS.search(text):
        raise UnusableText(TextCode.CONTROL_CHARACTER)
    if _BROKEN.search(text):
        raise UnusableText(TextCode.BROKEN_CHARACTER)
    return text


def without_unusable(text: str) -> str:
    """The text without what `clean_text` refuses: to show a refused text again without losing the rest."""
    text = _NEWLINES.sub("\n", _without_invisible(text))
    return clean_text(_BROKEN.sub("", _CONTROLS.sub("", text)))


def _without_invisible(text: str) -> str:
    return _JOINERS.sub(lambda found: found[1] or "", _DISGUISES.sub("", text))


def is_blank(text: str) -> bool:
    """Whether nothing can be seen: only spaces of any width, line ends and zero-width characters."""
    return not _INVISIBLE.sub("", text).strip()


def like_pattern(query: str) -> str:
    """A LIKE pattern that finds the query anywhere; %, _ and the escape character stand for themselves.

    Use with `escape=LIKE_ESCAPE`, on a column and a query folded by the same function. An empty query finds
    everything: ask before. Of a longer query the first 200 characters count.
    """
    return f"%{re.sub(f'[%_{LIKE_ESCAPE}]', lambda found: LIKE_ESCAPE + found[0], query[:LONGEST_QUERY])}%"


_LARGE_KANA = str.maketrans("ぁぃぅぇぉっゃゅょゎゕゖ", "あいうえおつやゆよわかけ")
_HIRAGANA = str.maketrans({code: code - 0x60 for code in [*range(0x30A1, 0x30F7), 0x30FD, 0x30FE]})
_VOICED = "\u3099"
# Accents over Latin, Greek and Cyrillic letters, and variation selectors; other scripts need their marks.
_ACCENTS = re.compile("[\u0300-\u036f\ufe00-\ufe0f\U000e0100-\U000e01ef]")


def fold(text: str) -> str:
    """Fold differences that do not matter in a search: width, case, kana, accents, punctuation.

    NFKC; katakana becomes hiragana, small kana large (insurance cards print シヨウコ for ショウコ); 々 and ゝ
    become the character they repeat. Letters, digits and ー remain. Folding twice is folding once.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join(char for char in _ACCENTS.sub("", plain) if unicodedata.category(char)[0] in "LMN")
    whole = unicodedata.normalize("NFC", kept.translate(_HIRAGANA).translate(_LARGE_KANA))
    return unicodedata.normalize("NFC", _repeat(whole))


def _repeat(text: str) -> str:
    """佐々木 as 佐佐木, すゞ as すず; a mark after nothing stays."""
    out: list[str] = []
    for char in text:
        nothing_before = not out or out[-1] in "々ゝゞ"
        if nothing_before:
            out.append(char)
        elif char in "々ゝ":
            out.append(out[-1])
        elif char == "ゞ":
            out.append(unicodedata.normalize("NFC", out[-1] + _VOICED))
        else:
            out.append(char)
    return "".join(out)
