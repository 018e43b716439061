"""The charts of a year: months of activities, and goals by domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext
from markupsafe import Markup

from portal.evaluations.asked import unit_word
from portal.evaluations.figures import FEW, Key
from portal.evaluations.seen import Year
from portal.evaluations.table import firsts_of
from portal.web import charts
from portal.web.formats import month_word, t
from portal.words import N_


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart and the same as a table."""

    title: str
    svg: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


SCORES = (N_("達成"), N_("一部達成"), N_("未達成"))


def title_of(key: Key) -> str:
    kind = key.kind
    return f"{t(kind.word)}　{t(key.what.word)}" if kind else t(key.what.word)


def of_months(view: Year) -> list[Picture]:
    labels = [month_word(day, short=True) for day in firsts_of(view.year)]
    found = []
    for one in view.months:
        title = title_of(one.key)
        svg = charts.bars(list(one.values), labels, title=title)
        rows = [list(line) for line in zip(labels, one.values, strict=True)]
        found.append(Picture(title, svg, [gettext("月"), unit_word(one.key.spec.unit, alone=True)], rows))
    return found


def of_goals(view: Year) -> Picture | None:
    """Only where every number may be shown."""
    scored = [one for one in view.goals if one.scored]
    if not scored or any(one.scored == FEW for one in scored):
        return None
    rows = [(t(one.domain.word), (one.achieved, one.partial, one.not_achieved)) for one in scored]
    words = [t(word) for word in SCORES]
    title = str(gettext("目標の達成"))
    return Picture(title, charts.shares(rows, words, title=title), words, [])
