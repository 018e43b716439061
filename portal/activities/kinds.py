"""The codes of activities: what they are, in which way people met, and what a partner offers."""

from portal.core.labels import N_, Labelled


class ActivityKind(Labelled):
    """What was done. Which area of the yearly evaluation it counts for is the programme's own data."""

    CAFE = "cafe", N_("カフェ（居場所）")
    HOME_VISIT = "home_visit", N_("家庭訪問")
    SALON = "salon", N_("就労サロン")
    GROUP_SESSION = "group_session", N_("グループセッション")
    INTERVIEW_PRACTICE = "interview_practice", N_("面接練習")
    SEMINAR = "seminar", N_("セミナー・講座")
    SCHOOL_VISIT = "school_visit", N_("学校訪問")
    BRIEFING = "briefing", N_("説明会・研修")
    LEAFLET = "leaflet", N_("チラシの配布")
    CITY_VISIT = "city_visit", N_("他市の取組の視察")
    COMPANY_VISIT = "company_visit", N_("企業訪問")
    WORKPLACE_TOUR = "workplace_tour", N_("職場見学")
    PLACEMENT = "placement", N_("職場実習")
    VOLUNTEERING = "volunteering", N_("ボランティア")
    OTHER = "other", N_("その他の活動")


class Mode(Labelled):
    """In which way people met. 対面 of a home visit means that the door was opened."""

    IN_PERSON = "in_person", N_("対面")
    ONLINE = "online", N_("オンライン")
    BOTH = "both", N_("対面とオンライン")
    VISIT = "visit", N_("訪問（会えず）")
    THROUGH_DOOR = "through_door", N_("ドア越し")
    TELEPHONE = "telephone", N_("電話")


GATHERING_MODES = (Mode.IN_PERSON, Mode.ONLINE, Mode.BOTH)
VISIT_MODES = (Mode.VISIT, Mode.THROUGH_DOOR, Mode.IN_PERSON, Mode.TELEPHONE, Mode.ONLINE)
# For others than those who are helped: counted as an audience, not as attendances.
OUTREACH = frozenset(
    {
        *(ActivityKind.SCHOOL_VISIT, ActivityKind.BRIEFING, ActivityKind.LEAFLET),
        *(ActivityKind.CITY_VISIT, ActivityKind.COMPANY_VISIT),
    }
)
WITH_PARTNER = frozenset(
    {
        *(ActivityKind.COMPANY_VISIT, ActivityKind.WORKPLACE_TOUR),
        *(ActivityKind.PLACEMENT, ActivityKind.VOLUNTEERING),
    }
)


def modes_of(kind: ActivityKind) -> tuple[Mode, ...]:
    return VISIT_MODES if kind is ActivityKind.HOME_VISIT else GATHERING_MODES


class Offer(Labelled):
    """What a partner (協力企業・協力先) offers."""

    VOLUNTEERING = "volunteering", N_("ボランティア")
    VISIT = "visit", N_("見学")
    PLACEMENT = "placement", N_("実習")
    JOB = "job", N_("求人・雇用")
