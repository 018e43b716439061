"""Acts on partners and their agreements."""

from __future__ import annotations

from portal.activities.kinds import Offer
from portal.activities.partners import services as partner_services
from portal.activities.partners.services import PartnerFacts
from portal.policy import Actor
from portal.scenario.play import Act, Given, Play
from portal.scenario.shapes import Sort, day, known, may, need, new, one_of, several, table, text


def add_partner(play: Play, actor: Actor, given: Given) -> None:
    contact = dict(given.get("contact", {}))
    facts = PartnerFacts(
        name=given["name"],
        offers=frozenset(given["offers"]),
        about=given.get("about", ""),
        contact_name=contact.pop("name", ""),
        **contact,
    )
    partner_id = partner_services.add(
        actor,
        facts,
        added_on=given.get("date"),
        signed_on=given.get("signed"),
        valid_until=given.get("until"),
    )
    play.name(Sort.PARTNER, given, partner_id)


def sign_agreement(play: Play, actor: Actor, given: Given) -> None:
    partner_id = play.ids[Sort.PARTNER, given["partner"]]
    partner_services.sign(actor, partner_id, given["signed"], given.get("until"))


ACTS: dict[str, Act] = {
    "add_partner": Act(
        add_partner,
        {
            "key": may(new(Sort.PARTNER)),
            "name": need(text),
            "offers": need(several(one_of(Offer))),
            "signed": may(day),
            "until": may(day),
            "about": may(text),
            "contact": may(table({name: may(text) for name in ("name", "telephone", "email", "address")})),
            "date": may(day),
        },
    ),
    "sign_agreement": Act(
        sign_agreement,
        {"partner": need(known(Sort.PARTNER)), "signed": need(day), "until": may(day)},
    ),
}
