"""The main navigation: at most seven entries for each role, and what each leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import Flask, request, url_for
from flask_babel import gettext
from flask_login import current_user

from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, can

MOST = 7


@dataclass(frozen=True, slots=True)
class Entry:
    """A page that the navigation leads to. `needs`: the permission without which it is useless to the reader."""

    word: str
    about: str
    needs: Permission | None = None


@dataclass(frozen=True, slots=True)
class Item:
    url: str
    label: str
    current: bool
    about: str = ""
    count: int | None = None


# Every page of the navigation, in the order of the page その他, where those stand that have no other place.
PAGES: dict[str, Entry] = {
    "referrals.index": Entry(N_("つなぎ"), N_("送ったもの、届いたものを見ます。"), Permission.CASEWORK),
    "people.index": Entry(N_("相談者"), N_("相談者を探し、登録します。"), Permission.CASEWORK),
    "cases.index": Entry(N_("ケース"), N_("自分の機関の支援と経過を見ます。"), Permission.CASEWORK),
    "consents.index": Entry(N_("同意"), N_("終わりの近い同意を確かめます。"), Permission.CASEWORK),
    "meetings.index": Entry(N_("会議"), N_("会議の日程、議題、議事録を見ます。"), Permission.CASEWORK),
    "activities.index": Entry(N_("活動"), N_("カフェや訪問などを記録します。"), Permission.CASEWORK),
    "audit.index": Entry(N_("監査記録"), N_("だれが何をしたかを、番号で確かめます。"), Permission.AUDIT_READ),
    "inspections.index": Entry(N_("点検"), N_("つなぎを抽出して点検します。"), Permission.INSPECT),
    "anomalies.index": Entry(
        N_("閲覧ログの点検"), N_("通常と異なる閲覧を確かめます。"), Permission.WATCH_READ
    ),
    "emergency.reviews": Entry(N_("緊急閲覧"), N_("緊急閲覧をあとから点検します。"), Permission.AUDIT_READ),
    "emergency.index": Entry(
        N_("緊急閲覧"),
        N_("命・身体・財産を守るため、理由を書いて一人の記録を60分だけ見ます。"),
        Permission.EMERGENCY_USE,
    ),
    "retention.index": Entry(
        N_("保存期間"), N_("保存期間を過ぎた記録を確かめ、消去します。"), Permission.RETENTION_READ
    ),
    "inspections.findings": Entry(
        N_("監査の指摘"), N_("監査の指摘を読み、回答します。"), Permission.FIGURES_READ
    ),
    "agencies.index": Entry(N_("機関"), N_("各機関の連絡先、開所日、支援メニューを見ます。")),
    "accounts.staff.index": Entry(N_("職員"), N_("職員を招待し、役割を変えます。"), Permission.STAFF_LIST),
    "exclusions.index": Entry(
        N_("利益相反"),
        N_("職員がその相談者の支援から外れていることを確かめます。"),
        Permission.EXCLUSION_LIST,
    ),
    "evaluations.index": Entry(
        N_("年度の評価"), N_("年度の評価表を、記録した数字から作ります。"), Permission.EVALUATION_READ
    ),
    "statistics.index": Entry(N_("統計"), N_("つなぎの件数と結果を見ます。"), Permission.STATISTICS_READ),
    "monthly.index": Entry(N_("月次報告"), N_("1か月の数字を一枚にまとめます。"), Permission.FIGURES_READ),
    "configuration.index": Entry(
        N_("設定"), N_("保存期間や閲覧の基準を決めます。"), Permission.SETTING_CHANGE
    ),
    "checkpoints.index": Entry(
        N_("改ざん確認用の控え"),
        N_("記録が書き換えられていないことを確かめます。"),
        Permission.CHECKPOINT_READ,
    ),
}
Sections = tuple[tuple[str, tuple[str, ...]], ...]
FIGURES = (N_("評価と統計"), ("evaluations.index", "statistics.index", "monthly.index"))
CASEWORKER: Sections = (
    (N_("今日"), ("today.index",)),
    (N_("つなぎ"), ("referrals.index",)),
    (N_("相談者"), ("people.index", "cases.index", "consents.index")),
    (N_("会議"), ("meetings.index",)),
    (N_("活動"), ("activities.index",)),
    FIGURES,
)
SECTIONS: dict[Role, Sections] = {
    Role.STAFF: CASEWORKER,
    Role.COORDINATOR: CASEWORKER,
    Role.AGENCY_ADMIN: (
        (N_("管理"), ("today.index",)),
        (N_("職員"), ("accounts.staff.index",)),
        (N_("機関"), ("agencies.index",)),
        (N_("閲覧ログの点検"), ("anomalies.index",)),
        (N_("保存期間"), ("retention.index",)),
        FIGURES,
    ),
    Role.AUDITOR: (
        (N_("監査記録"), ("audit.index",)),
        (N_("点検"), ("inspections.index",)),
        (N_("閲覧ログの点検"), ("anomalies.index",)),
        (N_("緊急閲覧"), ("emergency.reviews",)),
        (N_("改ざん確認用の控え"), ("checkpoints.index",)),
        FIGURES,
    ),
    Role.SYSTEM_ADMIN: (
        (N_("管理"), ("today.index",)),
        (N_("機関"), ("agencies.index",)),
        (N_("職員"), ("accounts.staff.index",)),
        (N_("設定"), ("configuration.index",)),
        (N_("改ざん確認用の控え"), ("checkpoints.index",)),
    ),
}
REST = "help.more"


def may_open(actor: Actor, endpoint: str) -> bool:
    needs = PAGES[endpoint].needs if endpoint in PAGES else None
    return needs is None or can(actor, needs)


def sections(actor: Actor) -> list[tuple[str, list[str]]]:
    """The entries of this reader's navigation but その他, each with the pages behind it that they may open."""
    found = [(word, [one for one in pages if may_open(actor, one)]) for word, pages in SECTIONS[actor.role]]
    return [(word, pages) for word, pages in found if pages]


def rest(actor: Actor) -> list[str]:
    """The pages that this reader may open and finds under その他."""
    placed = {one for _word, pages in sections(actor) for one in pages}
    return [one for one in PAGES if one not in placed and may_open(actor, one)]


def is_at(pages: Iterable[str]) -> bool:
    """Whether the page shown is one of these, or one below them."""
    return bool({one.rpartition(".")[0] for one in pages} & set(request.blueprints))


def items(actor: Actor) -> list[Item]:
    """The entries: one of them is current, and その他 last."""
    shown, others = sections(actor), rest(actor)
    here = next((word for word, pages in shown if request.endpoint in pages), None)
    if here is None and request.endpoint not in others:
        here = next((word for word, pages in shown if is_at(pages)), None)
    found = [Item(url_for(pages[0]), gettext(word), word == here) for word, pages in shown]
    is_rest = here is None and is_at([*others, REST])
    return [*found, Item(url_for(REST), gettext("その他"), is_rest)]


def beside(actor: Actor) -> list[Item]:
    """The pages of the entry whose page this is, when it has several; none on deeper pages."""
    here = next((pages for _word, pages in sections(actor) if request.endpoint in pages), [])
    return listed(here) if len(here) > 1 else []


def listed(pages: Iterable[str]) -> list[Item]:
    return [
        Item(url_for(one), gettext(PAGES[one].word), request.endpoint == one, gettext(PAGES[one].about))
        for one in pages
    ]


def init_app(app: Flask, signed_in: Callable[[], Actor]) -> None:
    @app.context_processor
    def navigation() -> dict[str, Any]:
        if not current_user.is_authenticated:
            return {"nav": [], "nav_beside": []}
        actor = signed_in()
        return {"nav": items(actor), "nav_beside": beside(actor)}
