"""Looking after staff: new accounts, changing name, role and agency, disabling and enabling."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.accounts import queries, sessions
from portal.accounts.models import Invitation, Membership, Staff
from portal.accounts.passwords import check_new, hashing
from portal.accounts.queries import CASEWORKERS, ROLES_OF_AGENCY, roles_to_give
from portal.accounts.signing_in import address_of, is_address
from portal.agencies.models import Agency
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid, Lack, NotAllowed
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, Role, require

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Post:
    """A member's role and agency. `administers` is an additional mark for caseworkers only."""

    role: Role
    agency_id: UUID | None
    administers: bool = False

    def columns(self) -> dict[str, object]:
        marked = self.administers and self.role in CASEWORKERS
        return {"role": self.role, "agency_id": self.agency_id, "administers": marked}


def post_of(row: Membership | Invitation) -> Post:
    """The post somebody has, or is invited to."""
    return Post(row.role, row.agency_id, row.administers)


def check_post(session: Session, post: Post) -> None:
    """Raise `Invalid`, naming the field, unless role and agency go together."""
    if post.role not in ROLES_OF_AGENCY:
        if post.agency_id is not None:
            raise Invalid(
                N_("監査とシステム管理者は、機関に属しません。機関の選択を外してください。"), field="agency"
            )
        return
    if post.agency_id is None:
        raise Invalid(N_("機関を選んでください。"), field="agency")
    if session.scalar(select(Agency.id).where(Agency.id == post.agency_id)) is None:
        raise Invalid(N_("機関を選び直してください。"), field="agency")


def check_may_give(actor: Actor, post: Post) -> None:
    """Raise unless this actor may put somebody into this post.

    Raises:
        NotAllowed: the agency is another one's.
        Invalid: the actor may not give this role.
    """
    if post.role not in roles_to_give(actor):
        raise Invalid(
            N_("この役割を決められるのは、システム管理者だけです。"), field="role", lack=Lack.PERMISSION
        )
    require(actor, Permission.STAFF_MANAGE, Invitation(id=new_id(), agency_id=post.agency_id))


def check_person(email: str, name: str) -> None:
    if not is_address(email):
        raise Invalid(N_("メールアドレスを「name@example.jp」のように入力してください。"), field="email")
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(N_("氏名を100文字以内で入力してください。"), field="name")


def become_member(session: Session, *, email: str, name: str, password_hash: str, post: Post) -> Staff:
    """Add the rows of a new member of staff to the current transaction; the caller writes the audit entry."""
    staff = Staff(email=email, name=name, password_hash=password_hash, version=1)
    session.add(staff)
    session.flush()
    session.add(Membership(staff_id=staff.id, **post.columns()))
    session.flush()
    return staff


def membership_of(session: Session, staff_id: UUID) -> Membership:
    current = select(Membership).where(Membership.staff_id == staff_id, Membership.ended_at.is_(None))
    return session.scalars(current).one()


def create_account(*, email: str, name: str, post: Post, password: str) -> UUID:
    """Create an account without an invitation, for commands on the server; returns its id.

    Raises:
        Invalid: the address is taken, role and agency do not go together, or the password will not do.
    """
    email = address_of(email)
    check_person(email, name)
    check_new(password, email=email, name=name)
    password_hash = hashing.hash(password)
    with db.transaction() as session:
        check_post(session, post)
        if session.scalars(queries.by_address(email)).first():
            raise Invalid(N_("このメールアドレスはすでに登録されています。"), field="email")
        staff = become_member(session, email=email, name=name, password_hash=password_hash, post=post)
        audit.record(AuditEvent.STAFF_JOINED, staff, actor=None, channel="command", email=email, name=name)
        membership = membership_of(session, staff.id)
        audit.record(AuditEvent.STAFF_JOINED, membership, actor=None, channel="command", role=post.role)
        return staff.id


def managed(session: Session, actor: Actor, staff_id: UUID) -> tuple[Staff, Membership]:
    """A member of staff that this actor looks after, locked.

    Raises:
        NoResultFound: no such staff that the actor may know of.
    """
    found = queries.staff_visible_to(actor).where(Staff.id == staff_id)
    staff, membership, _name = session.execute(found.with_for_update(of=(Staff, Membership))).one()
    require(actor, Permission.STAFF_MANAGE, membership)
    return staff, membership


def check_not_oneself(actor: Actor, staff_id: UUID, message: str) -> None:
    if actor.staff_id == staff_id:
        raise NotAllowed(message)


def check_leaves_someone(session: Session, membership: Membership, *, leave_unmanaged: bool) -> None:
    """Raise `Conflict` when an agency would lose its last administrator and nobody said that it may."""
    if membership.agency_id is None or not queries.looks_after(membership) or leave_unmanaged:
        return
    if not queries.other_administrators(session, membership.agency_id, membership.staff_id):
        raise Conflict(
            N_(
                "この機関の最後の管理者です。先に別の職員を管理者にしてください。"
                "急ぐときは、「管理者がいなくなることを確認しました」にチェックを入れて、もう一度送信してください。"
            ),
            field="leave_unmanaged",
        )


def update(
    actor: Actor,
    staff_id: UUID,
    *,
    name: str,
    post: Post,
    version: int | None = None,
    leave_unmanaged: bool = False,
) -> None:
    """Change name, role or agency. A new post ends all sessions of the person.

    Raises:
        Conflict: the agency would lose its last administrator.
        NotAllowed: nobody changes their own role.
        StaleForm: a colleague changed it meanwhile.
    """
    with db.transaction() as session:
        staff, membership = managed(session, actor, staff_id)
        check_person(staff.email, name)
        changes = staff.apply(name=name)
        moved = post.columns() != {c: getattr(membership, c) for c in post.columns()}
        if not changes and not moved:
            return
        staff.advance(version)
        audit.record(AuditEvent.STAFF_UPDATED, staff, actor=actor, changes=changes)
        if moved:
            give_post(session, actor, staff, membership, post, leave_unmanaged=leave_unmanaged)


def give_post(
    session: Session,
    actor: Actor,
    staff: Staff,
    former: Membership,
    post: Post,
    *,
    leave_unmanaged: bool = False,
) -> None:
    """End the present membership and begin another; sessions of the old one end."""
    check_not_oneself(
        actor, staff.id, N_("自分の役割や機関は、自分では変更できません。ほかの管理者に依頼してください。")
    )
    check_may_give(actor, post)
    check_post(session, post)
    stays = post.agency_id == former.agency_id and (
        post.role is Role.AGENCY_ADMIN or post.columns()["administers"]
    )
    if not stays:
        check_leaves_someone(session, former, leave_unmanaged=leave_unmanaged)
    former.ended_at = clock.now()
    audit.record(AuditEvent.STAFF_UPDATED, former, actor=actor, ended=True)
    session.flush()
    begun = Membership(staff_id=staff.id, **post.columns())
    session.add(begun)
    audit.record(
        AuditEvent.STAFF_UPDATED,
        begun,
        actor=actor,
        before={"role": former.role, "agency": former.agency_id, "administers": former.administers},
        after=post.columns(),
    )
    sessions.end_all_of(session, staff.id)


def disable(actor: Actor, staff_id: UUID, *, leave_unmanaged: bool = False) -> None:
    """Disable an account; its sessions end at the next request.

    Raises:
        Conflict: the agency would lose its last administrator.
        NotAllowed: nobody disables themselves.
    """
    with db.transaction() as session:
        staff, membership = managed(session, actor, staff_id)
        check_not_oneself(
            actor, staff_id, N_("自分の利用は、自分では停止できません。ほかの管理者に依頼してください。")
        )
        if staff.disabled_at is not None:
            return
        check_leaves_someone(session, membership, leave_unmanaged=leave_unmanaged)
        staff.advance(None)
        staff.disabled_at = clock.now()
        sessions.end_all_of(session, staff_id)
        audit.record(AuditEvent.STAFF_DISABLED, staff, actor=actor)


def enable(actor: Actor, staff_id: UUID) -> None:
    """Enable an account again, with its former password."""
    with db.transaction() as session:
        staff, _membership = managed(session, actor, staff_id)
        if staff.disabled_at is None:
            return
        staff.advance(None)
        staff.disabled_at = None
        audit.record(AuditEvent.STAFF_UPDATED, staff, actor=actor, enabled=True)
