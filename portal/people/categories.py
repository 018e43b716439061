"""The categories of what is known about a person, and what is asked in each besides free text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal.core.labels import N_, Labelled


class Category(Labelled):
    """The six information categories (情報区分) of the national standard rules for these agencies."""

    BASIC = "basic", N_("基本情報")
    HEALTH = "health", N_("健康・障がい")
    WORK_EDUCATION = "work_education", N_("就労・通学・通所")
    FINANCES = "finances", N_("収入・資産・債務")
    BENEFITS = "benefits", N_("福祉制度利用")
    LIFE_HISTORY = "life_history", N_("生活歴・課題・その他")


# Basic information stands on the person; each of the others is a row of its own.
FILED = tuple(category for category in Category if category is not Category.BASIC)


class Relation(Labelled):
    """What the relative is to the person (続柄)."""

    PARENT = "parent", N_("親")
    CHILD = "child", N_("子")
    SPOUSE = "spouse", N_("配偶者")
    SIBLING = "sibling", N_("きょうだい")
    GRANDPARENT = "grandparent", N_("祖父母")
    GRANDCHILD = "grandchild", N_("孫")
    OTHER = "other", N_("その他の親族")


MIRROR = {
    Relation.PARENT: Relation.CHILD,
    Relation.CHILD: Relation.PARENT,
    Relation.SPOUSE: Relation.SPOUSE,
    Relation.SIBLING: Relation.SIBLING,
    Relation.GRANDPARENT: Relation.GRANDCHILD,
    Relation.GRANDCHILD: Relation.GRANDPARENT,
    Relation.OTHER: Relation.OTHER,
}


# What is asked in each information category besides free text: short answers, each with its label.


@dataclass(frozen=True, slots=True)
class Asked:
    """One short answer: its code in the record, its label, and an example of what to write."""

    code: str
    label: str
    example: str = ""


ASKED: Mapping[Category, tuple[Asked, ...]] = {
    Category.HEALTH: (
        Asked("handbook", N_("障がい者手帳"), N_("例：なし、精神2級、療育B2、申請中")),
        Asked("clinic", N_("通院先"), N_("例：見本クリニック（心療内科）月1回")),
        Asked("medicine", N_("服薬")),
        Asked("condition", N_("診断・体調")),
        Asked("consideration", N_("配慮してほしいこと"), N_("例：大きな音が苦手。午前中は起きられない")),
    ),
    Category.WORK_EDUCATION: (
        Asked("education", N_("最終学歴"), N_("例：高校中退")),
        Asked("work_history", N_("職歴"), N_("例：コンビニ 6か月、工場 2年")),
        Asked("out_of_work", N_("離職期間"), N_("例：6年")),
        Asked("attends", N_("いま通っているところ")),
        Asked("wish", N_("働くことについての希望")),
    ),
    Category.FINANCES: (
        Asked("income", N_("収入"), N_("例：本人なし、父の年金 月14万円")),
        Asked("savings", N_("預貯金・資産")),
        Asked("debts", N_("債務")),
        Asked("rent", N_("家賃・滞納"), N_("例：月5万2千円、滞納2か月")),
    ),
    Category.BENEFITS: (
        Asked("in_use", N_("利用中の制度"), N_("例：自立支援医療、国民健康保険の減免")),
        Asked("applied", N_("申請中の制度")),
        Asked("refused", N_("これまでに断られた制度")),
    ),
    Category.LIFE_HISTORY: (
        Asked("complaint", N_("相談内容・主訴"), N_("例：家から出られない。親は年金で暮らしている")),
        Asked("history", N_("生活歴"), N_("例：高校2年の秋から家で過ごす")),
        Asked("wish", N_("本人の希望")),
        Asked("trouble", N_("困りごと")),
        Asked("supporters", N_("頼れる人"), N_("例：母方のおば。月に一度来る")),
    ),
}


def labelled(category: Category, fields: Mapping[str, str]) -> list[tuple[str, str]]:
    """The answers given, as (label, answer), in the order in which they are asked.

    An answer that is no longer asked for keeps its code as its label, so that nothing is hidden.
    """
    asked = {one.code: one.label for one in ASKED.get(category, ())}
    known = [(label, fields[code]) for code, label in asked.items() if fields.get(code)]
    return known + [(code, value) for code, value in fields.items() if code not in asked and value]
