"""People of a seeded world: registered, known by category, consenting, supported in cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from portal.audit.events import AuditEvent
from portal.core import clock
from portal.people.categories import FILED, Category, Relation
from portal.people.names import search_key
from portal.seed.bulk import Bulk, Row, Who, dashed
from portal.seed.network import FAMILIES, GIVEN, KNOWN, Network, Place

BASIC = Category.BASIC.value
FILED_CODES = tuple(category.value for category in FILED)
OFFICE_HOURS = 8  # from 9:00 in Japan, which is midnight in UTC: the date is the same on both


@dataclass(slots=True, eq=False)
class World:
    bulk: Bulk
    random: Random
    network: Network
    now: datetime
    keys: dict[tuple[str, str], str] = field(default_factory=dict)

    def later(self, at: datetime, low: float, high: float) -> datetime:
        """A moment in office hours, so many days after; always after."""
        random = self.random
        moment = at + timedelta(days=random.uniform(low, high))
        if moment.weekday() >= 5:
            moment += timedelta(days=2)
        moment = moment.replace(
            hour=random.randrange(OFFICE_HOURS), minute=random.randrange(60), second=random.randrange(60)
        )
        return moment if moment > at else at + timedelta(minutes=random.randrange(2, 20))


@dataclass(slots=True, eq=False)
class Client:
    """A person, where the record is kept, what is on file, and who has an open case."""

    id: str
    row: Row
    home: Place
    filed: list[str]
    cases: dict[str, Row] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Yes:
    """A consent, and when it ends for whom."""

    id: str
    recipients: list[Place]
    categories: list[str]
    given: datetime
    ends: datetime
    withdrawn: datetime | None = None
    withdrawn_for: Place | None = None
    renewed: Yes | None = None

    @property
    def last(self) -> Yes:
        """The one in force after all renewals."""
        return self.renewed.last if self.renewed else self

    def dies_for(self, place: Place) -> datetime:
        taken_back = self.withdrawn and self.withdrawn_for in {None, place}
        return min(self.ends, self.withdrawn) if taken_back and self.withdrawn else self.ends


def register(world: World, home: Place, who: Who, at: datetime, *, named: bool = True) -> Client:
    bulk, random = world.bulk, world.random
    key = bulk.ids.new(at)
    family, family_kana = random.choice(FAMILIES)
    given, given_kana, sex = random.choice(GIVEN)
    birth = date(random.randrange(1950, 2004), random.randrange(1, 13), random.randrange(1, 29))
    serial = random.randrange(10_000)
    basics: Row = {"sex": sex}
    if named:
        names = (family, given, family_kana, given_kana)
        if names[::2] not in world.keys:
            world.keys[names[::2]] = search_key(*names)
        basics |= {
            "family": family,
            "given": given,
            "family_kana": family_kana,
            "given_kana": given_kana,
            "birth": birth,
            "address": f"{home.name.split()[0]}例示町{serial % 90 + 1}番{serial % 9 + 1}号",
            "telephone": f"090-0000-{serial:04d}",
            "protected_address": random.random() < 0.02,
        }
        if random.random() < 0.03:
            basics |= {
                "contact_prohibited": True,
                "contact_prohibited_reason": "家族に相談を知られていない。",
            }
        word = world.keys[names[::2]]
    else:
        basics |= {"pseudonym": f"{family_kana[0]}さん", "age_band": clock.age_band(at.year - birth.year)}
        word = search_key(basics["pseudonym"])
    row = bulk.add(
        "person",
        id=key,
        created_at=at,
        home_agency_id=home.id,
        registered_by_id=who.staff,
        number=home.number("person", at),
        is_identified=named,
        search_key=word,
        **basics,
    )
    bulk.record(
        at,
        AuditEvent.PERSON_REGISTERED,
        "person",
        key,
        who,
        person=key,
        categories=(BASIC,),
        ground="home",
        basics=basics,
    )
    client = Client(key, row, home, random.sample(FILED_CODES, random.choice((0, 0, 1, 1, 2))))
    for category in client.filed:
        inform(world, client, who, category, at)
    return client


def inform(world: World, client: Client, who: Who, category: str, at: datetime) -> None:
    bulk = world.bulk
    key, words = bulk.ids.new(at), world.random.choice(KNOWN[category])
    bulk.add("information", id=key, created_at=at, person_id=client.id, category=category, text=words)
    bulk.record(
        at,
        AuditEvent.INFORMATION_UPDATED,
        "information",
        key,
        who,
        person=client.id,
        categories=(category,),
        ground="home",
        changes={"text": ("", words)},
    )


def tie(world: World, client: Client, relative: Client, who: Who, at: datetime) -> None:
    bulk = world.bulk
    key, relation = bulk.ids.new(at), world.random.choice(list(Relation)).value
    bulk.add(
        "family_tie", id=key, created_at=at, person_id=client.id, relative_id=relative.id, relation=relation
    )
    bulk.record(
        at,
        AuditEvent.FAMILY_TIED,
        "family_tie",
        key,
        who,
        person=client.id,
        relative=dashed(relative.id),
        relation=relation,
    )


def consent(
    world: World,
    client: Client,
    who: Who,
    recipients: list[Place],
    at: datetime,
    *,
    days: int,
    replaces: Yes | None = None,
) -> Yes:
    bulk, random = world.bulk, world.random
    key, until = bulk.ids.new(at), at.date() + timedelta(days=days)
    categories = replaces.categories if replaces else [BASIC, *client.filed]
    method = random.choices(("written", "oral", "electronic"), (8, 1, 1))[0]
    witness = "立会 太郎" if method == "oral" else ""
    former = replaces.id if replaces else None
    bulk.add(
        "consent",
        id=key,
        created_at=at,
        person_id=client.id,
        agency_id=who.agency,
        recorded_by_id=who.staff,
        method=method,
        witness=witness,
        purpose="支援の調整のため",
        valid_from=at.date(),
        valid_until=until,
        replaces_id=former,
    )
    for place in recipients:
        bulk.add("consent_recipient", consent_id=key, agency_id=place.id)
    for category in categories:
        bulk.add("consent_category", consent_id=key, category=category)
    bulk.record(
        at,
        AuditEvent.CONSENT_RECORDED,
        "consent",
        key,
        who,
        person=client.id,
        categories=categories,
        ground="consent",
        recipients=sorted(dashed(place.id) or "" for place in recipients),
        valid_until=until,
        method=method,
        witness=witness,
        replaces=dashed(former),
    )
    return Yes(key, recipients, categories, at, clock.end_of_day(until))


def withdraw(world: World, client: Client, yes: Yes, who: Who, at: datetime) -> None:
    """Withdraw it, for all recipients or one of several; disclosures on it end at this moment."""
    bulk, random = world.bulk, world.random
    one = random.choice(yes.recipients) if len(yes.recipients) > 1 and random.random() < 0.5 else None
    yes.withdrawn, yes.withdrawn_for = at, one
    key, reason = bulk.ids.new(at), "いろいろな機関に知られるのがつらいとの申し出"
    bulk.add(
        "withdrawal",
        id=key,
        created_at=at,
        consent_id=yes.id,
        recipient_id=one.id if one else None,
        agency_id=who.agency,
        recorded_by_id=who.staff,
        withdrawn_at=at,
        reason=reason,
    )
    bulk.record(
        at,
        AuditEvent.CONSENT_WITHDRAWN,
        "withdrawal",
        key,
        who,
        person=client.id,
        ground="consent",
        consent=dashed(yes.id),
        recipient=dashed(one.id) if one else None,
        reason=reason,
    )
