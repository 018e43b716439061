"""The canaries' world with what is still to be done in it: whoever walks through finds each form once at least."""

from __future__ import annotations

from datetime import timedelta

from portal.accounts import invitations
from portal.accounts.services import Post
from portal.configuration import queries as settings
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.emergency import services as emergencies
from portal.inspections import findings, samples
from portal.inspections.findings import Statement
from portal.inspections.hints import Check, Verdict
from portal.inspections.models import FindingKind, SampleItem
from portal.inspections.samples import Draw
from portal.retention import services as retention
from portal.retention.models import ErasureGround
from tests.activity_factories import make_activity, make_attendance
from tests.browsers import PASSWORD
from tests.factories import make_member, make_referral
from tests.meeting_factories import make_item, make_meeting, name_member, walk
from tests.wall import world_emergency
from tests.wall.test_canary_sweep import settled
from tests.wall.world import World

WAITING = 4
# Referrals to be gone on with: each step leads on from somewhere.
STATUSES = (
    "draft",
    *["requested"] * 3,
    *["accepted"] * 4,
    *["in_progress"] * 4,
    "on_hold",
    *["completed"] * 2,
)
# More drafts than those who walk come to edit (an edited draft may tell more than its consent allows), and more
# proposals to erase than they drop.
DRAFTS = PROPOSALS = 12


def busy() -> World:
    world = settled()
    # Second persons, for what one alone may not do.
    world.members |= {
        "a's second coordinator": make_member(world.a.agency_id, Role.COORDINATOR),
        "second auditor": make_member(None, Role.AUDITOR),
        "second system_admin": make_member(None, Role.SYSTEM_ADMIN),
    }
    emergencies_of_a_day(world)
    sample_to_close(world)
    findings_to_judge(world)
    meetings_to_arrange(world)
    invite_twice(world)
    referrals_to_answer(world)
    heads_to_link(world)
    erasures_to_agree(world)
    return world


def more(world: World, part: str) -> None:
    """In this part of the portal, what those who have worked before have used up."""
    used_up = {
        "people": erasures_to_agree,
        "referrals": referrals_to_answer,
        "activities": heads_to_link,
        "offices": invite_twice,
    }
    if part in used_up:
        used_up[part](world)
    db.end()


def emergencies_of_a_day(world: World) -> None:
    """As many as one may use alone, of which the first is to be reviewed; and some to which somebody must agree."""
    for who in (world.d, world.b):
        uses = []
        for n in range(settings.value(db.read(), "emergency.alone_per_day") + WAITING):
            person = f"in danger {n} of {who.actor.name}"
            world.person(person)
            uses.append(world_emergency.ask(world, who, person))
        emergencies.give_back(who.actor, uses[0])


def sample_to_close(world: World) -> None:
    auditor = world.members["auditor"].actor
    today = clock.today()
    sample_id = samples.draw(auditor, Draw(today - timedelta(days=60), today, 1, seed="見本"))
    item = db.read.query(SampleItem).filter_by(sample_id=sample_id).one()
    db.end()
    samples.check(auditor, item.id, dict.fromkeys(Check, Verdict.OK), "")


def findings_to_judge(world: World) -> None:
    """Answered, and neither closed nor asked again."""
    agency_id = world.chair.agency_id
    assert agency_id
    for _one in range(4):
        due_on = clock.today() + timedelta(days=30)
        said = Statement(agency_id, FindingKind.WEAKNESS, world.canaries.word(), due_on)
        finding = findings.state(world.members["auditor"].actor, said)
        findings.answer(world.chair.actor, finding, world.canaries.word())


def meetings_to_arrange(world: World) -> None:
    """Some whose minutes may be reopened or approved, and some whose items may still be shared."""
    for status in ("draft", "announced", "in_session", "minuted", "minuted"):
        meeting_id = make_meeting(world.chair, [world.b, world.c])
        make_item(world.chair, meeting_id, person_id=world.people["live"])
        make_item(world.a, meeting_id, person_id=world.people["parent"])
        walk(world.chair, meeting_id, status)
    for _council in range(3):
        council = make_meeting(world.chair, [world.b, world.c], kind="statutory")
        for member in (world.a, world.b, world.c):
            name_member(world.chair, council, member)
        walk(world.chair, council, "announced")


def invite_twice(world: World) -> None:
    """Some of another agency, who have used the link: their accounts wait to be brought over."""
    admin = world.members["a's admin"].actor
    for _one in range(5):
        invited = make_member(world.d.agency_id)
        post = Post(Role.STAFF, admin.agency_id)
        found = invitations.invite(admin, email=invited.email, name=invited.actor.name, post=post)
        assert found.token
        invitations.accept(found.token, PASSWORD)
    for n in range(WAITING):  # whose link nobody has used yet
        email = f"waiting-{len(world.people)}-{n}-{clock.now():%H%M%S%f}@example.jp"
        invitations.invite(admin, email=email, name="見本 待子", post=Post(Role.STAFF, admin.agency_id))


def referrals_to_answer(world: World) -> None:
    for kind in ("referral", "transfer"):
        for status in STATUSES:
            make_referral(world.a, world.b, kind=kind, status=status)
    for _draft in range(DRAFTS):
        make_referral(world.a, world.b, status="draft")


def heads_to_link(world: World) -> None:
    """People who came without a name, on days that nobody has taken back yet."""
    for _day in range(3):
        activity_id = make_activity(world.b)
        for _head in range(3):
            make_attendance(world.b, activity_id)


def erasures_to_agree(world: World) -> None:
    for _proposal in range(PROPOSALS):
        person_id = world.person(f"to be erased {len(world.people)}")
        retention.propose(world.a.actor, person_id, ErasureGround.UNLAWFUL, world.canaries.word())
