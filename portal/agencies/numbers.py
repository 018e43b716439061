"""Numbers that an agency gives out: per agency, so that nobody can count another's work by them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal import clock
from portal.agencies.models import Agency, Counter

# Said on the telephone, a person's number and a case's must not be taken for a referral's.
MARKS = {"person": "相", "case": "ケ", "referral": ""}


def numbered(year: int, short_name: str, series: str, serial: int) -> str:
    """`R8-アサ-0012` for a referral of 令和8年度, `R8-アサ-相0012` for a person, `R8-アサ-ケ0012` for a case."""
    return f"{clock.fiscal_prefix(year)}-{short_name}-{MARKS[series]}{serial:04d}"


def next_number(session: Session, agency_id: UUID, series: str) -> str:
    """The next number of a series ("person", "case", "referral") this fiscal year.

    The counter's row is locked until the transaction ends, so numbers have neither gaps nor twins.
    """
    year = clock.fiscal_year(clock.today())
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"agency_id": agency_id, "series": series, "fiscal_year": year, "last": 1}
    last = session.execute(
        insert(Counter)
        .values(**values)
        .on_conflict_do_update(
            index_elements=["agency_id", "series", "fiscal_year"], set_={"last": Counter.last + 1}
        )
        .returning(Counter.last)
    ).scalar_one()
    short = session.scalars(select(Agency.short_name).where(Agency.id == agency_id)).one()
    return numbered(year, short, series, last)
