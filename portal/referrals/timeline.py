"""The timeline in words: what each line of it says to this reader."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel import gettext
from markupsafe import Markup

from portal.disclosures.person_view import Withheld
from portal.referrals.models import Happening
from portal.referrals.referral_view import Line, ReferralView

STOPS = {
    Happening.REJECT,
    Happening.FAIL,
    Happening.CANCEL,
    Happening.CORRECT,
    Happening.CONSENT_WITHDRAWN,
    Happening.CONSENT_EXPIRED,
    Happening.STOP_CONFIRMED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A line as the macro `timeline` prints it."""

    at: datetime
    who: str
    agency: str
    words: str
    text: str
    tone: str
    mine: bool


def entries(view: ReferralView, *, since: int = 0) -> list[Entry]:
    """The lines of a referral's timeline from the one numbered `since` on."""
    return [
        Entry(
            at=line.at,
            who=line.who,
            agency=line.agency,
            words=words_of(line),
            text=text_of(line, view),
            tone="stop" if line.what in STOPS else "",
            mine=line.mine,
        )
        for line in view.timeline[since:]
    ]


def text_of(line: Line, view: ReferralView) -> str:
    """What was written, or why it is not shown: the consent has ended, or the referral itself."""
    if not isinstance(line.text, Withheld):
        return line.text
    if view.stop or view.is_open:
        return str(gettext(line.text.word))
    return str(gettext("このつなぎは終わったため、受け取った内容は表示しません。"))


def words_of(line: Line) -> str:
    words: str = gettext(line.what.word)
    if line.code:
        words = gettext("%(what)s（%(why)s）", what=words, why=gettext(line.code.word))
    if line.sequel_id:
        url = url_for("referrals.show", referral_id=line.sequel_id)
        return Markup('{} <a href="{}">{}</a>').format(words, url, gettext("つなぎ直した先を見る"))
    return words
