"""Who may do what. The whole access policy is `RULES`, readable on one screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from portal.core.errors import NotAllowed
from portal.core.labels import N_, Labelled


class Role(Labelled):
    """What a member of staff does; see the table of people in the documentation."""

    STAFF = "staff", N_("相談支援員")
    COORDINATOR = "coordinator", N_("調整担当")
    AGENCY_ADMIN = "agency_admin", N_("機関管理者")
    AUDITOR = "auditor", N_("監査")
    SYSTEM_ADMIN = "system_admin", N_("システム管理者")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts or reads, for which agency: a plain value that services take instead of a global."""

    staff_id: UUID
    membership_id: UUID
    name: str
    role: Role
    agency_id: UUID | None
    agency_name: str
    administers: bool = False  # a caseworker who also looks after the agency's staff and opening days


Check = Callable[[Actor, Any], bool]


class Permission(StrEnum):
    """Named `<object>:<act>`."""

    CASEWORK = "casework:do"
    PERSON_EDIT = "person:edit"
    CASE_WRITE = "case:write"
    CONSENT_RECORD = "consent:record"
    CONSENT_WITHDRAW = "consent:withdraw"
    LEDGER_HAND_OVER = "ledger:hand-over"
    REFERRAL_READ = "referral:read"
    REFERRAL_SEND = "referral:send"
    REFERRAL_ANSWER = "referral:answer"
    REFERRAL_CANCEL = "referral:cancel"
    REFERRAL_TAKE_PART = "referral:take-part"
    MEETING_CONVENE = "meeting:convene"
    MEETING_ARRANGE = "meeting:arrange"
    MEETING_ATTEND = "meeting:attend"
    ISSUE_EDIT = "issue:edit"
    AGENCY_EDIT = "agency:edit"
    AGENCY_CREATE = "agency:create"
    SERVICE_ROOM = "service:room"
    STAFF_LIST = "staff:list"
    STAFF_MANAGE = "staff:manage"
    AUDIT_READ = "audit:read"
    OPENINGS_LIST = "name:openings"
    INSPECT = "inspection:do"
    FINDING_READ = "finding:read"
    FINDING_ANSWER = "finding:answer"
    FIGURES_READ = "figures:read"
    CHECKPOINT_READ = "checkpoint:read"
    RESTORE_DECLARE = "restore:declare"
    CLOCK_DECLARE = "clock:declare"
    EMERGENCY_USE = "emergency:use"
    EMERGENCY_SECOND = "emergency:second"
    EMERGENCY_REVIEW = "emergency:review"
    EMERGENCY_NOTE = "emergency:note"
    SETTING_CHANGE = "setting:change"
    RETENTION_READ = "retention:read"
    ERASURE_PROPOSE = "erasure:propose"
    ERASURE_AGREE = "erasure:agree"
    ERASURE_DROP = "erasure:drop"
    EXCLUSION_MAKE = "exclusion:make"
    EXCLUSION_LIFT = "exclusion:lift"
    EXCLUSION_LIST = "exclusion:list"
    WATCH_READ = "watch:read"
    ACTIVITY_RECORD = "activity:record"
    ACTIVITY_EDIT = "activity:edit"
    PARTNER_EDIT = "partner:edit"
    EVALUATION_READ = "evaluation:read"
    EVALUATION_WRITE = "evaluation:write"
    EVALUATION_CLOSE = "evaluation:close"
    STATISTICS_READ = "statistics:read"


def is_caseworker(actor: Actor, subject: Any) -> bool:
    return actor.role in {Role.STAFF, Role.COORDINATOR} and actor.agency_id is not None


def is_auditor(actor: Actor, subject: Any) -> bool:
    return actor.role is Role.AUDITOR


def is_system_admin(actor: Actor, subject: Any) -> bool:
    return actor.role is Role.SYSTEM_ADMIN


def is_administrator(actor: Actor, subject: Any) -> bool:
    return actor.agency_id is not None and (actor.role is Role.AGENCY_ADMIN or actor.administers)


def is_own_agency(actor: Actor, subject: Any) -> bool:
    """Whether `subject`, a record of one agency or the agency itself, belongs to the actor's agency."""
    return actor.agency_id is not None and actor.agency_id == getattr(subject, "agency_id", subject.id)


def is_coordinator(actor: Actor, subject: Any) -> bool:
    return actor.role is Role.COORDINATOR and actor.agency_id is not None


def is_convener(actor: Actor, subject: Any) -> bool:
    return actor.agency_id is not None and actor.agency_id == subject.convener_id


def is_home(actor: Actor, subject: Any) -> bool:
    return actor.agency_id is not None and actor.agency_id == subject.home_agency_id


def is_sender(actor: Actor, subject: Any) -> bool:
    return actor.agency_id is not None and actor.agency_id == subject.from_agency_id


def is_recipient(actor: Actor, subject: Any) -> bool:
    """Whether the actor's agency is the recipient; a draft is not yet addressed to anyone."""
    return actor.agency_id is not None and actor.agency_id == subject.to_agency_id and subject.is_sent


def is_second_person(actor: Actor, subject: Any) -> bool:
    """Whether the actor may agree to a colleague's act: a coordinator, or a caseworker who administers."""
    return is_caseworker(actor, subject) and (actor.role is Role.COORDINATOR or actor.administers)


def is_another(actor: Actor, subject: Any) -> bool:
    """Whether the act is not the actor's own."""
    return bool(actor.staff_id != subject.staff_id)


def is_for_auditors(actor: Actor, subject: Any) -> bool:
    return subject.agency_id is None


# A permission is granted when every check in at least one row holds.
RULES: dict[Permission, tuple[tuple[Check, ...], ...]] = {
    Permission.CASEWORK: ((is_caseworker,),),
    Permission.PERSON_EDIT: ((is_caseworker, is_home),),
    Permission.CASE_WRITE: ((is_caseworker, is_own_agency),),
    Permission.CONSENT_RECORD: ((is_caseworker,),),
    Permission.CONSENT_WITHDRAW: ((is_caseworker,),),
    Permission.LEDGER_HAND_OVER: ((is_caseworker, is_home),),
    Permission.REFERRAL_READ: ((is_caseworker, is_sender), (is_caseworker, is_recipient)),
    Permission.REFERRAL_SEND: ((is_caseworker, is_sender),),
    Permission.REFERRAL_ANSWER: ((is_caseworker, is_recipient),),
    Permission.REFERRAL_CANCEL: ((is_caseworker, is_sender), (is_caseworker, is_recipient)),
    Permission.REFERRAL_TAKE_PART: ((is_caseworker, is_sender), (is_caseworker, is_recipient)),
    Permission.MEETING_CONVENE: ((is_coordinator,),),
    Permission.MEETING_ARRANGE: ((is_coordinator, is_convener),),
    Permission.MEETING_ATTEND: (
        (is_caseworker,),
    ),  # of a meeting found through `meetings.queries.visible_to`
    Permission.ISSUE_EDIT: ((is_caseworker, is_own_agency),),
    Permission.AGENCY_EDIT: ((is_administrator, is_own_agency), (is_system_admin,)),
    Permission.AGENCY_CREATE: ((is_system_admin,),),
    Permission.SERVICE_ROOM: (
        (is_caseworker, is_own_agency),
        (is_administrator, is_own_agency),
        (is_system_admin,),
    ),
    Permission.STAFF_LIST: ((is_administrator,), (is_system_admin,)),
    Permission.STAFF_MANAGE: ((is_administrator, is_own_agency), (is_system_admin,)),
    Permission.AUDIT_READ: ((is_auditor,),),
    Permission.OPENINGS_LIST: ((is_auditor,), (is_administrator,)),
    Permission.INSPECT: ((is_auditor,),),
    Permission.FINDING_READ: (
        (is_administrator, is_own_agency),
        (is_coordinator, is_own_agency),
        (is_auditor,),
    ),
    Permission.FINDING_ANSWER: ((is_administrator, is_own_agency), (is_coordinator, is_own_agency)),
    Permission.FIGURES_READ: ((is_administrator,), (is_coordinator,)),
    Permission.CHECKPOINT_READ: ((is_administrator,), (is_auditor,), (is_system_admin,)),
    Permission.RESTORE_DECLARE: ((is_auditor,), (is_system_admin,)),
    Permission.CLOCK_DECLARE: ((is_system_admin,),),
    Permission.EMERGENCY_USE: ((is_caseworker,),),
    Permission.EMERGENCY_SECOND: (
        (is_second_person, is_own_agency, is_another),
        (is_second_person, is_home, is_another),
    ),
    Permission.EMERGENCY_REVIEW: (
        (is_coordinator, is_own_agency, is_another),
        (is_administrator, is_own_agency, is_another),
        (is_auditor,),
    ),
    Permission.EMERGENCY_NOTE: ((is_caseworker, is_own_agency), (is_auditor, is_for_auditors)),
    Permission.SETTING_CHANGE: ((is_system_admin,),),
    Permission.RETENTION_READ: ((is_caseworker,), (is_administrator,)),
    Permission.ERASURE_PROPOSE: ((is_caseworker, is_home),),
    Permission.ERASURE_AGREE: (
        (is_coordinator, is_own_agency, is_another),
        (is_administrator, is_own_agency, is_another),
    ),
    Permission.ERASURE_DROP: ((is_caseworker, is_own_agency), (is_administrator, is_own_agency)),
    Permission.EXCLUSION_MAKE: ((is_caseworker, is_own_agency), (is_caseworker, is_home)),
    Permission.EXCLUSION_LIFT: (
        (is_coordinator, is_own_agency, is_another),
        (is_caseworker, is_home, is_another),
    ),
    Permission.EXCLUSION_LIST: ((is_coordinator,), (is_auditor,)),
    Permission.WATCH_READ: ((is_auditor,), (is_administrator,)),
    Permission.ACTIVITY_RECORD: ((is_caseworker,),),
    Permission.ACTIVITY_EDIT: ((is_caseworker, is_own_agency),),
    Permission.PARTNER_EDIT: ((is_caseworker, is_own_agency),),
    Permission.EVALUATION_READ: ((is_caseworker,), (is_administrator,), (is_auditor,)),
    Permission.EVALUATION_WRITE: ((is_caseworker, is_own_agency),),
    Permission.EVALUATION_CLOSE: ((is_coordinator, is_own_agency), (is_administrator, is_own_agency)),
    Permission.STATISTICS_READ: ((is_caseworker,), (is_administrator,), (is_auditor,)),
}


def can(actor: Actor, permission: Permission, subject: Any = None) -> bool:
    return any(all(check(actor, subject) for check in row) for row in RULES[permission])


def require(actor: Actor, permission: Permission, subject: Any = None) -> None:
    """Raise `NotAllowed` unless the policy grants it."""
    if not can(actor, permission, subject):
        raise NotAllowed(N_("この操作をする権限がありません。担当の機関または管理者に確認してください。"))
