"""An item as it is typed, and whether it may stand on the agenda of this kind of meeting."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal import clock
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.errors import Invalid, Lack, NotOffered
from portal.meetings import coverage, queries
from portal.meetings.agenda_models import LocalIssue
from portal.meetings.models import Meeting
from portal.meetings.states import ItemKind, MeetingKind
from portal.people.categories import Category
from portal.policy import Actor
from portal.referrals import queries as referrals
from portal.referrals.drafts import require_nameless
from portal.referrals.models import Referral
from portal.words import N_

# These come of themselves; nobody types them.
BY_THEMSELVES = frozenset({ItemKind.MINUTES, ItemKind.ACTION})
LONGEST = 480
ANONYMOUS_STAYS = N_("匿名の依頼の議題は、ほかの機関に共有できません。")
BASIC_FIRST = N_("共有するときは、基本情報を含めてください。")


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """An item as it is typed. `categories` are told to the others at the table when `shared`."""

    kind: ItemKind
    title: str
    text: str
    minutes: int
    presenter_agency_id: UUID
    person_id: UUID | None = None
    referral_id: UUID | None = None
    issue_id: UUID | None = None
    categories: frozenset[Category] = frozenset()
    shared: bool = True


def person_of(session: Session, actor: Actor, facts: ItemFacts) -> UUID | None:
    """Whom the item is about; of a referral, the person it is about, also where the actor may not name him."""
    if facts.issue_id:
        session.scalars(
            select(LocalIssue).where(LocalIssue.id == facts.issue_id, LocalIssue.agency_id == actor.agency_id)
        ).one()
    if facts.referral_id:
        referral = session.scalars(referrals.visible(actor).where(Referral.id == facts.referral_id)).one()
        return referral.person_id
    if facts.person_id:
        disclosures.present_person(session, actor, facts.person_id)
    return facts.person_id


def check(
    session: Session,
    actor: Actor,
    meeting: Meeting,
    facts: ItemFacts,
    person_id: UUID | None,
    *,
    is_new: bool = True,
) -> None:
    """Raise `Invalid`, naming the field, unless the item holds together and fits this kind of meeting.

    What the work put there (`is_new` is false) may be of any kind and needs no title.
    """
    if is_new and facts.kind in BY_THEMSELVES:
        raise Invalid(N_("議題の種類を選び直してください。"), field="kind")
    if is_new and not facts.title and person_id is None and facts.issue_id is None:
        raise Invalid(N_("議題名を入力してください。"), field="title")
    check_place(session, meeting, facts.minutes, facts.presenter_agency_id)
    if person_id is None:
        return
    if facts.kind is ItemKind.LOCAL_ISSUE:
        raise Invalid(
            N_("地域課題には、相談者を結びつけられません。人がわからない形で書いてください。"), field="kind"
        )
    if meeting.basis is Basis.ANONYMOUS:
        check_nameless(session, actor, person_id, facts.title, facts.text)
        if facts.categories - {Category.BASIC}:
            raise Invalid(
                N_("事例検討会では、情報の区分は共有できません。"),
                field="categories",
                lack=Lack.ANONYMOUS,
                person_id=person_id,
                categories=facts.categories,
            )
        return
    if facts.shared:
        check_sharing(session, actor, person_id, facts.referral_id, facts.categories)
        if meeting.kind is MeetingKind.COORDINATION:
            check_covered(session, actor, meeting, person_id, facts.referral_id)


def check_place(session: Session, meeting: Meeting, minutes: int, presenter_agency_id: UUID) -> None:
    if not 0 <= minutes <= LONGEST:
        raise Invalid(N_("時間は分で、0 から 480 までの数字を入力してください。"), field="minutes")
    if presenter_agency_id not in session.scalars(queries.members_of(meeting.id)).all():
        raise NotOffered(
            N_("説明する機関は、出席する機関から選んでください。"),
            field="presenter",
            about=("agency", presenter_agency_id),
        )


def check_nameless(session: Session, actor: Actor, person_id: UUID, title: str, text: str) -> None:
    """Nobody may be able to tell who is meant: 事例検討会."""
    require_nameless(session, actor, person_id, title, field="title")
    require_nameless(session, actor, person_id, text, field="text")


def check_sharing(
    session: Session,
    actor: Actor,
    person_id: UUID,
    referral_id: UUID | None,
    categories: Collection[Category],
) -> None:
    asked = select(Referral.basis).where(Referral.id == referral_id)
    if referral_id and session.scalar(asked) is Basis.ANONYMOUS:
        raise Invalid(
            ANONYMOUS_STAYS,
            field="shared",
            lack=Lack.ANONYMOUS,
            about=("referral", referral_id),
            person_id=person_id,
        )
    if Category.BASIC not in categories:
        raise Invalid(BASIC_FIRST, field="categories")
    unknown = set(categories) - disclosures.known_categories(session, actor, person_id)
    if unknown:
        raise Invalid(
            N_("「%(category)s」は自分の機関に提供されていないため、ほかの機関へ提供できません。"),
            field="categories",
            lack=Lack.UNTOLD,
            person_id=person_id,
            categories=unknown,
            category=min(unknown, key=list(Category).index),
        )


def check_covered(
    session: Session, actor: Actor, meeting: Meeting, person_id: UUID, referral_id: UUID | None
) -> None:
    """A 支援調整会議 rests on consent: what nobody else may hear is not brought there."""
    members = set(session.scalars(queries.members_of(meeting.id))) - {actor.agency_id}
    if not coverage.hearers(session, members, person_id, referral_id, clock.now()):
        raise Invalid(
            N_("出席する機関のどこにも、本人の同意がありません。同意を記録してから、議題に加えてください。"),
            field="shared",
            lack=Lack.CONSENT,
            person_id=person_id,
            categories=[Category.BASIC],
        )
