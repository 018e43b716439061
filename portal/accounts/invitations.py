"""Links, good once, by which somebody becomes a member of staff or chooses a new password."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import queries, sessions
from portal.accounts.models import Invitation, Staff
from portal.accounts.passwords import check_new, hashing
from portal.accounts.services import (
    Post,
    become_member,
    check_may_give,
    check_not_oneself,
    check_person,
    check_post,
    give_post,
    managed,
    membership_of,
    post_of,
)
from portal.accounts.sessions import hashed
from portal.accounts.signing_in import actor_of, address_of
from portal.audit import services as audit
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db, new_id
from portal.core.errors import Conflict, Invalid
from portal.core.idempotency import claim
from portal.core.labels import N_
from portal.core.policy import Actor, Permission, require

GOOD_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Issued:
    """An invitation and the token of its link, which is known only now; None if the form was sent before."""

    id: UUID
    token: str | None


def invite(actor: Actor, *, email: str, name: str, post: Post, idempotency_key: str | None = None) -> Issued:
    """Invite somebody. Does not show whether another agency knows the address (docs/decisions/010).

    Raises:
        Invalid: role and agency do not go together, or the person is here or invited already.
        NotAllowed: the agency is another one's.
    """
    email = address_of(email)
    check_may_give(actor, post)
    check_person(email, name)
    invitation_id, token = new_id(), secrets.token_urlsafe(32)
    with db.transaction() as session:
        if earlier := claim(actor, idempotency_key, invitation_id):
            return Issued(earlier, None)
        check_post(session, post)
        check_new_here(session, actor, email)
        invitation = Invitation(
            id=invitation_id,
            token_hash=hashed(token),
            email=email,
            name=name,
            invited_by_id=actor.staff_id,
            expires_at=clock.now() + GOOD_FOR,
            **post.columns(),
        )
        session.add(invitation)
        audit.record(
            AuditEvent.STAFF_INVITED, invitation, actor=actor, email=email, name=name, post=post.columns()
        )
    return Issued(invitation_id, token)


def check_new_here(session: Session, actor: Actor, email: str) -> None:
    """Raise `Invalid` when the actor's own list has this address already; other agencies' are not checked."""
    if session.execute(queries.staff_visible_to(actor).where(Staff.email == email)).first():
        raise Invalid(
            N_("このメールアドレスの職員はすでに登録されています。職員の一覧を確認してください。"),
            field="email",
        )
    invited = queries.invitations_visible_to(actor).where(Invitation.email == email)
    if session.scalars(invited).first():
        raise Invalid(
            N_("このメールアドレスはすでに招待しています。職員の一覧から再発行できます。"), field="email"
        )


def invite_anew(actor: Actor, staff_id: UUID) -> Issued:
    """A link with which staff who forgot their password choose a new one; older links stop working.

    Raises:
        Conflict: the person is disabled.
        NotAllowed: for oneself there is the account page.
    """
    invitation_id, token = new_id(), secrets.token_urlsafe(32)
    with db.transaction() as session:
        staff, membership = managed(session, actor, staff_id)
        check_not_oneself(actor, staff_id, N_("自分のパスワードは、アカウントの画面で変更してください。"))
        if staff.disabled_at is not None:
            raise Conflict(N_("利用を停止している職員です。先に利用を再開してください。"))
        older = select(Invitation).where(
            Invitation.staff_id == staff_id, Invitation.used_at.is_(None), Invitation.revoked_at.is_(None)
        )
        for link in session.scalars(older):
            link.revoked_at = clock.now()
            audit.record(AuditEvent.STAFF_INVITED, link, actor=actor, revoked=True)
        invitation = Invitation(
            id=invitation_id,
            token_hash=hashed(token),
            email=staff.email,
            name=staff.name,
            agency_id=membership.agency_id,
            role=membership.role,
            administers=membership.administers,
            invited_by_id=actor.staff_id,
            expires_at=clock.now() + GOOD_FOR,
            staff_id=staff_id,
        )
        session.add(invitation)
        audit.record(AuditEvent.STAFF_INVITED, invitation, actor=actor, new_password=True)
    return Issued(invitation_id, token)


def managed_invitation(session: Session, actor: Actor, invitation_id: UUID) -> Invitation:
    """An invitation through which nobody has joined yet, locked.

    Raises:
        NoResultFound: none that this actor may know of.
    """
    found = queries.invitations_visible_to(actor).where(Invitation.id == invitation_id)
    invitation = session.scalars(found.with_for_update(of=Invitation)).one()
    require(actor, Permission.STAFF_MANAGE, invitation)
    return invitation


def reissue(actor: Actor, invitation_id: UUID) -> Issued:
    """A new link that replaces the old one.

    Raises:
        Conflict: it has been used.
    """
    token = secrets.token_urlsafe(32)
    with db.transaction() as session:
        invitation = managed_invitation(session, actor, invitation_id)
        if invitation.used_at is not None:
            raise Conflict(N_("この招待はすでに使われています。"))
        invitation.token_hash = hashed(token)
        invitation.expires_at = clock.now() + GOOD_FOR
        audit.record(AuditEvent.STAFF_INVITED, invitation, actor=actor, again=True)
    return Issued(invitation_id, token)


def revoke(actor: Actor, invitation_id: UUID) -> None:
    with db.transaction() as session:
        invitation = managed_invitation(session, actor, invitation_id)
        invitation.revoked_at = clock.now()
        audit.record(AuditEvent.STAFF_INVITED, invitation, actor=actor, revoked=True)


def usable(token: str) -> Select[Invitation]:
    """The invitation of this link while it is valid: not used, not revoked, not expired."""
    return select(Invitation).where(
        Invitation.token_hash == hashed(token),
        Invitation.used_at.is_(None),
        Invitation.revoked_at.is_(None),
        Invitation.expires_at > clock.now(),
    )


def accept(token: str, password: str) -> None:
    """Choose the password. An account that exists elsewhere stays untouched, and the answer is the same.

    Raises:
        Invalid: the password will not do.
        NoResultFound: the link is wrong, used, taken back or has run out.
    """
    with db.transaction() as session:
        invitation = session.scalars(usable(token)).one()
    check_new(password, email=invitation.email, name=invitation.name)
    password_hash = hashing.hash(password)
    try:
        settle(token, password_hash)
    except IntegrityError:
        # Two agencies invited one address and both links were used at the same moment: the other one won.
        settle(token, password_hash)


def settle(token: str, password_hash: str) -> None:
    with db.transaction() as session:
        invitation = session.scalars(usable(token).with_for_update()).one()
        invitation.used_at = clock.now()
        if invitation.staff_id is not None:
            renew_password(session, invitation, password_hash)
        elif session.scalars(queries.by_address(invitation.email)).first():
            audit.record(AuditEvent.STAFF_JOINED, invitation, actor=None, channel="invitation", allowed=False)
        else:
            join(session, invitation, password_hash)


def join(session: Session, invitation: Invitation, password_hash: str) -> None:
    staff = become_member(
        session,
        email=invitation.email,
        name=invitation.name,
        password_hash=password_hash,
        post=post_of(invitation),
    )
    invitation.staff_id = staff.id
    membership = membership_of(session, staff.id)
    actor = actor_of(staff, membership, None)
    for row in (invitation, staff, membership):
        audit.record(AuditEvent.STAFF_JOINED, row, actor=actor, channel="invitation")


def renew_password(session: Session, invitation: Invitation, password_hash: str) -> None:
    staff = session.scalars(select(Staff).where(Staff.id == invitation.staff_id).with_for_update()).one()
    actor = actor_of(staff, membership_of(session, staff.id), None)
    staff.password_hash = password_hash
    sessions.end_all_of(session, staff.id)
    for row in (invitation, staff):
        audit.record(AuditEvent.PASSWORD_CHANGED, row, actor=actor, channel="invitation")


def bring_over(actor: Actor, invitation_id: UUID, *, leave_unmanaged: bool = False) -> UUID:
    """Give an existing account the role and agency of an invitation that met it; returns the staff id.

    Only an actor who manages both agencies can see both: a system administrator.

    Raises:
        Conflict: the link has not been used.
        NoResultFound: no such invitation, or no such account, that this actor may know of.
    """
    with db.transaction() as session:
        invitation = managed_invitation(session, actor, invitation_id)
        if invitation.used_at is None:
            raise Conflict(N_("本人がまだリンクを使っていません。"))
        found = queries.staff_visible_to(actor).where(Staff.email == invitation.email)
        staff, membership = managed(session, actor, session.execute(found).one()[0].id)
        invitation.staff_id = staff.id
        staff.advance(None)
        audit.record(AuditEvent.STAFF_JOINED, invitation, actor=actor)
        audit.record(AuditEvent.STAFF_UPDATED, staff, actor=actor, moved=True)
        give_post(session, actor, staff, membership, post_of(invitation), leave_unmanaged=leave_unmanaged)
        return staff.id
