"""The national items of the monthly statistics: their names, what they are called there, and how they are counted here."""

from __future__ import annotations

from portal.words import N_, Worded


class Item(Worded):
    """One number by agency and month."""

    OPENED = "opened", N_("新規相談受付")
    PLANNED = "planned", N_("プラン作成")
    FOR_WORK = "for_work", N_("就労支援対象者")
    EMPLOYED = "employed", N_("就労者")
    EARNING_MORE = "earning_more", N_("増収者")
    REFERRED = "referred", N_("つなぎ（他機関へ）")


# What is counted, of which day, for which agency.
DEFINITIONS = {
    Item.OPENED: N_(
        "新しく始めたケースの数です。ケースを始めた日の月に、始めた機関で数えます。終結した人のケースをもう一度始めたときは、あらためて1件と数えます。"
    ),
    Item.PLANNED: N_(
        "ケースの節目「プラン作成」の数です。プランを作った日の月に、ケースの機関で数えます。作り直したプランも1件です。"
    ),
    Item.FOR_WORK: N_("プラン作成のうち、就労支援の対象とした人のプランの数です。"),
    Item.EMPLOYED: N_(
        "就職またはアルバイト・パート就労をした人の数です。ケースの節目、ケースの終結、受けたつなぎの完了のうち、年度の中でいちばん早い日の月に、支援した機関で1人を1回だけ数えます。"
    ),
    Item.EARNING_MORE: N_("ケースの節目「増収」の数です。増収した日の月に、ケースの機関で数えます。"),
    Item.REFERRED: N_(
        "ほかの機関へ送ったつなぎの数です。送った日の月に、送った機関で数えます。誤登録は除きます。"
    ),
}
# What the national statistics count in people rather than in cases or referrals.
UNITS = {item: N_("件") for item in Item} | {
    item: N_("人") for item in (Item.FOR_WORK, Item.EMPLOYED, Item.EARNING_MORE)
}
