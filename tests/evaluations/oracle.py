"""The same figures told in plain Python from every row there is, without a line of the code that counts them.

Definitions are those of docs/decisions/021 and of the catalogue, said another way: by walking through a person's days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

TABLES = (
    *("agency", "activity", "activity_agency", "activity_attendance", "partner", "agreement"),
    *(
        "support_case",
        "case_milestone",
        "case_goal",
        "referral",
        "referral_goal",
        "meeting",
        "meeting_member",
    ),
)
Row = dict[str, Any]


def plain(value: Any) -> Any:
    """One spelling of ids, days and moments, whichever database they came from."""
    return value.hex if isinstance(value, UUID) else value


def day_of(value: Any) -> date | None:
    """A day as it is, a moment as Japan's day."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    if isinstance(value, str):
        if len(value) == 10:
            return date.fromisoformat(value)
        value = datetime.fromisoformat(value)
    at = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (at.astimezone(UTC) + timedelta(hours=9)).date()


@dataclass
class Everything:
    """All rows of all tables, by table."""

    rows: dict[str, list[Row]]

    @classmethod
    def read(cls, session: Session) -> Everything:
        return cls(
            {
                table: [
                    {name: plain(value) for name, value in row.items()}
                    for row in session.execute(text(f"SELECT * FROM {table}")).mappings()  # noqa: S608
                ]
                for table in TABLES
            }
        )

    def __getitem__(self, table: str) -> list[Row]:
        return self.rows[table]


@dataclass
class Told:
    """One moment of somebody's story: on which day what was said, since when it may have been known."""

    person: str
    what: str
    day: date
    since: date | None = None  # None: it stands for itself
    desk: bool = False


@dataclass
class Oracle:
    everything: Everything
    programme: str
    first: date
    last: date
    counts: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))

    def within(self, value: Any) -> bool:
        day = day_of(value)
        return day is not None and self.first <= day <= self.last

    def mine(self, table: str, column: str = "agency_id") -> Iterator[Row]:
        return (row for row in self.everything[table] if row[column] == self.programme)

    # Activities.

    def acts(self) -> list[Row]:
        """Standing activities of the programme, each with its heads."""
        held = {row["activity_id"] for row in self.mine("activity_agency")}
        heads = defaultdict(list)
        for row in self.everything["activity_attendance"]:
            if row["struck_at"] is None:
                heads[row["activity_id"]].append(row)
        return [
            row | {"heads": heads[row["id"]], "day": day_of(row["held_on"])}
            for row in self.everything["activity"]
            if row["id"] in held and row["struck_at"] is None
        ]

    def count_acts(self) -> None:
        by_kind = defaultdict(list)
        for row in self.acts():
            if self.within(row["day"]):
                by_kind[row["area"], row["kind"]].append(row)
        for (area, kind), rows in by_kind.items():
            took_place = [row for row in rows if row["not_held_why"] == ""]
            named, strangers = set(), 0
            for row in took_place:
                for head in row["heads"]:
                    if head["person_id"]:
                        named.add(head["person_id"])
                    elif head["is_first"]:
                        strangers += 1
            self.counts |= {
                (area, kind, "held"): len(took_place),
                (area, kind, "not_held"): len(rows) - len(took_place),
                (area, kind, "online"): sum(row["mode"] in {"online", "both"} for row in took_place),
                (area, kind, "audience"): sum(row["audience_number"] or 0 for row in took_place),
                (area, kind, "visits"): sum(len(row["heads"]) for row in took_place),
                (area, kind, "people"): max(
                    [len(named) + strangers, *(len(row["heads"]) for row in took_place)]
                ),
            }

    def doors(self) -> int:
        visits = defaultdict(list)
        for row in self.acts():
            if row["kind"] == "home_visit" and row["not_held_why"] == "":
                for head in row["heads"]:
                    if head["person_id"]:
                        visits[head["person_id"]].append((row["day"], row["mode"]))
        opened = 0
        for days in visits.values():
            at_the_door = [day for day, mode in days if mode == "through_door"]
            if at_the_door:
                inside = [day for day, mode in days if mode == "in_person" and day > min(at_the_door)]
                opened += bool(inside) and self.within(min(inside))
        return opened

    # Cases and referrals.

    def done(self, side: str) -> Iterator[Row]:
        return (row for row in self.mine("referral", side) if row["status"] == "completed")

    def belonging(self) -> int:
        closed = {
            row["person_id"]
            for row in self.mine("support_case")
            if row["outcome"] == "place_to_belong" and self.within(row["closed_on"])
        }
        sent = {
            row["person_id"]
            for row in self.done("to_agency_id")
            if row["outcome"] == "place_to_belong" and self.within(row["ended_at"])
        }
        return len(closed | sent)

    def by_leaflet(self) -> int:
        found = set()
        for case in self.mine("support_case"):
            opened = day_of(case["opened_on"])
            for other in self.everything["support_case"]:
                ended = day_of(other["closed_on"]) or date.max
                read = other["heard_by"] in {"leaflet", "leaflet_of_commissioner"}
                lasts = day_of(other["opened_on"]) <= opened <= ended  # type: ignore[operator]
                if other["person_id"] == case["person_id"] and read and lasts and self.within(opened):
                    found.add(case["person_id"])
        return len(found)

    def told(self) -> Iterator[Told]:
        desks = {row["id"] for row in self.everything["agency"] if row["kind"] == "hello_work"}
        cases = {row["id"]: row for row in self.mine("support_case")}
        for row in self.everything["case_milestone"]:
            if row["case_id"] in cases and row["struck_at"] is None:
                person, day = cases[row["case_id"]]["person_id"], day_of(row["happened_on"])
                assert day
                yield Told(person, row["what"], day, None, row["helper_agency_id"] in desks)
        for row in cases.values():
            if ended := day_of(row["closed_on"]):
                yield Told(row["person_id"], row["outcome"], ended, day_of(row["opened_on"]))
        for side in ("to_agency_id", "from_agency_id"):
            for row in self.done(side):
                ended, desk = day_of(row["ended_at"]), row["to_agency_id"] in desks
                assert ended
                yield Told(row["person_id"], row["outcome"], ended, day_of(row["sent_at"]), desk)

    def jobs(self) -> tuple[set[tuple[str, str]], set[str]]:
        """Who found what in the period, and who of them with Hello Work."""
        stories = [one for one in self.told() if one.what in {"employed", "part_time_job"}]
        found = set()
        helped = set()
        for one in stories:
            earlier = [
                other
                for other in stories
                if (other.person, other.what) == (one.person, one.what)
                and one.since is not None
                and one.since <= other.day < self.first
            ]
            if self.within(one.day) and not earlier:
                found.add((one.person, one.what))
                if one.desk:
                    helped.add(one.person)
        return found, helped

    def joined(self) -> list[Row]:
        return [
            row
            for row in self.done("to_agency_id")
            if row["outcome"] == "joined_programme" and self.within(row["ended_at"])
        ]

    def carried(self, person: str) -> bool:
        return any(
            case["person_id"] == person
            and day_of(case["opened_on"]) < self.first  # type: ignore[operator]
            and (day_of(case["closed_on"]) or date.max) >= self.first
            for case in self.mine("support_case")
        )

    def meetings(self, kind: str) -> int:
        mine = {row["meeting_id"] for row in self.mine("meeting_member")}
        begun = {"in_session", "minuted", "approved"}
        return sum(
            row["id"] in mine
            and row["kind"] == kind
            and row["status"] in begun
            and self.within(row["starts_at"])
            for row in self.everything["meeting"]
        )

    def measures(self) -> dict[str, int]:
        jobs, helped = self.jobs()
        joint = [row for row in self.joined() if row["kind"] == "joint_interview"]
        return {
            "door_opened": self.doors(),
            "place_to_belong": self.belonging(),
            "came_by_leaflet": self.by_leaflet(),
            "employed": sum(what == "employed" for _person, what in jobs),
            "part_time_job": sum(what == "part_time_job" for _person, what in jobs),
            "with_hello_work": len(helped),
            "partners_added": sum(self.within(row["added_on"]) for row in self.mine("partner")),
            "agreements_signed": sum(
                self.within(row["signed_on"]) and row["struck_at"] is None for row in self.mine("agreement")
            ),
            "joint_interviews": sum(
                row["kind"] == "joint_interview"
                and row["status"] != "entered_in_error"
                and self.within(row["first_contact_on"])
                for row in self.mine("referral", "to_agency_id")
            ),
            "joined_after_joint": len(joint),
            "joined_carried_over": sum(self.carried(row["person_id"]) for row in joint),
            "joined": len(self.joined()),
            "weekly_meetings": self.meetings("weekly"),
            "councils": self.meetings("coordination"),
            "case_studies": self.meetings("case_study"),
        }

    def goals(self) -> dict[tuple[str, str], int]:
        """By domain and score."""
        found: dict[tuple[str, str], int] = defaultdict(int)
        over = {row["id"] for row in self.done("to_agency_id") if self.within(row["ended_at"])}
        cases = {row["id"] for row in self.mine("support_case")}
        for row in self.everything["referral_goal"]:
            if row["referral_id"] in over and row["score"]:
                found[row["domain"], row["score"]] += 1
        for row in self.everything["case_goal"]:
            if row["case_id"] in cases and row["score"] and self.within(row["scored_at"]):
                found[row["domain"], row["score"]] += 1
        return found


def figures_of(everything: Everything, programme: UUID, first: date, last: date) -> dict[str, int]:
    """By `<area>/<kind>.<count>`, and by a measure's code alone; what is not there is zero."""
    oracle = Oracle(everything, programme.hex, first, last)
    oracle.count_acts()
    found = {f"{area}/{kind}.{what}": number for (area, kind, what), number in oracle.counts.items()}
    return found | oracle.measures()


def goals_of(everything: Everything, programme: UUID, first: date, last: date) -> dict[tuple[str, str], int]:
    return dict(Oracle(everything, programme.hex, first, last).goals())
