"""The agencies of a seeded world, what they offer, and who works there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from portal import clock
from portal.agencies.calendar import OpeningDays
from portal.agencies.models import Room
from portal.agencies.numbers import numbered
from portal.audit.events import AuditEvent
from portal.policy import Role
from portal.seed.bulk import Bulk, Row, Who
from portal.seed.invented import KINDS, SERVICES, TOWNS

WEEKS = (frozenset({5, 6}), frozenset({6, 0}), frozenset({6}))
CASEWORKERS = 3
# Referrals stay among the agencies of a town, with a few beyond.
NEIGHBOURS = len(KINDS)


@dataclass(slots=True, eq=False)
class Place:
    """An agency: its caseworkers, services, opening days, and the numbers it has given out."""

    id: str
    name: str
    short: str
    week: int
    staff: list[Who] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    given_out: Counter[tuple[str, int]] = field(default_factory=Counter)

    def number(self, series: str, at: datetime) -> str:
        year = clock.fiscal_year(clock.japan_date(at))
        self.given_out[series, year] += 1
        return numbered(year, self.short, series, self.given_out[series, year])


class Calendar:
    """Deadlines in business days, each counted once."""

    def __init__(self) -> None:
        self.weeks = [OpeningDays(weekly_closed=closed) for closed in WEEKS]
        self.counted: dict[tuple[int, date, int], date] = {}

    def deadline(self, place: Place, day: date, days: int) -> date:
        key = (place.week, day, days)
        if key not in self.counted:
            self.counted[key] = self.weeks[place.week].add_business_days(day, days)
        return self.counted[key]


@dataclass(slots=True, eq=False)
class Network:
    places: list[Place]
    calendar: Calendar
    emails: list[str]
    by_id: dict[str, Place]

    def neighbours(self, index: int) -> list[Place]:
        """Those that an agency refers to: of its own town, and the next town's first."""
        start = index - index % NEIGHBOURS
        town = self.places[start : start + NEIGHBOURS + 1]
        return [place for place in town if place is not self.places[index]]


def names_of(index: int) -> tuple[str, str, str]:
    """Kind, name and short name of the n-th agency; beyond the towns there are their second and third ones."""
    kind, (word, mark) = list(KINDS.items())[index % len(KINDS)]
    again, town = divmod(index // len(KINDS), len(TOWNS))
    name, first = TOWNS[town], TOWNS[town][0]
    return kind, f"{name} {word}{again + 1 if again else ''}", f"{first}{mark}{again + 1 if again else ''}"


def build(bulk: Bulk, random: Random, agencies: int, at: datetime, password_hash: str) -> Network:
    network = Network([], Calendar(), [], {})
    for index in range(agencies):
        place = build_place(bulk, random, index, at)
        network.places.append(place)
        network.by_id[place.id] = place
        for n in range(CASEWORKERS):
            role = Role.COORDINATOR if n == 1 else Role.STAFF
            email = f"a{index + 1}-{n + 1}@example.jp"
            network.emails.append(email)
            place.staff.append(
                hire(bulk, at, email, f"職員 {index + 1}の{n + 1}", role, place, password_hash)
            )
        email = f"a{index + 1}-admin@example.jp"
        hire(bulk, at, email, f"管理 {index + 1}", Role.AGENCY_ADMIN, place, password_hash)
    hire(bulk, at, "auditor@example.jp", "監査 公平", Role.AUDITOR, None, password_hash)
    hire(bulk, at, "system@example.jp", "管理 守", Role.SYSTEM_ADMIN, None, password_hash)
    return network


def build_place(bulk: Bulk, random: Random, index: int, at: datetime) -> Place:
    kind, name, short = names_of(index)
    place = Place(bulk.ids.new(at), name, short, index % len(WEEKS))
    facts = {
        "name": name,
        "short_name": short,
        "kind": kind,
        "telephone": f"0790-{index // 10000:02d}-{index % 10000:04d}",
        "email": f"agency{index + 1}@example.jp",
        "address": f"{name.split()[0]}見本町{index + 1}番地",
        "hours": "9:00-17:00",
        "weekly_closed": "".join(str(day) for day in sorted(WEEKS[place.week])),
    }
    bulk.add("agency", id=place.id, created_at=at, **facts)
    bulk.record(at, AuditEvent.AGENCY_CREATED, "agency", place.id, None, channel="command", facts=facts)
    for service in random.sample(SERVICES, 2):
        key = bulk.ids.new(at)
        place.services.append(key)
        room = random.choices(list(Room), (8, 1, 1))[0].value
        bulk.add(
            "service",
            id=key,
            created_at=at,
            agency_id=place.id,
            name=service,
            for_whom="困りごとのある人",
            room=room,
            room_as_of=clock.today() - timedelta(days=random.randrange(60)),
        )
        bulk.record(at, AuditEvent.SERVICE_UPDATED, "service", key, None, channel="command", name=service)
    if index % 10 == 0:
        close_down(bulk, place, clock.today() + timedelta(days=random.randrange(20, 60)))
    return place


def close_down(bulk: Bulk, place: Place, day: date) -> None:
    """A few days off in the weeks to come, too far away to move a deadline that was counted before."""
    at = clock.now()
    key = bulk.ids.new(at)
    span: Row = {"starts_on": day, "ends_on": day + timedelta(days=2), "reason": "研修のため"}
    bulk.add("closure", id=key, created_at=at, agency_id=place.id, **span)
    bulk.record(at, AuditEvent.CLOSURE_CHANGED, "closure", key, None, channel="command", **span)


def hire(
    bulk: Bulk, at: datetime, email: str, name: str, role: Role, place: Place | None, password_hash: str
) -> Who:
    staff, post = bulk.ids.new(at), bulk.ids.new(at)
    agency = place.id if place else None
    bulk.add("staff", id=staff, created_at=at, email=email, name=name, password_hash=password_hash)
    bulk.add(
        "membership",
        id=post,
        created_at=at,
        staff_id=staff,
        agency_id=agency,
        role=role.value,
        administers=False,
    )
    for kind, key in (("staff", staff), ("membership", post)):
        bulk.record(at, AuditEvent.STAFF_JOINED, kind, key, None, channel="command")
    return Who(staff, agency or "", role.value)
