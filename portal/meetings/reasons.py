"""Why an item stands on the agenda, in words."""

from __future__ import annotations

from flask_babel import gettext

from portal.meetings.agenda_view import ItemView
from portal.meetings.states import Source
from portal.web.formats import era_short


def reason_of(item: ItemView) -> str:
    """Empty for what was typed by hand, and for what this reader may not see."""
    if item.source is None or item.source is Source.HAND:
        return ""
    return str(gettext(item.source.word, day=era_short(item.reason_on), count=item.reason_count))


def name_of(item: ItemView) -> str:
    """The item in one line: its title, else whom or what it is about, else its kind."""
    if item.is_hidden or item.kind is None:
        return str(gettext("非公開の議題"))
    kind = str(gettext(item.kind.word))
    about = item.title or item.promised or item.issue_text
    if item.label:
        about = f"{item.label}　{about}".strip()
    return f"{kind}：{about}" if about else kind
