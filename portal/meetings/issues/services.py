"""Raising a local issue (地域課題), and saying what came of it. No issue names a person."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Invalid
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, can, require
from portal.disclosures.models import Basis
from portal.meetings.issues import queries
from portal.meetings.issues.models import LocalIssue
from portal.meetings.states import IssueStatus
from portal.referrals import conversation
from portal.referrals.drafts import require_nameless
from portal.referrals.models import FollowUp, FollowUpKind, Referral

NO_TEXT = N_("内容を入力してください。")


def raise_issue(actor: Actor, text: str, *, idempotency_key: str | None = None) -> UUID:
    """Put down what the city lacks; returns its id.

    Raises:
        Invalid: nothing was written.
    """
    require(actor, Permission.CASEWORK)
    issue_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, issue_id):
            return earlier
        if not text:
            raise Invalid(NO_TEXT, field="text")
        add(session, actor, LocalIssue(id=issue_id, text=text))
    return issue_id


def add(session: Session, actor: Actor, issue: LocalIssue) -> None:
    assert actor.agency_id is not None  # casework implies an agency  # noqa: S101
    issue.agency_id = actor.agency_id
    issue.raised_by_id = actor.staff_id
    session.add(issue)
    audit.record(AuditEvent.ISSUE_RAISED, issue, actor=actor, text=issue.text)


def keep(actor: Actor, referral_id: UUID, text: str, *, idempotency_key: str | None = None) -> UUID:
    """Keep what a referral showed to be lacking, as a follow-up and as a local issue; returns the issue's id.

    Raises:
        NoResultFound, NotAllowed: no referral that this actor takes part in.
        Invalid: it names the person, or nothing was written.
    """
    with db.transaction() as session:
        follow_up_id = conversation.follow_up(
            actor, referral_id, FollowUpKind.LOCAL_ISSUE, text, idempotency_key=idempotency_key
        )
        same = select(LocalIssue.id).where(LocalIssue.follow_up_id == follow_up_id)
        if earlier := session.scalar(same):
            return earlier
        session.flush()
        noted = session.scalars(select(FollowUp).where(FollowUp.id == follow_up_id)).one()
        issue = LocalIssue(id=new_id(), follow_up_id=follow_up_id, code=noted.code, text=text)
        add(session, actor, issue)
        return issue.id


def change(
    actor: Actor, issue_id: UUID, *, status: IssueStatus, result: str, text: str, version: int | None = None
) -> None:
    """Set where an issue stands and what came of it; its own agency may also reword it.

    Raises:
        NoResultFound: none that this actor may know of.
        NotAllowed: neither of the agency that raised it nor the coordinator whose meeting discussed it.
        StaleForm: it changed since the form that expected `version` was shown.
        Invalid: it names the person of the referral it grew from, or nothing is left of it.
    """
    with db.transaction() as session:
        now = clock.now()
        statement = (
            select(LocalIssue)
            .where(LocalIssue.id == issue_id, queries.visible_to(actor, now))
            .with_for_update(of=LocalIssue)
        )
        issue = session.scalars(statement, execution_options={"populate_existing": True}).one()
        discussed = select(LocalIssue.id).where(
            LocalIssue.id == issue_id, queries.was_discussed_here(actor, now)
        )
        if not (can(actor, Permission.MEETING_CONVENE) and session.scalar(discussed)):
            require(actor, Permission.ISSUE_EDIT, issue)
        issue.advance(version)
        values = {"status": status, "result": result}
        if can(actor, Permission.ISSUE_EDIT, issue):
            if not text:
                raise Invalid(NO_TEXT, field="text")
            values["text"] = text
        for field in ("text", "result"):
            check_nameless(session, actor, issue, values.get(field, ""), field)
        changes = issue.apply(**values)
        audit.record(AuditEvent.ISSUE_CHANGED, issue, actor=actor, changes=changes)


def check_nameless(session: Session, actor: Actor, issue: LocalIssue, words: str, field: str) -> None:
    """Raise when the words name the person of the referral that the issue grew from."""
    origin = (
        select(Referral)
        .join(FollowUp, FollowUp.referral_id == Referral.id)
        .where(FollowUp.id == issue.follow_up_id)
    )
    referral = session.scalars(origin).one_or_none()
    # An agency asked anonymously must not learn by guessing here whom it was about.
    if referral is None or (referral.basis is Basis.ANONYMOUS and referral.from_agency_id != actor.agency_id):
        return
    require_nameless(session, actor, referral.person_id, words, field=field)
