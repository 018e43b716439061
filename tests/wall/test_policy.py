"""The access policy against a table of its own: every permission, every role, every relation to the record."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import NoResultFound

from portal.core.db import db
from portal.core.errors import Conflict, NotAllowed, PortalError
from portal.core.policy import RULES, Actor, Permission, Role, can, require
from portal.referrals import queries, services
from portal.referrals.models import Referral
from portal.referrals.services import Answer
from portal.referrals.states import ReferralAction, ReferralKind, ReferralStatus
from tests.factories import PATHS, Member, make_member, make_referral, step
from tests.wall import oracle
from tests.wall.machine_referrals import STEPS

pytestmark = pytest.mark.quick

MINE, OTHER, THIRD, MYSELF = uuid4(), uuid4(), uuid4(), uuid4()
CASEWORK = {Role.STAFF, Role.COORDINATOR}
# Who needs what besides casework: the relation of the record to the reader's agency.
BY_RELATION = {
    Permission.CASEWORK: set("hsrdota"),
    Permission.EMERGENCY_USE: set("hsrdota"),
    Permission.CONSENT_RECORD: set("hsrdota"),
    Permission.CONSENT_WITHDRAW: set("hsrdota"),
    Permission.PERSON_EDIT: {"h"},
    Permission.LEDGER_HAND_OVER: {"h"},
    Permission.CASE_WRITE: {"o"},
    Permission.REFERRAL_READ: {"s", "r"},
    Permission.REFERRAL_SEND: {"s"},
    Permission.REFERRAL_ANSWER: {"r"},
    Permission.REFERRAL_CANCEL: {"s", "r"},
    Permission.REFERRAL_TAKE_PART: {"s", "r"},
    Permission.MEETING_ATTEND: set("hsrdota"),  # of a meeting that their queries find
    Permission.ISSUE_EDIT: {"o"},
    Permission.ERASURE_PROPOSE: {"h"},
    Permission.ACTIVITY_RECORD: set("hsrdota"),
    Permission.ACTIVITY_EDIT: {"o"},
    Permission.PARTNER_EDIT: {"o"},
    Permission.EVALUATION_WRITE: {"o", "i"},
}
# Who convenes, and arranges what their own agency convenes.
FOR_COORDINATORS = {Permission.MEETING_CONVENE: {"h"}, Permission.MEETING_ARRANGE: {"c"}}
# A use of emergency access by a colleague, by oneself, of a record kept here, of others; and the notices of it.
EMERGENCIES = {
    Permission.EMERGENCY_SECOND: "uvwz",
    Permission.EMERGENCY_REVIEW: "uvwz",
    Permission.EMERGENCY_NOTE: "pqk",
}
# A colleague at one's own agency, oneself, one of an agency that was told what is kept here, one of others.
EXCLUSIONS = {
    Permission.EXCLUSION_MAKE: {"u", "v", "w"},
    Permission.EXCLUSION_LIFT: {"u", "w"},
}
FOR_ADMINISTRATORS = {Permission.AGENCY_EDIT, Permission.STAFF_MANAGE}
Rule = Callable[[Role, bool, str], bool]
COORDINATOR, AUDITOR, SYSTEM_ADMIN = Role.COORDINATOR, Role.AUDITOR, Role.SYSTEM_ADMIN
# By role, whether they administer an agency of their own, and the relation of the record.
BY_ROLE: dict[Permission, Rule] = {
    Permission.INSPECT: lambda role, _runs, _relation: role is AUDITOR,
    Permission.FINDING_READ: lambda role, runs, relation: (
        role is AUDITOR or ((runs or role is COORDINATOR) and relation == "o")
    ),
    Permission.FINDING_ANSWER: lambda role, runs, relation: (runs or role is COORDINATOR) and relation == "o",
    Permission.FIGURES_READ: lambda role, runs, _relation: runs or role is COORDINATOR,
    Permission.CHECKPOINT_READ: lambda role, runs, _relation: runs or role in {AUDITOR, SYSTEM_ADMIN},
    Permission.RESTORE_DECLARE: lambda role, _runs, _relation: role in {AUDITOR, SYSTEM_ADMIN},
    Permission.CLOCK_DECLARE: lambda role, _runs, _relation: role is SYSTEM_ADMIN,
    Permission.AGENCY_CREATE: lambda role, _runs, _relation: role is SYSTEM_ADMIN,
    Permission.SETTING_CHANGE: lambda role, _runs, _relation: role is SYSTEM_ADMIN,
    Permission.RETENTION_READ: lambda role, runs, _relation: runs or role in CASEWORK,
    Permission.ERASURE_AGREE: lambda role, runs, relation: (runs or role is COORDINATOR) and relation == "u",
    Permission.ERASURE_DROP: lambda role, runs, relation: (runs or role in CASEWORK) and relation == "o",
    Permission.EVALUATION_READ: lambda role, runs, _relation: runs or role in {*CASEWORK, AUDITOR},
    Permission.STATISTICS_READ: lambda role, runs, _relation: runs or role in {*CASEWORK, AUDITOR},
    Permission.EVALUATION_CLOSE: lambda role, runs, relation: (
        (runs or role is COORDINATOR) and relation in {"o", "i"}
    ),
}
# The record: home's person, sender's and recipient's referral, an unsent draft to one, two others' referral,
# one's own and another's record, another's person, a meeting one's own and another agency convenes, one's own and
# another agency.
RECORDS: dict[str, Any] = {
    "h": SimpleNamespace(home_agency_id=MINE),
    "s": SimpleNamespace(from_agency_id=MINE, to_agency_id=OTHER, is_sent=True),
    "r": SimpleNamespace(from_agency_id=OTHER, to_agency_id=MINE, is_sent=True),
    "d": SimpleNamespace(from_agency_id=OTHER, to_agency_id=MINE, is_sent=False),
    "t": SimpleNamespace(from_agency_id=OTHER, to_agency_id=THIRD, is_sent=True),
    "o": SimpleNamespace(id=uuid4(), agency_id=MINE),
    "a": SimpleNamespace(id=uuid4(), agency_id=OTHER),
    "x": SimpleNamespace(home_agency_id=OTHER),
    "c": SimpleNamespace(convener_id=MINE),
    "e": SimpleNamespace(convener_id=OTHER),
    "i": SimpleNamespace(id=MINE),
    "j": SimpleNamespace(id=OTHER),
    "u": SimpleNamespace(id=uuid4(), agency_id=MINE, home_agency_id=OTHER, staff_id=uuid4()),
    "v": SimpleNamespace(id=uuid4(), agency_id=MINE, home_agency_id=OTHER, staff_id=MYSELF),
    "w": SimpleNamespace(id=uuid4(), agency_id=OTHER, home_agency_id=MINE, staff_id=uuid4()),
    "z": SimpleNamespace(id=uuid4(), agency_id=OTHER, home_agency_id=THIRD, staff_id=uuid4()),
    "p": SimpleNamespace(id=uuid4(), agency_id=MINE),
    "q": SimpleNamespace(id=uuid4(), agency_id=OTHER),
    "k": SimpleNamespace(id=uuid4(), agency_id=None),
}
FITTING = {
    Permission.PERSON_EDIT: "hx",
    Permission.LEDGER_HAND_OVER: "hx",
    Permission.CASE_WRITE: "oa",
    Permission.ISSUE_EDIT: "oa",
    Permission.MEETING_ARRANGE: "ce",
    Permission.AGENCY_EDIT: "oaij",
    Permission.STAFF_MANAGE: "oaij",
    Permission.SERVICE_ROOM: "oaij",
    Permission.ERASURE_PROPOSE: "hx",
    Permission.ERASURE_AGREE: "uvwz",
    **dict.fromkeys((Permission.FINDING_READ, Permission.FINDING_ANSWER, Permission.ERASURE_DROP), "oa"),
    **dict.fromkeys((Permission.ACTIVITY_EDIT, Permission.PARTNER_EDIT), "oa"),
    **dict.fromkeys((Permission.EVALUATION_WRITE, Permission.EVALUATION_CLOSE), "oaij"),
    **EMERGENCIES,
    **dict.fromkeys(EXCLUSIONS, "uvwz"),
} | {permission: "srdt" for permission in Permission if permission.value.startswith("referral:")}


def actor(role: Role, *, agency_id: UUID | None = MINE, administers: bool = False) -> Actor:
    agency_id = None if role in {Role.AUDITOR, Role.SYSTEM_ADMIN} else agency_id
    return Actor(MYSELF, uuid4(), "見本", role, agency_id, "見本機関", administers)


def expected(permission: Permission, role: Role, administers: bool, relation: str) -> bool:
    runs = role is Role.AGENCY_ADMIN or (administers and role in CASEWORK)
    if permission in BY_ROLE:
        return BY_ROLE[permission](role, runs, relation)
    if permission is Permission.AUDIT_READ:
        return role is Role.AUDITOR
    if permission is Permission.EXCLUSION_LIFT and relation == "u":
        return role is Role.COORDINATOR
    if permission in EXCLUSIONS:
        return role in CASEWORK and relation in EXCLUSIONS[permission]
    if permission is Permission.EXCLUSION_LIST:
        return role in {Role.COORDINATOR, Role.AUDITOR}
    if permission in {Permission.WATCH_READ, Permission.OPENINGS_LIST}:
        return runs or role is Role.AUDITOR
    if permission in EMERGENCIES:
        return expected_in_an_emergency(permission, role, administers, relation)
    if permission in FOR_ADMINISTRATORS:
        return role is Role.SYSTEM_ADMIN or (runs and relation in {"o", "i"})
    if permission is Permission.STAFF_LIST:
        return role is Role.SYSTEM_ADMIN or runs
    if permission is Permission.SERVICE_ROOM:
        return role is Role.SYSTEM_ADMIN or ((runs or role in CASEWORK) and relation in {"o", "i"})
    if permission in FOR_COORDINATORS:
        return role is Role.COORDINATOR and relation in FOR_COORDINATORS[permission]
    return role in CASEWORK and relation in BY_RELATION[permission]


def expected_in_an_emergency(permission: Permission, role: Role, administers: bool, relation: str) -> bool:
    """Agreed to by who has some say at either agency, judged by who has at the asker's or audits; never by oneself."""
    has_a_say = role is Role.COORDINATOR or (role is Role.STAFF and administers)
    if permission is Permission.EMERGENCY_SECOND:
        return has_a_say and relation in {"u", "w"}
    if permission is Permission.EMERGENCY_REVIEW:
        return role is Role.AUDITOR or (relation == "u" and (has_a_say or role is Role.AGENCY_ADMIN))
    return (role in CASEWORK and relation == "p") or (role is Role.AUDITOR and relation == "k")


def test_every_permission_is_in_the_table_and_has_a_rule() -> None:
    others = {Permission.STAFF_LIST, Permission.SERVICE_ROOM, Permission.AUDIT_READ}
    others |= {Permission.EXCLUSION_LIST, Permission.WATCH_READ, Permission.OPENINGS_LIST}
    known = {
        *BY_RELATION,
        *BY_ROLE,
        *FOR_COORDINATORS,
        *FOR_ADMINISTRATORS,
        *EMERGENCIES,
        *EXCLUSIONS,
        *others,
    }
    assert known == set(Permission) == set(RULES)


@pytest.mark.parametrize("permission", Permission)
def test_a_permission_is_granted_to_whom_the_table_says_and_to_nobody_else(permission: Permission) -> None:
    given = set()
    for role, administers, relation in product(Role, (False, True), FITTING.get(permission, "h")):
        who = actor(role, administers=administers)
        wanted = expected(permission, role, administers and who.agency_id is not None, relation)
        assert can(who, permission, RECORDS[relation]) == wanted, (role, administers, relation)
        given.add(wanted)
        if not wanted:
            with pytest.raises(NotAllowed):
                require(who, permission, RECORDS[relation])
    assert given == {True, False}


def test_a_caseworker_without_an_agency_may_do_nothing_with_a_record() -> None:
    """No such row should ever exist; if it does, an empty agency must not equal an empty column."""
    stray = Actor(uuid4(), uuid4(), "見本", Role.STAFF, None, "", True)
    empty = SimpleNamespace(
        **dict.fromkeys(
            ("id", "agency_id", "home_agency_id", "from_agency_id", "to_agency_id", "convener_id")
        ),
        is_sent=True,
    )
    assert not [permission for permission in Permission if can(stray, permission, empty)]


# Every step from every state by every side: exactly the flow of the design, and a refused one leaves no trace.


def snapshot(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that an act could have written."""
    tables = [name for name in db.metadata.tables if name != "form_key"]
    with oracle.reading(url) as rows:
        return {name: sorted(rows(f"SELECT * FROM {name}"), key=repr) for name in tables}  # noqa: S608


def sides() -> dict[str, Member]:
    sender, recipient = make_member(), make_member()
    return {
        "sender": sender,
        "recipient": recipient,
        "third": make_member(),
        "admin": make_member(sender.agency_id, Role.AGENCY_ADMIN),
        "auditor": make_member(None, Role.AUDITOR),
        "system_admin": make_member(None, Role.SYSTEM_ADMIN),
    }


def may(side: str, action: str, status: str) -> bool:
    sources, _target, whose, _basis = STEPS[action]
    if status not in sources or side not in {"sender", "recipient"}:
        return False
    return whose in {side, "either"}


@pytest.mark.parametrize("status", PATHS)
def test_each_step_is_open_to_its_side_and_state_only(app: Flask, status: ReferralStatus) -> None:
    members = sides()
    kind = ReferralKind.ADVICE  # opens no case: nothing but the referral itself changes
    make = {"status": status, "kind": kind}
    url = app.config["DATABASE_URL"]
    referral_id = make_referral(members["sender"], members["recipient"], **make)
    before = snapshot(url)
    every = list(product(members, ReferralAction))
    for side, action in every:
        if not may(side, action.value, status.value):
            refused(members[side], side, action, referral_id)
    assert snapshot(url) == before, "a refused step left a trace"
    for side, action in every:
        if may(side, action.value, status.value):
            one = make_referral(members["sender"], members["recipient"], **make)
            step(members[side], one, action)
            assert db.read().get_one(Referral, one).status.value == STEPS[action.value][1]
            db.end()


def refused(member: Member, side: str, action: ReferralAction, referral_id: UUID) -> None:
    with pytest.raises((PortalError, NoResultFound)) as error:
        step(member, referral_id, action)
    if side not in {"sender", "recipient"}:
        assert error.type is NoResultFound, "whoever may not know of it is not told more than that"
    if side == "sender" and STEPS[action.value][2] == "recipient":
        assert error.type is NotAllowed
    db.end()


def test_what_sql_shows_of_referrals_is_what_the_policy_lets_be_read(app: Flask) -> None:
    members = sides()
    for status in PATHS:
        make_referral(members["sender"], members["recipient"], status=status)
    struck_out_unsent = make_referral(members["sender"], members["recipient"], status="draft")
    step(members["sender"], struck_out_unsent, ReferralAction.CORRECT)
    everything = db.read().scalars(select(Referral)).all()
    assert len(everything) == len(PATHS) + 1
    for member in members.values():
        shown = {found.id for found in db.read().scalars(queries.visible(member.actor))}
        assert shown == {one.id for one in everything if can(member.actor, Permission.REFERRAL_READ, one)}


def test_a_step_on_a_stale_form_is_refused_and_leaves_no_trace(app: Flask) -> None:
    sender, recipient = make_member(), make_member()
    referral_id = make_referral(sender, recipient)
    found = db.read().get(Referral, referral_id)
    assert found
    seen = found.version
    db.end()
    step(recipient, referral_id, ReferralAction.ACCEPT)
    before = snapshot(app.config["DATABASE_URL"])
    with pytest.raises(Conflict):
        services.perform(
            sender.actor, ReferralAction.CANCEL, referral_id, Answer(text="取り下げます"), version=seen
        )
    assert snapshot(app.config["DATABASE_URL"]) == before
