"""The life of a meeting, as a table, and the codes of series, agenda items and outcomes."""

from portal.audit.events import AuditEvent
from portal.core.labels import N_, Labelled
from portal.core.policy import Permission
from portal.core.workflow import Step, Workflow
from portal.disclosures.models import Basis


class MeetingKind(Labelled):
    """The sort of meeting: the law and the agenda differ by it (domain, "The law")."""

    WEEKLY = "weekly", N_("週次打合せ")
    COORDINATION = "coordination", N_("支援調整会議")
    STATUTORY = "statutory", N_("支援会議")
    CASE_STUDY = "case_study", N_("事例検討会")
    OTHER = "other", N_("その他の会議")


# The basis on which a person may be discussed: the kind of the meeting decides it, and nobody else.
BASIS_OF = {
    MeetingKind.WEEKLY: Basis.CONSENT,
    MeetingKind.COORDINATION: Basis.CONSENT,
    MeetingKind.STATUTORY: Basis.COUNCIL,
    MeetingKind.CASE_STUDY: Basis.ANONYMOUS,
    MeetingKind.OTHER: Basis.CONSENT,
}


class ClosedDay(Labelled):
    """What happens to a date of a series on which the convener is closed."""

    SKIP = "skip", N_("休みにする")
    BEFORE = "before", N_("前の開所日に早める")
    AFTER = "after", N_("次の開所日に延ばす")


class MeetingStatus(Labelled):
    DRAFT = "draft", N_("準備中")
    ANNOUNCED = "announced", N_("開催通知済み")
    IN_SESSION = "in_session", N_("開催中")
    MINUTED = "minuted", N_("議事録の確認待ち")
    APPROVED = "approved", N_("議事録承認済み")
    CANCELLED = "cancelled", N_("中止")


class MeetingAction(Labelled):
    ANNOUNCE = "announce", N_("開催を通知する")
    BEGIN = "begin", N_("会議を始める")
    CLOSE = "close", N_("会議を終える")
    REOPEN = "reopen", N_("議事録を直す")
    APPROVE = "approve", N_("議事録を承認する")
    CANCEL = "cancel", N_("中止する")


class ItemKind(Labelled):
    """The kind of an agenda item. The first four about a person are the tasks of a 支援調整会議."""

    MINUTES = "minutes", N_("前回議事録の承認")
    PLAN_CHECK = "plan_check", N_("プランの確認")
    ROLES = "roles", N_("共通理解と役割分担")
    END_EVALUATION = "end_evaluation", N_("終結時の評価")
    LOCAL_ISSUE = "local_issue", N_("地域課題・社会資源")
    REPORT_AFTERWARDS = "report_afterwards", N_("事後報告")
    HANDOFF = "handoff", N_("つなぎの確認")
    CONSENT = "consent", N_("同意の確認")
    ACTION = "action", N_("対応事項の確認")
    CASE = "case", N_("事例")
    ACTIVITIES = "activities", N_("活動の報告")
    INFORMATION = "information", N_("情報共有・その他")


class Source(Labelled):
    """Which part of the work put an item on the agenda; the words say why it is there."""

    HAND = "hand", N_("手入力")
    MINUTES = "minutes", N_("%(day)sの議事録が、まだ承認されていません")
    CARRIED = "carried", N_("前回からの持ち越し（%(count)s回目）")
    ACTION = "action", N_("対応事項が残っています（期限%(day)s、%(count)s回目）")
    OVERDUE = "overdue", N_("%(count)s開所日を過ぎて未回答")
    REFUSED = "refused", N_("受入不可・つながらず終了のまま、その後の対応がありません")
    STOPPED = "stopped", N_("同意の撤回・期限切れにより停止")
    NEW_REFERRAL = "new_referral", N_("前回以後に届いたつなぎ（%(day)s送付）")
    NOTED = "noted", N_("「次の会議で話す」に入っています")
    LAPSING = "lapsing", N_("同意が%(day)sで終わります")
    GOALS = "goals", N_("目標の評価予定日（%(day)s）が来ています")
    AFTERWARDS = "afterwards", N_("会議の前に支援を始めています（%(day)s開始）")
    ENDED = "ended", N_("前回以後に支援が終わりました（%(day)s）")
    LOCAL_ISSUE = "local_issue", N_("地域課題が記録されています")
    ACTIVITIES = "activities", N_("前回以後の活動が記録されています")


class OutcomeKind(Labelled):
    INFORMATION = "information", N_("情報共有")
    DECISION = "decision", N_("決定事項")
    ACTION = "action", N_("対応事項")


class IssueStatus(Labelled):
    """Where a local issue (地域課題) stands."""

    OPEN = "open", N_("未検討")
    DISCUSSED = "discussed", N_("検討中")
    PASSED_ON = "passed_on", N_("市・関係先へ提案")
    RESOLVED = "resolved", N_("解決・対応済み")
    SHELVED = "shelved", N_("見送り")


A, E, P, S = MeetingAction, AuditEvent, Permission, MeetingStatus

# Meetings still to come, those that take or took place, and those that nobody writes in any more.
COMING = frozenset({S.DRAFT, S.ANNOUNCED})
HELD = frozenset({S.IN_SESSION, S.MINUTED, S.APPROVED})
OPENED = frozenset({S.ANNOUNCED}) | HELD  # its packet may be opened

FLOW = Workflow(
    {
        A.ANNOUNCE: Step({S.DRAFT}, S.ANNOUNCED, P.MEETING_ARRANGE, E.MEETING_ANNOUNCED),
        A.BEGIN: Step({S.ANNOUNCED}, S.IN_SESSION, P.MEETING_ARRANGE, E.MEETING_BEGUN),
        A.CLOSE: Step({S.IN_SESSION}, S.MINUTED, P.MEETING_ARRANGE, E.MEETING_CLOSED),
        A.REOPEN: Step({S.MINUTED}, S.IN_SESSION, P.MEETING_ARRANGE, E.MEETING_REOPENED),
        A.APPROVE: Step({S.MINUTED}, S.APPROVED, P.MEETING_ARRANGE, E.MINUTES_APPROVED),
        A.CANCEL: Step(
            COMING, S.CANCELLED, P.MEETING_ARRANGE, E.MEETING_CANCELLED, needs=frozenset({"text"})
        ),
    }
)
