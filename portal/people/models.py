"""People, what is known of them by category, and family ties. Templates never see these: see disclosures."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned
from portal.people.categories import Category, Relation


class Person(Identified, Versioned, Audited, Base):
    """Someone who is helped (相談者・対象者), under a name or, until they agree, under a pseudonym (仮名).

    `home_agency_id` keeps the record; `number` is that agency's own. `search_key` is the folded name.
    """

    __tablename__ = "person"
    __table_args__ = (
        UniqueConstraint("home_agency_id", "number"),
        Index(None, "home_agency_id", "id"),
        CheckConstraint("is_identified = (family <> '')", name="named_or_pseudonym"),
        CheckConstraint("is_identified OR pseudonym <> ''", name="has_a_word"),
    )

    home_agency_id: Mapped[UUID] = mapped_column(ForeignKey("agency.id"))
    registered_by_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"))
    number: Mapped[str]
    is_identified: Mapped[bool]
    pseudonym: Mapped[str] = mapped_column(default="")
    family: Mapped[str] = mapped_column(default="")
    given: Mapped[str] = mapped_column(default="")
    family_kana: Mapped[str] = mapped_column(default="")
    given_kana: Mapped[str] = mapped_column(default="")
    search_key: Mapped[str] = mapped_column(default="")
    birth: Mapped[date | None]
    age_band: Mapped[str] = mapped_column(default="")
    sex: Mapped[str] = mapped_column(default="")  # as stated, in the person's words
    address: Mapped[str] = mapped_column(default="")
    telephone: Mapped[str] = mapped_column(default="")
    household: Mapped[str] = mapped_column(default="")
    contact_prohibited: Mapped[bool] = mapped_column(default=False)
    contact_prohibited_reason: Mapped[str] = mapped_column(default="")
    protected_address: Mapped[bool] = mapped_column(default=False)
    erased_at: Mapped[datetime | None]  # then all that is left is the number: see retention

    @property
    def label(self) -> str:
        """The name, or the pseudonym where there is none: for those who may see basic information."""
        return f"{self.family} {self.given}".strip() if self.is_identified else self.pseudonym


class Information(Identified, Versioned, Audited, Base):
    """What is known of a person in one category: structured fields and text."""

    __tablename__ = "information"
    __table_args__ = (UniqueConstraint("person_id", "category"),)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    category: Mapped[Category]
    fields: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    text: Mapped[str] = mapped_column(default="")


class FamilyTie(Identified, Audited, Base):
    """`relative` is the `relation` of `person`: their parent, their child."""

    __tablename__ = "family_tie"
    __table_args__ = (
        UniqueConstraint("person_id", "relative_id"),
        Index(None, "relative_id"),
        CheckConstraint("person_id <> relative_id", name="two_people"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    relative_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    relation: Mapped[Relation]
