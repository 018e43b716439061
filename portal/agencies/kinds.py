"""The codes of agencies: what kind they are, and whether a service has room."""

from portal.words import N_, Worded


class AgencyKind(Worded):
    """What a kind adds is wording and defaults only: every kind may send and receive."""

    SELF_RELIANCE = "self_reliance", N_("自立相談支援")
    EMPLOYMENT_PREPARATION = "employment_preparation", N_("就労準備支援")
    YOUTH_CENTRE = "youth_centre", N_("若者相談")
    DISABILITY_EMPLOYMENT = "disability_employment", N_("障害者就業・生活支援")
    PARENTS_GROUP = "parents_group", N_("親の会")
    COMMUNITY_ACTIVITY = "community_activity", N_("地域活動支援")
    DEVELOPMENTAL_DISABILITY = "developmental_disability", N_("発達障害者支援")
    HELLO_WORK = "hello_work", N_("職業紹介")
    GENERAL_DESK = "general_desk", N_("総合相談")
    WELFARE_COMMISSIONERS = "welfare_commissioners", N_("民生委員・児童委員")
    SCHOOL = "school", N_("学校")
    EMPLOYER = "employer", N_("協力企業")
    OTHER = "other", N_("その他")


class Room(Worded):
    """Whether a service can take somebody now."""

    OPEN = "open", N_("受入できます")
    WAITING = "waiting", N_("順番待ち")
    FULL = "full", N_("いっぱい")
