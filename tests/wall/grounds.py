"""Three agencies at a table and one outside it, and an item for each ground on which one may know of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from portal.core import clock
from portal.core.policy import Role
from portal.disclosures import services as disclosures
from portal.disclosures.models import Basis
from portal.meetings.states import MeetingKind
from tests.factories import Member, make_consent, make_member, make_person, make_referral
from tests.meeting_factories import make_item, make_meeting, name_member

WHOLE = ("basic", "health", "finances")


class Town:
    """Three agencies at the table and one outside; people and referrals as grounds to know of an item."""

    def __init__(self) -> None:
        self.convener, self.n, self.m = make_member(role=Role.COORDINATOR), make_member(), make_member()
        agency, mine = self.convener.agency_id, self.m.agency_id
        self.readers: dict[str, Member] = {
            "coordinator of the convener": self.convener,
            "staff of the convener": make_member(agency),
            "sworn staff of the convener": make_member(agency),
            "not named": self.m,
            "named": make_member(mine),
            "sworn": make_member(mine),
            "sworn of the third": self.n,
            "coordinator of a member": make_member(mine, Role.COORDINATOR),
            "administrator of a member": make_member(mine, Role.AGENCY_ADMIN),
            "auditor": make_member(None, Role.AUDITOR),
            "system administrator": make_member(None, Role.SYSTEM_ADMIN),
            "outsider": make_member(),
        }
        self.people: dict[str, UUID] = {}
        self.consents: dict[str, UUID] = {}
        self.referrals: dict[str, UUID] = {}
        self.tell_people()
        self.refer()

    def person(self, name: str, keeper: Member, *recipients: Member, told: Any = WHOLE, **terms: Any) -> None:
        self.people[name] = make_person(keeper)
        if recipients:
            self.consents[name] = make_consent(keeper, self.people[name], recipients, told, **terms)

    def tell_people(self) -> None:
        c, m, n = self.convener, self.m, self.n
        self.person("nobody told", c)
        self.person("covered", c, m, n)
        self.person("covered narrowly", c, m, n, told=("basic", "health"))
        self.person("covered for others", c, n)
        self.person("withdrawn", c, m, n)
        disclosures.withdraw_consent(c.actor, self.consents["withdrawn"])
        self.person("withdrawn for one", c, m, n)
        disclosures.withdraw_consent(
            c.actor, self.consents["withdrawn for one"], recipients={m.agency_id or UUID(int=0)}
        )
        self.person("withdrawn later", c, m, n)
        self.person("expires", c, m, n, until=clock.today() + timedelta(days=10))
        self.person("expired", c, m, n, until=clock.today())
        self.person("of the third", n, m, c)
        self.person("kept here", m, c)

    def refer(self) -> None:
        c, m, n = self.convener, self.m, self.n

        def refer(name: str, sender: Member, to: Member, whom: str = "", **more: Any) -> None:
            if not whom:
                self.person(name, sender, to)
                more["consent_id"] = self.consents[name]
            self.people[name] = self.people[whom or name]
            self.referrals[name] = make_referral(sender, to, person_id=self.people[name], **more)

        refer("received", c, m)
        refer("received and stopped later", c, m)
        refer("stopped", c, m)
        disclosures.withdraw_consent(c.actor, self.consents["stopped"])
        refer("refused", c, m, status="rejected")
        refer("draft", c, m, status="draft")
        refer("sent", m, n)
        refer("between others", c, n)
        refer("asked anonymously", c, m, "covered", kind="advice", basis=Basis.ANONYMOUS)
        refer("asked about a stranger", c, m, "nobody told", kind="advice", basis=Basis.ANONYMOUS)

    def grounds(self) -> dict[str, dict[str, Any]]:
        """What each item is like; `by` brings it, the convener unless told otherwise."""
        people, by = self.people, {"m": self.m, "n": self.n}
        shared = {"categories": WHOLE}
        found: dict[str, dict[str, Any]] = {
            "nobody is meant": {},
            "a closed matter": {"person_id": people["nobody told"]},
            "one's own": {"by": by["m"], "person_id": people["kept here"]},
            "one's own, shared": {"by": by["m"], "person_id": people["kept here"], **shared},
            "kept here, not shared": {"person_id": people["kept here"]},
            "kept here, shared": {"person_id": people["kept here"], **shared},
            "told elsewhere, not shared": {"person_id": people["received"]},
            "covered, not shared": {"person_id": people["covered"]},
            "told too little": {"person_id": people["covered"], "categories": ("health",)},
            "comes to mean another": {"person_id": people["covered"], **shared},
            "removed": {
                "person_id": people["covered"],
                **shared,
                "removed_at": clock.now(),
                "removed_why": "x",
            },
            "of the third": {"by": by["n"], "person_id": people["of the third"], **shared},
            "by one who knows it no more": {
                "by": by["n"],
                "person_id": people["withdrawn for one"],
                **shared,
            },
            "nobody told, shared": {"person_id": people["nobody told"], **shared},
        }
        for name in self.consents:
            if name not in self.referrals and name not in {"of the third", "kept here"}:
                found[name] = {"person_id": people[name], **shared}
        for name, referral_id in self.referrals.items():
            found[f"referral {name}"] = {"person_id": people[name], "referral_id": referral_id}
        return found

    def meet(self, kind: MeetingKind) -> tuple[UUID, dict[UUID, str]]:
        """A meeting of the kind with an item of each ground."""
        meeting_id = make_meeting(self.convener, [self.m, self.n], kind=kind)
        for name in ("named", "sworn", "sworn staff of the convener", "sworn of the third"):
            name_member(self.convener, meeting_id, self.readers[name], agreed=name != "named")
        # Whoever is sworn for one 支援会議 is not sworn for another.
        elsewhere = make_meeting(self.convener, [self.m], kind=MeetingKind.STATUTORY)
        for name in ("not named", "named", "coordinator of a member"):
            name_member(self.convener, elsewhere, self.readers[name], agreed=True)
        items = {}
        for ground, values in self.grounds().items():
            by = values.pop("by", self.convener)
            words = {"title": f"題{ground}", "text": f"文{ground}", "minutes_text": f"録{ground}"}
            items[make_item(by, meeting_id, **words, **values)] = ground
        return meeting_id, items
