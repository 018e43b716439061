"""Findings (指摘): the auditor states one, the agency answers, the auditor closes it or asks again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.db import db, new_id
from portal.errors import Conflict, Invalid
from portal.inspections.checks import Check
from portal.inspections.models import AuditFinding, FindingKind, SampleItem
from portal.once import claim
from portal.policy import Actor, Permission, can, require
from portal.referrals.models import Referral
from portal.words import N_

LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Statement:
    """What the auditor states, and to which agency; about a referral of a sample, or about none."""

    agency_id: UUID
    kind: FindingKind
    text: str
    due_on: date
    item_id: UUID | None = None
    check: Check | None = None


def state(actor: Actor, said: Statement, *, idempotency_key: str | None = None) -> UUID:
    """Address a finding to one agency; returns its id.

    Raises:
        NoResultFound: no such agency or item.
        Invalid: no text, a due day in the past, or an agency that had no part in the referral.
    """
    require(actor, Permission.INSPECT)
    if not said.text.strip():
        raise Invalid(N_("指摘の内容を入力してください。"), field="text")
    if said.due_on < clock.today():
        raise Invalid(N_("回答の期限は、今日より後の日にしてください。"), field="due_on")
    finding_id = new_id()
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, finding_id):
            return earlier
        agency = session.scalars(select(Agency).where(Agency.id == said.agency_id)).one()
        referral_id = referral_of(session, said)
        finding = AuditFinding(
            id=finding_id,
            item_id=said.item_id,
            referral_id=referral_id,
            agency_id=agency.id,
            made_by_id=actor.staff_id,
            kind=said.kind,
            check_code=said.check.value if said.check else "",
            text=said.text,
            due_on=said.due_on,
        )
        session.add(finding)
        audit.record(
            AuditEvent.FINDING_NOTED,
            finding,
            actor=actor,
            addressed_to=agency.id,
            kind=said.kind,
            text=said.text,
            due_on=said.due_on,
        )
    return finding_id


def referral_of(session: Session, said: Statement) -> UUID | None:
    if said.item_id is None:
        return None
    item = session.scalars(select(SampleItem).where(SampleItem.id == said.item_id)).one()
    referral = session.scalars(select(Referral).where(Referral.id == item.referral_id)).one()
    if said.agency_id not in {referral.from_agency_id, referral.to_agency_id}:
        raise Invalid(N_("このつなぎを送った機関か、受けた機関を選んでください。"), field="agency")
    return referral.id


def answer(actor: Actor, finding_id: UUID, text: str, *, version: int | None = None) -> None:
    """The agency's answer; until the auditor has looked at it, it may be put better.

    Raises:
        NoResultFound: no finding that this actor may know of.
        Conflict: it is closed.
        StaleForm: a colleague has answered meanwhile.
    """
    if not text.strip():
        raise Invalid(N_("回答を入力してください。"), field="text")
    with db.transaction() as session:
        finding = known(session, actor, finding_id)
        require(actor, Permission.FINDING_ANSWER, finding)
        require_open(finding)
        finding.advance(version)
        finding.answer, finding.answered_by_id = text, actor.staff_id
        finding.answered_at = clock.now()
        audit.record(AuditEvent.FINDING_ANSWERED, finding, actor=actor, text=text)


def close(actor: Actor, finding_id: UUID, text: str, *, version: int | None = None) -> None:
    """The answer satisfies the auditor.

    Raises:
        Conflict: there is no answer yet, or it is closed.
        StaleForm: the answer was changed while he read it.
    """
    require(actor, Permission.INSPECT)
    with db.transaction() as session:
        finding = known(session, actor, finding_id)
        require_open(finding)
        finding.advance(version)
        if finding.answered_at is None:
            raise Conflict(N_("まだ回答がありません。回答を待ってから完了にしてください。"))
        finding.closed_at, finding.closed_by_id, finding.closing = clock.now(), actor.staff_id, text
        audit.record(AuditEvent.FINDING_CLOSED, finding, actor=actor, text=text)


def ask_again(
    actor: Actor, finding_id: UUID, text: str, due_on: date | None, *, version: int | None = None
) -> None:
    """The answer is not enough, or what was closed came up again: the agency answers anew by another day.

    Raises:
        Invalid: nothing says what is asked, or the day is past.
        Conflict: it waits for an answer anyway.
    """
    require(actor, Permission.INSPECT)
    if not text.strip():
        raise Invalid(N_("何を、もう一度回答してほしいかを入力してください。"), field="text")
    if due_on is None or due_on < clock.today():
        raise Invalid(N_("回答の期限は、今日より後の日にしてください。"), field="due_on")
    with db.transaction() as session:
        finding = known(session, actor, finding_id)
        finding.advance(version)
        if finding.answered_at is None:
            raise Conflict(N_("まだ回答がありません。回答を待ってください。"))
        finding.answered_at = finding.closed_at = finding.closed_by_id = None
        finding.closing, finding.due_on = text, due_on
        audit.record(AuditEvent.FINDING_REOPENED, finding, actor=actor, text=text, due_on=due_on)


def known(session: Session, actor: Actor, finding_id: UUID) -> AuditFinding:
    """Raises NoResultFound: another agency's finding is not there for this actor."""
    wanted = select(AuditFinding).where(AuditFinding.id == finding_id)
    if not can(actor, Permission.INSPECT):
        wanted = wanted.where(AuditFinding.agency_id == actor.agency_id)
    return session.scalars(wanted.with_for_update()).one()


def require_open(finding: AuditFinding) -> None:
    if finding.closed_at:
        raise Conflict(N_("この指摘は完了しています。"))
