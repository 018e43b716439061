"""Two worlds that differ only in what a reader may not see answer that reader with the same bytes."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from flask import Flask

from portal.core import clock
from portal.disclosures import services as disclosures
from portal.meetings.agenda import numbers
from portal.meetings.agenda.numbers import LOTS
from portal.meetings.packets.services import open_packet
from portal.people import services as people
from portal.people.categories import Category
from portal.referrals import conversation
from portal.referrals.models import FollowUpKind
from portal.referrals.states import ReferralAction
from tests import factories, meeting_factories
from tests.browsers import Browser
from tests.factories import make_case, make_consent, make_note, make_person, make_referral, step
from tests.meeting_factories import name_member
from tests.wall import world_meetings
from tests.wall.canaries import CANARY, ReadingRights
from tests.wall.drawing import Draw
from tests.wall.pages import blurred
from tests.wall.sweep import text_of
from tests.wall.test_canary_sweep import rights_of
from tests.wall.world import World

pytestmark = pytest.mark.both_databases


class Ids:
    """Ids in the order they are asked for; what is hidden gets its own between those that both worlds share."""

    def __init__(self) -> None:
        self.shared, self.hidden, self.is_hidden = 0, 0, False
        self.lots = {False: 0, True: 0}

    def __call__(self) -> UUID:
        if self.is_hidden:
            self.hidden += 1
        else:
            self.shared += 1
        return UUID(int=(0x01A2 << 112) | (self.shared << 64) | (0x8 << 60) | (self.hidden * self.is_hidden))

    def drawn(self, _taken: object) -> int:
        """The lots of agenda items likewise: drawn from one end, and from the other."""
        self.lots[self.is_hidden] += 1
        drawn = self.lots[self.is_hidden]
        return LOTS[-drawn] if self.is_hidden else LOTS[drawn - 1]

    @contextmanager
    def behind_the_wall(self) -> Iterator[None]:
        self.is_hidden = True
        yield
        self.is_hidden = False


Secret = Callable[[World], None]


def rename(world: World, *names: str) -> None:
    for name in names:
        people.update_basics(world.a.actor, world.people[name], world.named())
        people.update_information(
            world.a.actor, world.people[name], Category.HEALTH, text=world.canaries.word()
        )


def beyond_b(world: World) -> None:
    """Everything in town that is no business of b's, also about the people whom b knows."""
    a, c, word = world.a, world.c, world.canaries.word
    world.person("new")
    consent_id = make_consent(a, world.people["new"], [c], ["basic", "health"])
    referral_id = make_referral(
        a, c, person_id=world.people["new"], consent_id=consent_id, categories=["basic", "health"]
    )
    conversation.opened(c.actor, referral_id)
    conversation.send_message(c.actor, referral_id, word())
    step(c, referral_id, ReferralAction.ACCEPT)
    for name in ("protected", "passed on"):
        people.update_information(a.actor, world.people[name], Category.LIFE_HISTORY, text=word())
    rename(world, "refused", "taken back", "mistaken")
    live = world.people["live"]
    make_note(a, world.case_of(a, "live"), text=word())
    make_consent(a, live, [c], ["basic"], until=clock.today() + timedelta(days=10))
    world.refer("live", "draft", label="another draft")
    world.refer("live", "requested", to=c, label="to c as well")
    world.ask_anonymously("live", c, "asked again")
    conversation.follow_up(a.actor, world.referrals["live"], FollowUpKind.MEETING, word())
    disclosures.withdraw_consent(
        a.actor, world.consents["partly"], recipients=[c.actor.agency_id or UUID(int=0)], reason=word()
    )


def closed_matters(world: World) -> None:
    """At a table where d sits too: a closed item, a consent that does not name d, and what was written on it."""
    word, person_id = world.canaries.word, make_person(world.a)
    closed = world_meetings.add(world, world.meetings["held"], world.a, person_id=person_id)
    world_meetings.write(world, closed)
    consent_id = make_consent(world.a, person_id, [world.c], ["basic", "health"])
    shared = world_meetings.add(
        world, world.meetings["held"], world.a, person_id=person_id, categories=("basic", "health")
    )
    open_packet(world.c.actor, world.meetings["held"])
    world_meetings.write(world, shared)
    disclosures.withdraw_consent(world.a.actor, consent_id, reason=word())
    council = world.meetings["council"]
    world_meetings.add(world, council, world.a, person_id=person_id, categories=("basic",))
    name_member(world.chair, council, world.members["b's worker who administers"], agreed=True)
    open_packet(world.a.actor, council)
    for name in ("ours", "weekly"):
        world_meetings.add(world, world.meetings[name], world.a, person_id=person_id)


def beyond_an_unsworn_colleague(world: World) -> None:
    """Besides: of whom the 支援会議 told b's sworn member alone, their consent to b having ended."""
    beyond_b_and_at_d(world)
    rename(world, "withdrawn", "partly", "expired")


def beyond_b_and_at_d(world: World) -> None:
    """And another agency meets somebody of the same name."""
    beyond_b(world)
    make_person(world.d, family="カナリヤ", given="一郎", family_kana="かなりや", given_kana="いちろう")
    make_case(world.d)


def beyond_d(world: World) -> None:
    """All that the others do with one another is hidden from d, also at the one table where it sits."""
    beyond_b(world)
    rename(world, "withdrawn", "partly", "expired")
    closed_matters(world)
    conversation.send_message(world.b.actor, world.referrals["live"], world.canaries.word())
    step(world.b, world.referrals["parent"], ReferralAction.ACCEPT)
    step(world.b, world.referrals["protected"], ReferralAction.REJECT)
    disclosures.withdraw_consent(world.a.actor, world.consents["live"])


# Whoever keeps the signed roots may know the log's length; an administrator, the own agency's numbers.
TELLS_ALL = ("/audit/checkpoints", "/reports/monthly")


def nothing(world: World) -> None:
    """The other world is as it was."""


SECRETS: dict[str, Secret] = {
    "b": beyond_b_and_at_d,
    "b's worker who administers": beyond_an_unsworn_colleague,
    "d": beyond_d,
    "a's admin": beyond_d,
    "system_admin": beyond_d,
}


@dataclass
class Town:
    """A world, and whatever numbers the next record in it, so that it goes on from a copy as it would have."""

    ids: Ids
    serials: list[Iterator[int]]
    world: World

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.modules["portal.core.db"], "uuid7", self.ids)
        monkeypatch.setattr(numbers, "drawn", self.ids.drawn)
        for module, serial in zip((factories, meeting_factories), self.serials, strict=True):
            monkeypatch.setattr(module, "serial", serial)


def found_town() -> Town:
    with pytest.MonkeyPatch.context() as monkeypatch:
        town = Town(Ids(), [count(1), count(1)], world=None)  # type: ignore[arg-type]
        town.enter(monkeypatch)
        town.world = World()
    return town


@pytest.mark.either_database
@pytest.mark.drawn(1)
@pytest.mark.parametrize("reader", SECRETS)
def test_what_one_may_not_see_changes_not_a_byte(
    app: Flask,
    copied: Callable[..., Town],
    browser: Callable[..., Browser],
    at: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    reader: str,
    draw: Draw,
) -> None:
    at("2026-11-23T10:00", tick=False)
    asked: list[str] = []
    worlds = []
    for secret in (nothing, SECRETS[reader]):
        town = copied(found_town)
        town.enter(monkeypatch)
        with town.ids.behind_the_wall():
            secret(town.world)
        rights = rights_of(app, town.world, reader)
        asked = asked or addresses_of(app, rights, draw)
        worlds.append(answers(browser(town.world.members[reader]), asked, rights))
    one, other = worlds
    assert one.keys() == other.keys()
    assert len(one) > 150
    for address, answer in one.items():
        if other[address] != answer:
            lines = difflib.unified_diff(answer[1].splitlines(), other[address][1].splitlines(), n=1)
            pytest.fail(f"{address} {answer[0]} {other[address][0]}\n" + "\n".join(lines))
    assert reader not in {"b", "d"} or any(CANARY.search(text) for _status, text in one.values())


def addresses_of(app: Flask, rights: ReadingRights, draw: Draw) -> list[str]:
    lists = [f"/referrals/?box={box}" for box in ("in", "out", "all")]
    lists += ["/referrals/?overdue=1", "/referrals/?stopped=1", "/referrals/?news=1", "/referrals/?new=1"]
    lists += [f"/consents/?show={show}" for show in ("live", "30", "60", "ended")] + ["/cases/?show=closed"]
    found = draw.addresses(app, rights, known=3, hidden=2)
    return [one for one in (*found, *lists) if not one.startswith(TELLS_ALL)]


def answers(client: Browser, asked: list[str], rights: ReadingRights) -> dict[str, tuple[int, str]]:
    found = {}
    for address in asked:
        if ".pdf" not in address:  # its page is asked; the paper carries the moment it was printed
            answer = client.get(address)
            is_sheet = answer.data.startswith(b"PK")  # unpacked, its bytes are words again
            found[address] = (
                answer.status_code,
                blurred(text_of(answer) if is_sheet else answer.get_data(as_text=True)),
            )
    for path in ("/people/", "/referrals/", "/search/"):
        for word in ("カナリヤ", "かなりや", "090-0000", "R8", "番"):
            answer = client.post(path, data={"q": word}, follow_redirects=True)
            found[f"{path} {word}"] = (answer.status_code, blurred(answer.get_data(as_text=True)))
    return found
