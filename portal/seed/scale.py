"""Seeding: so many referrals between so many agencies over eight years, quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from portal.accounts.passwords import hashing
from portal.audit.events import AuditEvent
from portal.core import clock
from portal.core.db import db
from portal.core.policy import Role
from portal.referrals.models import FollowUpKind
from portal.referrals.states import ReferralKind, ReferralStatus
from portal.scenario.loading import NotEmpty, is_empty
from portal.seed import clients, network, paths
from portal.seed.bulk import Bulk, Who
from portal.seed.clients import Client, World, Yes
from portal.seed.network import Place
from portal.seed.paths import PLAN_NAMES, PLAN_WEIGHTS, PLANS, Path, Step
from portal.seed.seeded_activities import Gatherings

YEARS = 8
FEWEST, MOST = 120, 5_000_000
FEWEST_AGENCIES, MOST_AGENCIES = 4, 3000
# The first two agencies have the same work whatever the size of the world, so that their pages compare.
SHARE = 200
FEWEST_SHARE = 60
BUSY_EVENTS, BUSY = 20, 20
# How many referrals are made before the rows are written.
CHUNK = 2000
KINDS = (ReferralKind.REFERRAL, ReferralKind.JOINT_INTERVIEW, ReferralKind.ADVICE, ReferralKind.TRANSFER)
KIND_WEIGHTS = (72, 14, 7, 7)
WITHDRAWN, RENEWED, DRAFTS = 0.025, 0.075, 0.005
GROWTH = 0.8
BUSY_DAYS = 85
BAD_ENDS = {ReferralStatus.REJECTED.value, ReferralStatus.FAILED.value}
# What the pages of the first two agencies always show: a plan, begun so many days ago, on a consent of so many.
SHOWN = (
    ("draft", 3, 365),
    ("unopened", 1, 365),
    ("unopened", 12, 365),
    ("waiting", 3, 365),
    ("waiting", 15, 365),
    ("accepted", 20, 365),
    ("working", 40, 365),
    ("on_hold", 60, 365),
    ("completed", 300, 700),
    ("failed", 250, 700),
    ("rejected", 30, 365),
    ("cancelled", 90, 365),
    ("wrong", 30, 365),
    ("working", 80, 75),
)


@dataclass(frozen=True, slots=True)
class Seeded:
    """A sign-in, and an open referral of that agency with exactly twenty events."""

    email: str
    role: Role
    agency: str
    busy_referral: UUID


def seed(
    referrals: int, *, agencies: int, seed: int, password: str, attendances: int | None = None
) -> Seeded:
    """Fill an empty database; everybody has the same password. The same `seed` makes the same world.

    There is one attendance at an activity for every five referrals unless a number is given.

    Raises:
        NotEmpty: the database holds data.
    """
    random, now = Random(seed), clock.now().replace(microsecond=0)
    begins = now.replace(hour=0) - timedelta(days=YEARS * 365)
    password_hash = hashing.hash(password)
    with db.transaction() as session:
        if not is_empty(session):
            raise NotEmpty
        bulk = Bulk(session, random)
        places = network.build(bulk, random, agencies, begins, password_hash)
        world = World(bulk, random, places, now)
        wanted = referrals // 5 if attendances is None else attendances
        crowd = Crowd(world, referrals, Gatherings(world, wanted, begins, seed))
        busy = crowd.fill_pair()
        crowd.fill(begins)
        for place in places.places:
            for (series, year), last in place.given_out.items():
                bulk.add("counter", agency_id=place.id, series=series, fiscal_year=year, last=last)
        bulk.finish()
    first = places.places[0]
    return Seeded(places.emails[0], Role(first.staff[0].role), first.name, UUID(busy.id))


class Crowd:
    """The people of a seeded world and their referrals, made until there are enough."""

    def __init__(self, world: World, wanted: int, gatherings: Gatherings) -> None:
        self.world, self.random, self.wanted = world, world.random, wanted
        self.made, self.gatherings = 0, gatherings
        self.parents: dict[str, Client] = {}

    def fill_pair(self) -> Path:
        """The share of the first two agencies; one of the busy referrals."""
        first, second = self.world.network.places[:2]
        share = min(SHARE, max(FEWEST_SHARE, self.wanted // 5))
        for home, other in ((first, second), (second, first)):
            enough = self.made + share
            busy = [self.keep_busy(home, other) for _ in range(BUSY)]
            for plan, days, valid in SHOWN:
                self.show(home, other, plan, days, valid)
            while self.made < enough:
                ago = timedelta(days=YEARS * 360 * self.random.random() ** 2 + 5)
                self.journey(home, [other], self.world.now - ago, most=enough - self.made)
            if home is first:
                chosen = busy[0]
        return chosen

    def fill(self, begins: datetime) -> None:
        """Make all the others, in order of time, with as many people a month as a growing network has."""
        places, now = self.world.network.places, self.world.now
        span, done = now - timedelta(days=5) - begins, self.made
        left, flushed = max(self.wanted - done, 1), done
        while self.made < self.wanted:
            index = self.random.randrange(2, len(places))
            pool = [place for place in self.world.network.neighbours(index) if place not in places[:2]]
            at = begins + span * ((self.made - done) / left) ** GROWTH
            if self.made - flushed >= CHUNK:
                self.gatherings.hold(at)
                self.world.bulk.flush(until=at)
                flushed = self.made
            self.journey(places[index], pool, at, most=self.wanted - self.made)
        self.gatherings.hold(now)

    def arrive(self, home: Place, at: datetime, *, named: bool = True) -> tuple[Client, Who, datetime]:
        """Register somebody at an agency, in office hours."""
        at = at.replace(hour=self.random.randrange(8), minute=self.random.randrange(60))
        who = self.random.choice(home.staff)
        client = clients.register(self.world, home, who, at, named=named)
        if self.random.random() < 0.2:
            paths.open_case(self.world, client, home, who, at + timedelta(minutes=2))
        return client, who, at + timedelta(minutes=5)

    def refer(
        self,
        client: Client,
        sender: tuple[Place, Who],
        to: Place,
        yes: Yes | None,
        kind: ReferralKind,
        at: datetime,
        former: Path | None = None,
    ) -> Path:
        self.made += 1
        return Path(self.world, client, sender, to, yes, kind, at, former)

    def keep_busy(self, home: Place, other: Place) -> Path:
        """An open referral with so many events."""
        client, who, at = self.arrive(home, self.world.now - timedelta(days=BUSY_DAYS))
        yes = clients.consent(self.world, client, who, [other], at, days=BUSY_DAYS * 3)
        path = self.refer(client, (home, who), other, yes, ReferralKind.REFERRAL, at)
        begun = (*PLANS["assigned"][:-1],)
        talk: Sequence[Step] = (("message", 0, 1), ("reply", 0, 1)) * BUSY_EVENTS
        path.walk((*begun, *talk[: BUSY_EVENTS - len(begun) - 2]))
        path.settle()
        return path

    def show(self, home: Place, other: Place, plan: str, days: int, valid: int) -> None:
        """A referral in a state that a page has a word for, begun so many days ago."""
        client, who, at = self.arrive(home, self.world.now - timedelta(days=days))
        yes = clients.consent(self.world, client, who, [other], at, days=valid)
        path = self.refer(client, (home, who), other, yes, ReferralKind.REFERRAL, at)
        if plan in PLANS:
            path.walk(PLANS[plan])
            if valid > days:
                path.settle()

    def journey(self, home: Place, pool: list[Place], begins: datetime, *, most: int) -> None:
        """One person's way through the network, of at most so many referrals."""
        world, random = self.world, self.random
        named = random.random() > 0.05
        client, who, at = self.arrive(home, begins, named=named)
        if not named:
            self.ask_anonymously(client, who, random.choice(pool), at)
            return
        self.parents[home.id] = client
        yes = self.agree(client, who, pool, at)
        wanted = min(most, random.choices((1, 2, 3, 4), (55, 27, 14, 4))[0])
        for n in range(wanted):
            at = world.later(at, 0, 2 if n == 0 else 40)
            if at > world.now and n:
                break
            at = min(at, world.now - timedelta(minutes=20))
            yes, to = self.basis(client, who, yes, pool, at)
            kind = random.choices(
                KINDS[: 4 if n == wanted - 1 else 3], KIND_WEIGHTS[: 4 if n == wanted - 1 else 3]
            )[0]
            path = self.refer(client, (home, who), to, yes, kind, at)
            self.live(path)
            at = path.at
        self.wind_up(client, at)

    def basis(self, client: Client, who: Who, yes: Yes, pool: list[Place], at: datetime) -> tuple[Yes, Place]:
        """A consent that covers this moment, and one of its recipients."""
        current = yes.last if yes.last.given < at else yes
        live = [place for place in current.recipients if at + timedelta(hours=1) < current.dies_for(place)]
        if live:
            return current, self.random.choice(live)
        again = self.agree(client, who, pool, at - timedelta(minutes=10))
        return again, self.random.choice(again.recipients)

    def agree(self, client: Client, who: Who, pool: list[Place], at: datetime) -> Yes:
        """A consent; a few are taken back or renewed before they end."""
        world, random = self.world, self.random
        named = random.sample(pool, min(len(pool), random.choice((1, 1, 2, 3))))
        days = random.choice((365, 365, 730, 1095, 1460))
        yes = clients.consent(world, client, who, named, at, days=days)
        fate = random.random()
        if fate < WITHDRAWN:
            moment = world.later(at, 5, days / 2)
            if moment <= world.now:
                clients.withdraw(world, client, yes, who, moment)
        elif fate < RENEWED:
            moment = world.later(yes.ends, -15, -5)
            if moment <= world.now:
                yes.renewed = clients.consent(world, client, who, named, moment, days=365, replaces=yes)
        return yes

    def live(self, path: Path) -> None:
        random = self.random
        if random.random() < DRAFTS:
            return
        plan = random.choices(PLAN_NAMES, PLAN_WEIGHTS)[0]
        path.walk(PLANS["advised" if path.kind is ReferralKind.ADVICE else plan])
        path.settle()
        if path.row["status"] not in BAD_ENDS:
            return
        others = [place for place in path.yes.recipients if place is not path.to] if path.yes else []
        at = self.world.later(path.at, 0, 3)
        if others and path.yes and self.made < self.wanted and at <= self.world.now:
            to = random.choice(others)
            if at + timedelta(hours=1) < path.yes.dies_for(to) and path.kind is not ReferralKind.TRANSFER:
                sequel = self.refer(path.client, (path.place, path.who), to, path.yes, path.kind, at, path)
                sequel.walk(PLANS["completed"])
                sequel.settle()
                path.at = max(path.at, sequel.at)
                return
        if random.random() < 0.4 and at <= self.world.now:
            self.keep_in_mind(path, at)

    def ask_anonymously(self, client: Client, who: Who, to: Place, at: datetime) -> None:
        """A pseudonymous relative of somebody: advice is asked, and nobody is named."""
        relative = self.parents.get(client.home.id)
        if relative:
            clients.tie(self.world, relative, client, who, at)
        path = self.refer(client, (client.home, who), to, None, ReferralKind.ADVICE, at)
        path.walk(PLANS["advised"])
        path.settle()

    def keep_in_mind(self, path: Path, at: datetime) -> None:
        bulk, random = self.world.bulk, self.random
        key, kind = bulk.ids.new(at), random.choice(list(FollowUpKind)).value
        done = self.world.later(at, 3, 30)
        done_at = done if done <= self.world.now and random.random() < 0.9 else None
        said = {"kind": kind, "text": "受け入れ先が見つからない。会議で相談する。"}
        bulk.add(
            "follow_up",
            id=key,
            created_at=at,
            agency_id=path.place.id,
            referral_id=path.id,
            code=path.row["refusal"] or "",
            noted_by_id=path.who.staff,
            done_at=done_at,
            version=2 if done_at else 1,
            **said,
        )
        person = path.client.id
        bulk.record(at, AuditEvent.FOLLOW_UP_NOTED, "follow_up", key, path.who, person=person, **said)
        if done_at:
            bulk.record(done_at, AuditEvent.FOLLOW_UP_DONE, "follow_up", key, path.who, done=True)

    def wind_up(self, client: Client, at: datetime) -> None:
        """Most cases left open are closed some time later, after another contact."""
        world, random = self.world, self.random
        for agency_id in list(client.cases):
            place = world.network.by_id[agency_id]
            who, moment = random.choice(place.staff), world.later(at, 10, 200)
            if moment > world.now:
                continue
            if random.random() < 0.4:
                paths.note(world, client, place, who, moment)
            if random.random() < 0.8:
                paths.close_case(world, client, place, who, moment + timedelta(minutes=5))
