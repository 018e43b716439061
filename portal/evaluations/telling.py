"""Texts of a year that reveal a small number: they count a few people where others see 少数."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portal.core import clock
from portal.evaluations import counting, programmes
from portal.evaluations.catalogue import FEW, Key, Period, shown
from portal.evaluations.models import Part
from portal.evaluations.table import Year, month_end

DIGITS = {char: n for n, char in enumerate("〇一二三四五六七八九")}
TENS = {"十": 10, "百": 100, "千": 1000}
KANJI = "".join([*DIGITS, *TENS])
# Words that begin like a number of people but are none, or do not say how many came.
IDIOMS = (
    *("一人ひとり", "一人一人", "1人ひとり", "1人1人", "ひとりひとり", "ひとり一人"),
    *(
        "一人暮らし",
        "1人暮らし",
        "ひとり暮らし",
        "一人ぐらし",
        "ひとりぐらし",
        "一人親",
        "ひとり親",
        "1人親",
        "一人っ子",
    ),
    *("一人で抱え", "1人で抱え", "ひとりで抱え", "一人で悩", "1人で悩", "ひとりで悩"),
    *("二人三脚", "一人前", "一人称", "一人当たり", "1人当たり", "一人あたり", "1人あたり", "ひとりあたり"),
    *("ひとりでに", "ひとり立ち", "一人歩き"),
)
IDIOM = re.compile("|".join(map(re.escape, IDIOMS)))
IN_WORDS = {"ひとり": 1, "ふたり": 2}
NUMBER = re.compile(
    "(?:うち|実|延べ|お)?"
    "(?:"
    r"(?<![0-9.,])(?P<digits>[0-9]+(?:,[0-9]{3})*)\s?(?:人|名(?![称前義刺簿])|方(?![法面向式針])|people\b|persons?\b)"
    rf"|(?<![{KANJI}])(?P<kanji>[{KANJI}]+)(?:人|名(?![称前義刺簿])|方(?![法面向式針]))"
    rf"|(?P<word>{'|'.join(IN_WORDS)})"
    ")"
)


@dataclass(frozen=True, slots=True)
class Telling:
    """The words of a text that name few people, and the figures that others see as 少数."""

    words: Sequence[str]
    figures: Sequence[Key]

    @property
    def mark(self) -> str:
        """A digest for the form, so that the same words are pointed out once."""
        return "、".join(self.words)


def of_kanji(number: str) -> int:
    """十二 as 12, 二〇 as 20."""
    if not any(char in TENS for char in number):
        return int("".join(str(DIGITS[char]) for char in number))
    total = ahead = 0
    for char in number:
        if char in TENS:
            total += (ahead or 1) * TENS[char]
            ahead = 0
        else:
            ahead = DIGITS[char]
    return total + ahead


def number_of(one: re.Match[str]) -> int:
    if one["digits"]:
        return int(one["digits"].replace(",", ""))
    return of_kanji(one["kanji"]) if one["kanji"] else IN_WORDS[one["word"]]


def few_people(text: str, least: int) -> list[str]:
    """The words in a text that name fewer than `least` people, as typed; each once."""
    # A full-width digit and its narrow form are both one character, so that places in both texts are the same.
    narrow = "".join(
        plain if len(plain := unicodedata.normalize("NFKC", char)) == 1 and plain.isascii() else char
        for char in text
    )
    narrow = IDIOM.sub(lambda found: "＊" * len(found[0]), narrow)
    found = []
    for one in NUMBER.finditer(narrow):
        number = number_of(one)
        words = text[one.start() : one.end()]
        if 0 < number < least and words not in found:
            found.append(words)
    return found


def of_year(view: Year) -> dict[tuple[str, Part], Telling]:
    """The texts of a year that reveal a small number of their area; `view` is the programme's own."""
    texts = {(row.code, Part.PLAN): row.plan for row in view.rows}
    texts |= {(row.code, part): text for row in view.rows for part, text in row.this.texts.items()}
    words = {which: found for which, text in texts.items() if (found := few_people(text, view.masking.least))}
    small = small_figures(view) if words else {}
    return {which: Telling(found, small[which[0]]) for which, found in words.items() if small[which[0]]}


def of_text(view: Year, text: str, area: str) -> Telling | None:
    """The same for one text of an area, saved or not."""
    words = few_people(text, view.masking.least)
    figures = small_figures(view).get(area, []) if words else []
    return Telling(words, figures) if figures else None


def of_additions(view: Year, texts: Sequence[str]) -> list[Telling | None]:
    """The same for each of these additions, which belong to no area."""
    words = [few_people(text, view.masking.least) for text in texts]
    small = small_figures(view) if any(words) else {}
    figures = [key for keys in small.values() for key in keys]
    return [Telling(found, figures) if found and figures else None for found in words]


def small_figures(view: Year) -> dict[str, list[Key]]:
    """By area, the figures of a year that others see, or will see, as 少数.

    Others see a running year as of the end of a month. A number that is small today is small there soon; one that has
    grown since is small there still.
    """
    counts: list[Mapping[Key, int]] = [
        {figure.key: figure.value for row in view.rows for figure in row.this.figures}
    ]
    if view.has_begun and not view.closing:
        counts.append(as_others_see(view))

    def is_small(key: Key) -> bool:
        return any(
            shown(one.get(key, 0), key.spec, inside=False, least=view.masking.least) == FEW for one in counts
        )

    return {
        row.code: [figure.key for figure in row.this.figures if is_small(figure.key)] for row in view.rows
    }


def as_others_see(view: Year) -> Mapping[Key, int]:
    session = counting.everybody()
    day = month_end(min(view.as_of, clock.today()))
    if day == view.as_of or day < clock.fiscal_year_bounds(view.year)[0]:
        return {}
    every = programmes.areas_of(session, view.programme.id, view.year)
    return counting.count(session, view.programme.id, Period(view.year, day), every)
