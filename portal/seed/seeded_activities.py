"""Activities of a seeded world: held by its programmes in the order of time, with those who came."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from portal.activities.kinds import OUTREACH, ActivityKind, Mode, modes_of
from portal.audit.events import AuditEvent
from portal.evaluations.catalogue import AREAS
from portal.seed import clients
from portal.seed.bulk import Row, Who, dashed
from portal.seed.clients import OFFICE_HOURS, Client, World
from portal.seed.network import Place, names_of

PROGRAMME = "employment_preparation"
# What the first programme holds of it all, so that one agency's year is as full as may be.
BUSY = 0.5
K = ActivityKind
KIND_WEIGHTS = {
    K.CAFE: 40,
    K.HOME_VISIT: 20,
    K.SALON: 10,
    K.GROUP_SESSION: 8,
    K.INTERVIEW_PRACTICE: 8,
    K.SEMINAR: 4,
    K.BRIEFING: 3,
    K.LEAFLET: 3,
    K.COMPANY_VISIT: 2,
    K.WORKPLACE_TOUR: 1,
    K.SCHOOL_VISIT: 1,
}
AREA_OF = {kind: area.code for area in AREAS for kind in area.kinds}
FEWEST_HEADS, MOST_HEADS = 3, 13
ANONYMOUS, FIRST, TOGETHER, LEFT_OUT = 0.15, 0.3, 0.1, 0.04
# Somebody new comes so often; of those who came before, the latest come again.
NEW, REGULARS = 0.04, 200
TITLES = {K.CAFE: "カフェ", K.SALON: "就労サロン"}


class Gatherings:
    """Makes a number of attendances, spread evenly over the years."""

    def __init__(self, world: World, wanted: int, begins: datetime, number: int) -> None:
        self.world, self.bulk, self.wanted = world, world.bulk, wanted
        self.random = Random(
            number
        )  # of its own, so that the referrals are the same with more of them or fewer
        places = world.network.places
        self.programmes = [place for index, place in enumerate(places) if names_of(index)[0] == PROGRAMME]
        self.begins, self.span = begins, world.now - timedelta(days=2) - begins
        self.made = 0
        self.people: dict[str, list[Client]] = {}
        self.series: dict[str, str] = {}

    def hold(self, until: datetime) -> None:
        """Make all activities that take place before a moment."""
        while self.made < self.wanted:
            at = self.begins + self.span * (self.made / self.wanted)
            if at >= until:
                return
            random = self.random
            busy = random.random() < BUSY
            self.gather(self.programmes[0] if busy else random.choice(self.programmes), at)

    def gather(self, place: Place, at: datetime) -> None:
        random = self.random
        at = at.replace(hour=random.randrange(OFFICE_HOURS), minute=random.randrange(60))
        who = random.choice(place.staff)
        kind = random.choices(list(KIND_WEIGHTS), list(KIND_WEIGHTS.values()))[0]
        left_out = kind is not K.HOME_VISIT and random.random() < LEFT_OUT
        facts = self.facts(kind, at, left_out=left_out)
        neighbours = self.world.network.neighbours(self.world.network.places.index(place))
        holders = [place, *([random.choice(neighbours)] if random.random() < TOGETHER else [])]
        key = self.bulk.ids.new(at)
        self.bulk.add(
            "activity",
            id=key,
            created_at=at,
            agency_id=place.id,
            recorded_by_id=who.staff,
            series_id=self.series_of(place, who, at) if kind is K.CAFE else None,
            **facts,
        )
        for holder in holders:
            self.bulk.add("activity_agency", activity_id=key, agency_id=holder.id, held_on=facts["held_on"])
        together = sorted(dashed(holder.id) or "" for holder in holders[1:])
        self.bulk.record(at, AuditEvent.ACTIVITY_RECORDED, "activity", key, who, **facts, together=together)
        if kind in OUTREACH or left_out:
            return
        for client in self.who_comes(place, who, at, kind):
            self.attend(key, who, at, client)

    def facts(self, kind: ActivityKind, at: datetime, *, left_out: bool) -> Row:
        reaches = kind in OUTREACH and not left_out
        return {
            "kind": kind.value,
            "area": AREA_OF[kind],
            "held_on": at.date(),
            "title": TITLES.get(kind, kind.word),
            "place": "市民センター",
            "mode": self.random.choice(modes_of(kind) if kind is K.HOME_VISIT else (Mode.IN_PERSON,)).value,
            "partner_id": None,
            "not_held_why": "講師の都合" if left_out else "",
            "audience": "民生委員" if reaches else "",
            "audience_number": self.random.randrange(5, 60) if reaches else None,
            "text": "",
            "outcome": "",
        }

    def series_of(self, place: Place, who: Who, at: datetime) -> str:
        """The café of this programme, begun with its first afternoon."""
        if place.id not in self.series:
            key = self.bulk.ids.new(at)
            facts: Row = {
                "kind": K.CAFE.value,
                "area": AREA_OF[K.CAFE],
                "title": TITLES[K.CAFE],
                "place": "市民センター",
                "mode": Mode.IN_PERSON.value,
                "starts_on": at.date(),
            }
            self.bulk.add("activity_series", id=key, created_at=at, agency_id=place.id, **facts)
            self.bulk.add("activity_series_agency", series_id=key, agency_id=place.id)
            self.bulk.record(
                *(at, AuditEvent.ACTIVITY_SERIES_DEFINED, "activity_series", key, who), **facts, together=[]
            )
            self.series[place.id] = key
        return self.series[place.id]

    def who_comes(self, place: Place, who: Who, at: datetime, kind: ActivityKind) -> list[Client | None]:
        """Different people, or None for somebody anonymous; at home there is one, and known."""
        random, known = self.random, self.people.setdefault(place.id, [])
        heads = 1 if kind is K.HOME_VISIT else random.randint(FEWEST_HEADS, MOST_HEADS)
        while len(known) < MOST_HEADS or random.random() < NEW * heads:
            known.append(clients.register(self.world, place, who, at))
        nameless = sum(random.random() < ANONYMOUS for _ in range(heads)) if heads > 1 else 0
        return [*random.sample(known[-REGULARS:], heads - nameless), *[None] * nameless]

    def attend(self, activity: str, who: Who, at: datetime, client: Client | None) -> None:
        self.made += 1
        key, person = self.bulk.ids.new(at), client.id if client else None
        said = {"is_first": client is None and self.random.random() < FIRST, "note": ""}
        self.bulk.add(
            "activity_attendance",
            id=key,
            created_at=at,
            activity_id=activity,
            agency_id=who.agency,
            person_id=person,
            **said,
        )
        noted: Row = {"activity": dashed(activity), **said}
        self.bulk.record(
            *(at, AuditEvent.ATTENDANCE_NOTED, "activity_attendance", key, who), person=person, **noted
        )
