"""The life of a referral, as a table, and the codes that go with it."""

from datetime import datetime, timedelta

from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.labels import N_, Labelled
from portal.core.policy import Permission
from portal.core.workflow import Step, Workflow


class ReferralStatus(Labelled):
    """HL7 FHIR Task.status codes, as the Gravity SDOH Clinical Care guide uses them, stored unchanged."""

    DRAFT = "draft", N_("下書き")
    REQUESTED = "requested", N_("依頼中")
    ACCEPTED = "accepted", N_("受入")
    REJECTED = "rejected", N_("受入不可")
    IN_PROGRESS = "in_progress", N_("支援中")
    ON_HOLD = "on_hold", N_("保留")
    COMPLETED = "completed", N_("完了")
    FAILED = "failed", N_("つながらず終了")
    CANCELLED = "cancelled", N_("取下げ")
    ENTERED_IN_ERROR = "entered_in_error", N_("誤登録")


class ReferralAction(Labelled):
    SEND = "send", N_("送付する")
    ACCEPT = "accept", N_("受け入れる")
    REJECT = "reject", N_("受入不可と回答する")
    START = "start", N_("支援を始める")
    HOLD = "hold", N_("保留にする")
    COMPLETE = "complete", N_("完了にする")
    AMEND = "amend", N_("結果を訂正する")
    FAIL = "fail", N_("つながらず終了にする")
    CANCEL = "cancel", N_("取り下げる")
    CORRECT = "correct", N_("誤登録（送り先まちがいなど）として取り消す")


class ReferralKind(Labelled):
    REFERRAL = "referral", N_("紹介")
    TRANSFER = "transfer", N_("移管")
    JOINT_INTERVIEW = "joint_interview", N_("同席依頼")
    ADVICE = "advice", N_("助言依頼")


class Refusal(Labelled):
    """Why a recipient cannot take a referral."""

    NO_CAPACITY = "no_capacity", N_("受入の余裕がない")
    NOT_ELIGIBLE = "not_eligible", N_("対象に当てはまらない")
    OTHER_AGENCY_BETTER = "other_agency_better", N_("ほかの機関のほうが適している")
    ALREADY_SUPPORTED = "already_supported", N_("すでに支援している")
    PERSON_DECLINED = "person_declined", N_("本人が希望しない")
    NOT_ENOUGH_INFORMATION = "not_enough_information", N_("情報が足りない")
    CONFLICT_OF_INTEREST = "conflict_of_interest", N_("利害関係がある")
    OTHER = "other", N_("その他")


A, E, K, P, S = ReferralAction, AuditEvent, ReferralKind, Permission, ReferralStatus

WORKING = frozenset({S.ACCEPTED, S.IN_PROGRESS, S.ON_HOLD})
OPEN = WORKING | {S.REQUESTED}
ENDED = frozenset(S) - OPEN - {S.DRAFT}

# On a dead basis a referral may only be ended: every step that continues it needs a live basis.
# `needs` names what the form asks for: refusal code, text, first contact, outcome, a score for each goal;
# `takes` what may be told besides: a text, the first meeting, and whether a case is opened. `asked` says it of one kind.
FLOW = Workflow(
    {
        A.SEND: Step({S.DRAFT}, S.REQUESTED, P.REFERRAL_SEND, E.REFERRAL_SENT, needs_basis=True),
        A.ACCEPT: Step(
            {S.REQUESTED},
            S.ACCEPTED,
            P.REFERRAL_ANSWER,
            E.REFERRAL_ACCEPTED,
            needs_basis=True,
            takes=frozenset({"text", "meeting", "case"}),
        ),
        A.REJECT: Step(
            {S.REQUESTED},
            S.REJECTED,
            P.REFERRAL_ANSWER,
            E.REFERRAL_REJECTED,
            needs=frozenset({"refusal", "text"}),
        ),
        A.START: Step(
            {S.ACCEPTED, S.ON_HOLD},
            S.IN_PROGRESS,
            P.REFERRAL_ANSWER,
            E.REFERRAL_STARTED,
            needs_basis=True,
            needs=frozenset({"first_contact"}),
        ),
        A.HOLD: Step(
            {S.ACCEPTED, S.IN_PROGRESS},
            S.ON_HOLD,
            P.REFERRAL_ANSWER,
            E.REFERRAL_HELD,
            needs_basis=True,
            needs=frozenset({"text"}),
        ),
        A.COMPLETE: Step(
            WORKING,
            S.COMPLETED,
            P.REFERRAL_ANSWER,
            E.REFERRAL_COMPLETED,
            needs=frozenset({"outcome", "scores"}),
            takes=frozenset({"text"}),
        ),
        A.AMEND: Step(
            {S.COMPLETED},
            S.COMPLETED,
            P.REFERRAL_ANSWER,
            E.REFERRAL_AMENDED,
            needs=frozenset({"outcome", "scores", "text"}),
            days=14,
        ),
        A.FAIL: Step(WORKING, S.FAILED, P.REFERRAL_ANSWER, E.REFERRAL_FAILED, needs=frozenset({"text"})),
        A.CANCEL: Step(OPEN, S.CANCELLED, P.REFERRAL_CANCEL, E.REFERRAL_CANCELLED, needs=frozenset({"text"})),
        A.CORRECT: Step(
            frozenset(S) - {S.ENTERED_IN_ERROR},
            S.ENTERED_IN_ERROR,
            P.REFERRAL_SEND,
            E.REFERRAL_CORRECTED,
            needs=frozenset({"text"}),
        ),
    }
)

# Where a kind calls a step otherwise: who sits in, or advises, begins no support.
WORDS: dict[tuple[ReferralKind, ReferralAction], str] = {
    (K.JOINT_INTERVIEW, A.ACCEPT): N_("同席を引き受ける"),
    (K.JOINT_INTERVIEW, A.START): N_("同席を記録する"),
    (K.ADVICE, A.ACCEPT): N_("助言を引き受ける"),
    (K.ADVICE, A.START): N_("助言を始める"),
}
# These support the person, so that accepting opens a case, and the recipient names the first meeting.
SUPPORTING = frozenset({K.REFERRAL, K.TRANSFER})


def asked(
    action: ReferralAction, kind: ReferralKind, *, is_anonymous: bool, was_contacted: bool
) -> tuple[frozenset[str], frozenset[str]]:
    """What the form of this step needs and takes for a referral of this kind.

    Nobody contacts the person for a piece of advice, and a first contact is recorded once.
    """
    step = FLOW[action]
    needs, takes = step.needs, step.takes
    if kind is ReferralKind.ADVICE or was_contacted:
        needs -= {"first_contact"}
    if kind in SUPPORTING:
        takes -= {"case"}
    else:
        takes -= {"meeting"}
    return needs, takes - {"case"} if is_anonymous else takes


def is_late(action: ReferralAction, ended_at: datetime | None) -> bool:
    """Whether the days of this step are over: only something that has ended has any."""
    days = FLOW[action].days
    return days is not None and ended_at is not None and clock.now() > ended_at + timedelta(days=days)
