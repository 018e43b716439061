"""The database: base class, column types, the reader session, and transaction(): the only commit."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import UTC, date, datetime
from threading import RLock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pysqlite3 import dbapi2 as sound_sqlite
from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Engine,
    Enum,
    MetaData,
    Text,
    bindparam,
    create_engine,
    event,
    make_url,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import (
    DeclarativeBase,
    InstrumentedAttribute,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator
from uuid_utils.compat import uuid7

from portal.core import clock, faults
from portal.core.database_file import stay_with_the_file
from portal.core.errors import StaleForm
from portal.core.labels import N_

if TYPE_CHECKING:
    from flask import Flask

Changes = dict[str, tuple[Any, Any]]

# WAL-reset corruption was mended in this release; older ones are refused outright.
OLDEST_SOUND_SQLITE = (3, 51, 3)

# Seconds to connect to PostgreSQL, and how long a connection is silent before it is looked after.
PATIENCE = {"connect_timeout": 5, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def new_id() -> UUID:
    """A random id whose first bits are the time, so that new rows lie side by side in every index."""
    return uuid7()


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime, on databases that keep the zone and on those that drop it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("naive datetime")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class JapanDay(FunctionElement[date]):
    """The day in Japan of an instant, in SQL: no index knows it, so rows are found by `clock.start_of_day`."""

    type = Date()
    inherit_cache = True


@compiles(JapanDay, "sqlite")
def day_in_sqlite(element: Any, compiler: Any, **more: Any) -> str:
    return f"date({compiler.process(element.clauses, **more)}, '+9 hours')"


@compiles(JapanDay, "postgresql")
def day_in_postgresql(element: Any, compiler: Any, **more: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **more)} AT TIME ZONE 'Asia/Tokyo' AS date)"


def render_item(kind: str, item: object, _context: object) -> str | bool:
    """Migrations name our own types as plain SQLAlchemy ones: they outlive this module."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UTCDateTime) else False


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UTCDateTime,
        str: Text,
        # No CHECK on codes: a new code must not require a table to be rebuilt.
        enum.Enum: Enum(
            enum.Enum,
            native_enum=False,
            length=40,
            create_constraint=False,
            values_callable=lambda e: [m.value for m in e],
        ),
    }

    def apply(self, **values: Any) -> Changes:
        """Set attributes and return what really changed, as `{name: (before, after)}`."""
        before = {name: getattr(self, name) for name in values}
        changes = {name: (before[name], value) for name, value in values.items() if before[name] != value}
        for name, (_, value) in changes.items():
            setattr(self, name, value)
        return changes


class Identified:
    """A row with a random id and the moment it was made."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-2)
    created_at: Mapped[datetime] = mapped_column(default=lambda: clock.now(), sort_order=-1)


class Versioned:
    """A row that two people may edit at once: each form carries the version it was filled in on."""

    version: Mapped[int] = mapped_column(default=1)

    def advance(self, expected: int | None) -> None:
        """Count one change.

        Raises:
            StaleForm: the row has changed since the form that expected `expected` was shown.
        """
        if expected is not None and expected != self.version:
            raise StaleForm(
                N_("入力している間に、ほかの人がこの記録を更新しました。内容を確認してください。")
            )
        self.version += 1


def keep_only(
    session: Session, model: type[Base], column: str, wanted: Collection[Any], **owner: Any
) -> None:
    """Add and delete this owner's rows until `column` holds `wanted`; singly, so that each is noted."""
    missing = set(wanted)
    for row in session.scalars(select(model).filter_by(**owner)):
        if getattr(row, column) in missing:
            missing.remove(getattr(row, column))
        else:
            session.delete(row)
    session.add_all(model(**owner, **{column: value}) for value in sorted(missing, key=str))


def among(column: InstrumentedAttribute[Any], members: Iterable[Any]) -> ColumnElement[bool]:
    """`column IN (…)` of members that are always the same.

    With a plain list, SQLAlchemy writes the whole statement anew at each run: 8 ms of the longest, for a list that
    never changes.
    """
    return column.in_([bindparam(None, member, type_=column.type) for member in sorted(members)])


def prepare_sqlite(engine: Engine, *, readonly: bool) -> None:
    """Make connections durable, strict, and with an explicit BEGIN, so that writers wait before they read."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=20000")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA recursive_triggers=ON")
        connection.execute("PRAGMA secure_delete=ON")  # what is erased leaves no trace in free pages
        if readonly:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def keep_plans(_c: object, _cursor: object, statement: str, given: Any, *_more: object) -> Any:
        # A bare parameter there makes SQLite plan the statement anew for each value: half the time of a list, and
        # three quarters of that of a search.
        kept = statement.replace("LIMIT ?", "LIMIT (? + 0)").replace("LIKE ?", "LIKE ('' || ?)")
        return kept, given

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")


def make_engine(url: str, *, readonly: bool) -> Engine:
    """An engine for the writer, or one whose connections cannot write; its errors do not show what was typed.

    Raises:
        RuntimeError: this SQLite can corrupt its file, or the address is none.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise RuntimeError("DATABASE_URL cannot be read") from None  # what it says may be half a password
    if address.get_backend_name() == "sqlite":
        if sound_sqlite.sqlite_version_info < OLDEST_SOUND_SQLITE:
            raise RuntimeError(
                f"SQLite {sound_sqlite.sqlite_version} is not sound: install the locked pysqlite3"
            )
        engine = create_engine(address, module=sound_sqlite, hide_parameters=True)
        stay_with_the_file(engine)
        prepare_sqlite(engine, readonly=readonly)
    else:
        # A server that does not answer keeps nobody waiting for long; one snapshot per request, so that a page
        # never shows half of somebody's act.
        patience = {key: value for key, value in PATIENCE.items() if key not in address.query}
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if readonly else {}
        engine = create_engine(
            address,
            execution_options=snapshot,
            connect_args=patience,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    faults.watch(engine, readonly=readonly)
    return engine


def close_reading(reading: scoped_session[Session]) -> None:
    """Give a reading session back. It ends by COMMIT: psycopg forgets its prepared statements at each ROLLBACK."""
    if reading.registry.has():
        if reading().info.get("in_transaction"):
            raise RuntimeError("the session that writes is no reading session")
        try:
            reading().commit()
        except SQLAlchemyError:
            reading().rollback()  # the statement before had failed, or the database is gone
        finally:
            reading.remove()


class Database:
    """The engines and the sessions. Knows nothing of requests, so services run anywhere.

    `read` is for everything that is shown, and shows what its `reader` may see (`portal/wall`); `session` exists only
    inside `transaction()`. `across` looks at everybody's rows, for the few services that work out over all agencies
    what each may see: a test names them.
    """

    metadata = Base.metadata
    engine: Engine
    read_engine: Engine
    unrestricted_engine: Engine
    install_views: Callable[[Engine], None] | None = None
    write_lock: AbstractContextManager[Any] = nullcontext()

    def __init__(self) -> None:
        self.session = scoped_session(sessionmaker(expire_on_commit=False))
        self.read = scoped_session(sessionmaker(expire_on_commit=False, autoflush=False))
        self.unrestricted = scoped_session(sessionmaker(expire_on_commit=False, autoflush=False))
        self.reader: ContextVar[Any] = ContextVar("reader", default=None)
        # How long the log was when the reading began, at the latest: `audit.outrunning` says what for.
        self.log_length: ContextVar[int | None] = ContextVar("log_length", default=None)

    def init_app(self, app: Flask) -> None:
        self.bind(app.config["DATABASE_URL"], app.config.get("READER_DATABASE_URL"))
        app.teardown_appcontext(lambda _error: self.leave())

    def bind(self, url: str, reader_url: str | None = None) -> None:
        """Point at another database, leaving the present one."""
        self.dispose()
        self.engine = make_engine(url, readonly=False)
        self.read_engine = make_engine(reader_url or url, readonly=True)
        self.unrestricted_engine = make_engine(url, readonly=True)
        if self.install_views:
            self.install_views(self.read_engine)
        self.use_engines()

    def use_engines(self) -> None:
        self.session.configure(bind=self.engine)
        self.read.configure(bind=self.read_engine)
        self.unrestricted.configure(bind=self.unrestricted_engine)
        # SQLite lets one writer in and makes the others poll; threads of one process rather stand in line.
        self.write_lock = RLock() if self.engine.dialect.name == "sqlite" else nullcontext()

    def end(self) -> None:
        """Give the sessions back; what was loaded stays readable."""
        self.session.remove()
        self.stop_reading()

    def leave(self) -> None:
        """Give the sessions back, and forget the reader."""
        try:
            self.end()
        finally:
            self.reader.set(None)

    def stop_reading(self) -> None:
        self.log_length.set(None)
        for reading in (self.read, self.unrestricted):
            close_reading(reading)

    def dispose(self) -> None:
        self.end()
        for name in ("engine", "read_engine", "unrestricted_engine"):
            if hasattr(self, name):
                getattr(self, name).dispose()

    @contextmanager
    def transaction(self, *, keep_reader: bool = False) -> Iterator[Session]:
        """Commit when the outermost block ends well, roll back when it raises; inner blocks join it.

        `keep_reader` is for entries of readings: they change nothing that the page is showing.
        """
        session = self.session()
        if session.info.get("in_transaction"):
            yield session
            return
        with self.write_lock:
            yield from self.outermost(session, keep_reader=keep_reader)

    def outermost(self, session: Session, *, keep_reader: bool) -> Iterator[Session]:
        session.info["in_transaction"] = True
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.info["in_transaction"] = False
            self.session.remove()
            if not keep_reader:
                self.stop_reading()  # what is read next must show what was just written


db = Database()
