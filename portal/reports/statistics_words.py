"""How the monthly statistics are said: numbers that may be hidden, shares, months, and the picture of handoffs."""

from __future__ import annotations

from flask_babel import gettext
from markupsafe import Markup

from portal import clock
from portal.reports.small_numbers import Shown
from portal.reports.statistics_figures import Band, Pair, Share, Statistics
from portal.web.formats import t
from portal.web.language import in_english
from portal.web.network_picture import Arrow, Pattern, network

# More lines than this nobody follows with his eyes.
MOST_ARROWS, MOST_AGENCIES = 30, 15


def number(value: Shown) -> str:
    return str(gettext("少数")) if value is None else f"{value:,}"


def month_word(month: int) -> str:
    return str(gettext("%(month)s月", month=month))


def year_word(year: int) -> str:
    return f"FY{year}" if in_english() else clock.era_fiscal_year(year)


def share_word(share: Share, *, full: bool = True) -> str:
    """92%（46/50件）, or 8割以上, or ―."""
    if share.band is not None:
        return t(share.band.word)
    if share.percent is None:
        return "―"
    if share.part is None or not full:
        return f"{share.percent}%"
    return str(gettext("%(n)s%%（%(done)s/%(due)s件）", n=share.percent, done=share.part, due=share.whole))


def picture(view: Statistics) -> Markup | None:
    """The busiest pairs among the busiest agencies; None when there is nothing to draw."""
    chosen: list[Pair] = []
    seen: set[object] = set()
    for pair in view.pairs:
        both = seen | {pair.sender, pair.recipient}
        if len(both) <= MOST_AGENCIES and len(chosen) < MOST_ARROWS:
            chosen.append(pair)
            seen = both
    if not chosen:
        return None
    arrows = [
        Arrow(
            sender=pair.sender,
            recipient=pair.recipient,
            weight=pair.sent,
            number=number(pair.sent),
            answer=share_word(pair.answered, full=False) if pair.sent is not None else "",
            pattern=pattern(pair),
        )
        for pair in chosen
    ]
    desc = gettext("、").join(
        gettext(
            "%(sender)sから%(recipient)sへ%(n)s件",
            sender=view.agencies[pair.sender],
            recipient=view.agencies[pair.recipient],
            n=number(pair.sent),
        )
        for pair in chosen
    )
    return network(arrows, view.agencies, title=gettext("機関から機関へのつなぎ"), desc=desc)  # type: ignore[arg-type]


def pattern(pair: Pair) -> Pattern:
    if pair.sent is None or pair.is_stuck:
        return Pattern.DOTTED
    share = pair.answered
    is_well = share.band is Band.MOST or (share.percent is not None and share.percent >= 80)
    return Pattern.FULL if is_well else Pattern.DASHED
