"""The codes of what is known about a person."""

from portal.words import N_, Worded


class Category(Worded):
    """The six information categories (情報区分) of the national standard rules for these agencies."""

    BASIC = "basic", N_("基本情報")
    HEALTH = "health", N_("健康・障がい")
    WORK_EDUCATION = "work_education", N_("就労・通学・通所")
    FINANCES = "finances", N_("収入・資産・債務")
    BENEFITS = "benefits", N_("福祉制度利用")
    LIFE_HISTORY = "life_history", N_("生活歴・課題・その他")


# Basic information stands on the person; each of the others is a row of its own.
FILED = tuple(category for category in Category if category is not Category.BASIC)


class Relation(Worded):
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
