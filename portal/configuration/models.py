"""A value that a city has set otherwise than the program came with."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.audit.models import Audited
from portal.core.db import Base, Identified, Versioned


class Setting(Identified, Versioned, Audited, Base):
    """One setting (`catalogue.Setting`); no row means the value the program came with."""

    __tablename__ = "setting"
    __table_args__ = (UniqueConstraint("key"),)

    key: Mapped[str]
    value: Mapped[int] = mapped_column()
