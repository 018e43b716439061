"""The codes of casework: how contact was made, the domains of goals, scores and outcomes."""

from portal.core.labels import N_, Labelled


class Method(Labelled):
    """How a contact took place."""

    OFFICE = "office", N_("来所")
    TELEPHONE = "telephone", N_("電話")
    VISIT = "visit", N_("訪問")
    THROUGH_DOOR = "through_door", N_("ドア越し")
    JOINT = "joint", N_("同席")
    ONLINE = "online", N_("オンライン")
    MAIL = "mail", N_("メール")


class Domain(Labelled):
    """The three domains of independence that goals are set in."""

    DAILY = "daily", N_("日常生活自立")
    SOCIAL = "social", N_("社会生活自立")
    EMPLOYMENT = "employment", N_("就労自立")


class Score(Labelled):
    """What became of a goal."""

    ACHIEVED = "achieved", N_("達成")
    PARTIAL = "partial", N_("一部達成")
    NOT_ACHIEVED = "not", N_("未達成")


class Outcome(Labelled):
    """What came of support; of a referral as of a case."""

    JOINED_PROGRAMME = "joined_programme", N_("事業の利用開始")
    EMPLOYED = "employed", N_("就職")
    PART_TIME_JOB = "part_time_job", N_("アルバイト・パート就労")
    TRAINING_OR_VOLUNTEERING = "training_or_volunteering", N_("実習・ボランティア")
    PLACE_TO_BELONG = "place_to_belong", N_("居場所の利用")
    OTHER_SERVICE = "other_service", N_("他の支援の利用")
    ADVICE_GIVEN = "advice_given", N_("助言")
    IMPROVED = "improved", N_("状況の改善")
    PERSON_DECLINED = "person_declined", N_("本人の辞退")
    LOST_CONTACT = "lost_contact", N_("連絡が取れなくなった")
    MOVED_AWAY = "moved_away", N_("転居")
    OTHER = "other", N_("その他")


class HeardBy(Labelled):
    """How somebody heard of the support that they ask for (きっかけ)."""

    LEAFLET = "leaflet", N_("チラシ・リーフレット")
    COMMISSIONER = "commissioner", N_("民生委員・児童委員")
    LEAFLET_OF_COMMISSIONER = "leaflet_of_commissioner", N_("民生委員・児童委員から受け取ったチラシ")
    FAMILY = "family", N_("家族・知人")
    SCHOOL = "school", N_("学校")
    AGENCY = "agency", N_("ほかの機関")
    CAFE = "cafe", N_("カフェなどの活動")
    MEDIA = "media", N_("広報・ホームページ")
    OTHER = "other", N_("その他")


class Milestone(Labelled):
    """A step of support that the national statistics count, while the case goes on (節目)."""

    PLAN_MADE = "plan_made", N_("プラン作成")
    EMPLOYED = "employed", N_("就職")
    PART_TIME_JOB = "part_time_job", N_("アルバイト・パート就労")
    EARNINGS_UP = "earnings_up", N_("増収")
